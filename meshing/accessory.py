"""What glasses and earrings share: rigid parts, and keeping clear of the skin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .rigged_head import JOINT_NAMES, Material, Part

HeadDistance = Callable[[np.ndarray], np.ndarray]
GRADIENT_STEP = 0.0005  # m
PUSHES = 12


def rigid_part(name: str, mesh: tuple[np.ndarray, np.ndarray], material: Material) -> Part:
    """Return a part of `mesh`, (vertices, quads), that moves with the head."""
    vertices, quads = mesh
    weights = np.zeros((len(vertices), len(JOINT_NAMES)), np.float32)
    weights[:, JOINT_NAMES.index("neck")] = 1.0
    return Part(
        name=name,
        vertices=vertices.astype(np.float32),
        faces=quads.astype(np.int32),
        uvs=None,
        material_index=np.zeros(len(quads), np.int32),
        materials=(material,),
        weights=weights,
    )


def push_out(
    points: np.ndarray, head_distance: HeadDistance, clearance: float, free: np.ndarray
) -> np.ndarray:
    """Move `points` (N, 3) up the head distance until each is `clearance` metres from the skin.

    `free` (3,) is 1 for the axes along which points may move and 0 for the others.
    """
    points = points.copy()
    for _ in range(PUSHES):
        gap = clearance - head_distance(points)
        if gap.max() <= 0.0:
            break
        gradient = distance_gradient(points, head_distance) * free
        length = np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 0.2)
        points += np.maximum(gap, 0.0)[:, None] * gradient / length**2
    return points


def distance_gradient(points: np.ndarray, head_distance: HeadDistance) -> np.ndarray:
    """Return the central-difference gradient (N, 3) of the head distance at `points` (N, 3)."""
    steps = GRADIENT_STEP * np.concatenate([np.eye(3), -np.eye(3)])
    values = head_distance((points[None] + steps[:, None]).reshape(-1, 3)).reshape(6, -1)
    return (values[:3] - values[3:]).T / (2.0 * GRADIENT_STEP)
