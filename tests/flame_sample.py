"""A head in the schema of FLAME's file: no FLAME data, a sphere-like face with joints and bases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

JOINTS = np.array(
    [
        [0, -0.15, -0.01],
        [0, -0.08, -0.02],
        [0, -0.02, 0.01],
        [0.032, 0.025, 0.06],
        [-0.032, 0.025, 0.06],
    ]
)
RINGS, SECTORS = 44, 114  # 44 x 114 = 5016 vertices, and seven that no face uses


@dataclass(frozen=True)
class FlameArrays:
    """The arrays of a FLAME file."""

    v_template: np.ndarray
    shapedirs: np.ndarray
    exprdirs: np.ndarray
    posedirs: np.ndarray
    J_regressor: np.ndarray
    kintree_table: np.ndarray
    lbs_weights: np.ndarray
    faces: np.ndarray


def egg() -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (5023, 3) in FLAME's frame and triangles of a head-sized egg, open below."""
    polar = np.linspace(0.05, 0.85 * np.pi, RINGS)
    turn = np.linspace(0, 2 * np.pi, SECTORS, endpoint=False)
    p, t = np.meshgrid(polar, turn, indexing="ij")
    unit = np.stack([np.sin(p) * np.sin(t), np.cos(p), np.sin(p) * np.cos(t)], -1).reshape(-1, 3)
    nose = 0.02 * np.exp(-(((unit - [0, -0.1, 0.99]) / 0.15) ** 2).sum(1))
    vertices = unit * [0.075, 0.12, 0.095] + nose[:, None] * [0, 0, 1]
    i, j = np.meshgrid(np.arange(RINGS - 1), np.arange(SECTORS), indexing="ij")
    a, b = i * SECTORS + j, i * SECTORS + (j + 1) % SECTORS
    c, d = a + SECTORS, b + SECTORS
    faces = np.concatenate([np.stack([a, c, b], -1), np.stack([b, c, d], -1)]).reshape(-1, 3)
    spare = np.zeros((5023 - len(vertices), 3))
    return np.concatenate([vertices, spare]).astype(np.float32), faces.astype(np.int64)


def flame_arrays(
    vertices: np.ndarray, faces: np.ndarray, shapes: int = 12, expressions: int = 6, seed: int = 0
) -> FlameArrays:
    """Return a FLAME-shaped file over a mesh (V, 3): smooth random bases, weights by nearness."""
    rng = np.random.default_rng(seed)
    distance = np.linalg.norm(vertices[:, None] - JOINTS, axis=-1)
    weights = np.exp(-((distance / 0.04) ** 2)) + 1e-6
    weights[:, 1] += 0.2
    eye = np.linalg.norm(vertices[:, None] - (JOINTS[3:] + [0, 0, 0.02]), axis=-1) < 0.014
    weights[eye[:, 0]], weights[eye[:, 1]] = np.eye(5)[3], np.eye(5)[4]
    regressor = np.exp(-((distance / 0.05) ** 2)).T + 1e-9
    return FlameArrays(
        v_template=vertices.astype(np.float32),
        shapedirs=_waves(rng, vertices, shapes, 0.002),
        exprdirs=_waves(rng, vertices, expressions, 0.002),
        posedirs=np.moveaxis(_waves(rng, vertices, 36, 0.003), 2, 0).reshape(36, -1).copy(),
        J_regressor=(regressor / regressor.sum(1, keepdims=True)).astype(np.float32),
        kintree_table=np.array([[-1, 0, 1, 1, 1], [0, 1, 2, 3, 4]]),
        lbs_weights=(weights / weights.sum(1, keepdims=True)).astype(np.float32),
        faces=faces.astype(np.int64),
    )


def landmark_arrays(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return faces (68,) and barycentric coordinates (68, 3) of landmarks, the mouth in front."""
    front = np.argsort(-vertices[faces].mean(1)[:, 2])
    where = np.zeros((68, 3))
    turn = np.linspace(np.pi, -np.pi, 12, endpoint=False)
    where[:] = [0, 0.02, 0.1]
    where[48:60] = np.stack(
        [-0.025 * -np.cos(turn), -0.045 + 0.01 * np.sin(turn), 0.08 + 0 * turn], 1
    )
    centres = vertices[faces[front[:4000]]].mean(1)
    chosen = front[np.linalg.norm(centres[None] - where[:, None], axis=-1).argmin(1)]
    return chosen, np.full((68, 3), 1 / 3)


def _waves(rng, vertices: np.ndarray, count: int, size: float) -> np.ndarray:
    """Return smooth displacement fields (V, 3, count) of about `size` metres."""
    frequency = rng.normal(size=(count, 3)) * 25.0
    phase = rng.uniform(0, 6.28, count)
    direction = rng.normal(size=(count, 3))
    wave = np.sin(vertices @ frequency.T + phase)
    return (size * wave[:, None, :] * direction.T).astype(np.float32)
