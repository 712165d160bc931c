"""Quad meshes swept along curves: tubes; spheres of quads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .geometry import normalize


def tube(
    path: np.ndarray, radius: float | np.ndarray, sides: int = 8, closed: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices and quads of a round tube along `path` (N, 3), metres.

    `radius` is one number or (N,); `sides` is even. A closed path joins its end to its start, an
    open one gets flat caps. Frames are carried along without twist (Wang et al. 2008).
    """
    if sides % 2 or sides < 4:
        raise ValueError(f"expected an even number of sides, at least 4, got {sides}")
    count = len(path)
    normals, binormals = _frames(path, closed)
    angle = np.arange(sides) * (2.0 * np.pi / sides)
    radius = np.broadcast_to(np.asarray(radius, np.float64), (count,))[:, None, None]
    around = normals[:, None] * np.cos(angle)[:, None] + binormals[:, None] * np.sin(angle)[:, None]
    vertices = (path[:, None] + radius * around).reshape(-1, 3)
    ring = np.arange(count if closed else count - 1)[:, None]
    here, following = ring * sides, (ring + 1) % count * sides
    corner, beside = np.arange(sides), (np.arange(sides) + 1) % sides
    quads = np.stack(
        [here + corner, here + beside, following + beside, following + corner], axis=-1
    ).reshape(-1, 4)
    if not closed:
        cap = _cap(sides)
        quads = np.concatenate([quads, cap[:, ::-1], cap + (count - 1) * sides])
    return vertices, quads


def superellipse(
    centre: np.ndarray, half_width: float, half_height: float, power: float, count: int
) -> np.ndarray:
    """Return (N, 2) evenly spaced points of |x/a|^n + |z/b|^n = 1, counter-clockwise."""
    angle = np.linspace(0.0, 2.0 * np.pi, 16 * count, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    scale = (np.abs(cosine) ** power + np.abs(sine) ** power) ** (-1.0 / power)
    dense = np.stack([half_width * scale * cosine, half_height * scale * sine], axis=1)
    step = np.linalg.norm(np.diff(dense, axis=0, append=dense[:1]), axis=1)
    along = np.concatenate([[0.0], np.cumsum(step)])
    wanted = np.arange(count) * (along[-1] / count)
    loop = np.concatenate([dense, dense[:1]])
    return centre + np.stack([np.interp(wanted, along, loop[:, k]) for k in range(2)], axis=1)


def sphere(centre: np.ndarray, radius: float, steps: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices and quads of a sphere: a cube of `steps` x `steps` x 6 quads, rounded."""
    grid = np.tan(np.linspace(-1.0, 1.0, steps + 1) * (np.pi / 4.0))
    u, v = np.meshgrid(grid, grid, indexing="ij")
    first = np.arange((steps + 1) ** 2).reshape(steps + 1, steps + 1)
    face = np.stack([first[:-1, :-1], first[1:, :-1], first[1:, 1:], first[:-1, 1:]], axis=-1)
    points, quads = [], []
    for axis in range(3):
        for sign in (1.0, -1.0):
            side = np.stack([np.full_like(u, sign), u, v], axis=-1).reshape(-1, 3)
            order = face.reshape(-1, 4) if sign > 0 else face.reshape(-1, 4)[:, ::-1]
            quads.append(order + len(points) * len(side))
            points.append(np.roll(side, axis, axis=1))
    corners = np.concatenate(points)
    _, index, inverse = np.unique(
        np.round(corners, 9), axis=0, return_index=True, return_inverse=True
    )
    faces = inverse.reshape(-1)[np.concatenate(quads)]
    return centre + radius * normalize(corners[index]), faces


def join(pieces: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return one mesh of several (vertices, quads)."""
    starts = np.cumsum([0] + [len(vertices) for vertices, _ in pieces])
    vertices = np.concatenate([vertices for vertices, _ in pieces])
    quads = [faces + start for (_, faces), start in zip(pieces, starts[:-1], strict=True)]
    return vertices, np.concatenate(quads)


def _cap(sides: int) -> np.ndarray:
    """Quads (sides / 2 - 1, 4) that fill an even polygon."""
    left = np.arange(sides // 2 - 1)
    return np.stack([left, left + 1, sides - 2 - left, sides - 1 - left], axis=1)


def _frames(path: np.ndarray, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Normals and binormals (N, 3) that turn as little as possible along the path."""
    if closed:
        tangents = normalize(np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0))
    else:
        tangents = normalize(np.gradient(path, axis=0))
    helper = np.eye(3)[np.argmin(np.abs(tangents[0]))]
    normal = normalize(np.cross(tangents[0], helper))
    normals = np.empty_like(tangents)
    for index, tangent in enumerate(tangents):
        normal = normalize(normal - (normal @ tangent) * tangent)
        normals[index] = normal
    binormals = np.cross(tangents, normals)
    return normals, binormals
