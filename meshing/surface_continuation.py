"""Continuation: follow a surface from cell to cell until all of it is found.

The signs that refinement assumed are checked where they matter, at both ends of every lattice
edge between different signs, and the surface is followed into cells that refinement left out.
Whatever is connected to a cell given at the start is thus the surface of the whole lattice, even
where the field is steeper than assumed or jumps.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from .surface_lattice import Lattice
from .surface_refine import NODES

# Edges (54, 2) between neighbouring nodes of a cell of two steps.
NODE_EDGES = np.array(
    [
        (a, b)
        for a, b in product(range(27), repeat=2)
        if a < b and np.abs(NODES[a] - NODES[b]).sum() == 1
    ]
)
# The nine nodes of each face, and the neighbour behind it.
FACES = [
    (np.flatnonzero(NODES[:, axis] == 1 + side), side * np.eye(3, dtype=int)[axis])
    for axis in range(3)
    for side in (-1, 1)
]


def follow_surface(lattice: Lattice, origins: np.ndarray) -> np.ndarray:
    """Return the first points (N,) of the cells of two steps that the surface cuts.

    origins (M,) are the first points of the cells to start from; their nodes have values or
    assumed signs. Afterwards both ends of every cut edge in the cells are exact.
    """
    nodes = (NODES @ lattice.strides)[:, None]
    visited = np.zeros(lattice.padded // 2, bool)
    frontier = np.stack(np.unravel_index(origins, lattice.shape)) // 2
    visited[tuple(frontier)] = True
    while frontier.shape[1]:
        keys = 2 * lattice.strides @ frontier + nodes
        lattice.evaluate(keys[lattice.values[keys] == 0])
        flipped = _settle_cut_edges(lattice, keys)
        missing = _across_cut_faces(lattice, frontier, keys, visited)
        frontier = np.unique(np.concatenate([missing, _around(lattice, flipped)], axis=1), axis=1)
        visited[tuple(frontier)] = True
    cells = 2 * lattice.strides @ np.stack(np.nonzero(visited))
    inside = lattice.values[cells + nodes] < 0
    return cells[inside.any(axis=0) & ~inside.all(axis=0)]


def _settle_cut_edges(lattice: Lattice, keys: np.ndarray) -> np.ndarray:
    """Make the ends of cut edges exact in cells with nodes keys (27, N), until none is assumed.

    Returns the points (F,) whose sign was not as assumed.
    """
    flipped = []
    while True:
        values = lattice.values[keys]
        inside = values < 0
        wanted = np.zeros_like(inside)
        for a, b in NODE_EDGES:
            cut = inside[a] != inside[b]
            wanted[a] |= cut
            wanted[b] |= cut
        wanted &= np.isinf(values)
        points = keys[wanted]
        if not len(points):
            return np.concatenate(flipped) if flipped else points
        lattice.evaluate(points)
        flipped.append(points[(lattice.values[points] < 0) != inside[wanted]])
        keys = keys[:, wanted.any(axis=0)]


def _across_cut_faces(
    lattice: Lattice, cells: np.ndarray, keys: np.ndarray, visited: np.ndarray
) -> np.ndarray:
    """Return the cells (3, M) not visited yet behind faces of `cells` (3, N) with both signs."""
    inside = lattice.values[keys] < 0
    limit = lattice.padded[:, None] // 2
    missing = []
    for face_nodes, direction in FACES:
        face = inside[face_nodes]
        neighbours = cells[:, face.any(axis=0) & ~face.all(axis=0)] + direction[:, None]
        neighbours = neighbours[:, ((neighbours >= 0) & (neighbours < limit)).all(axis=0)]
        missing.append(neighbours[:, ~visited[tuple(neighbours)]])
    return np.concatenate(missing, axis=1)


def _around(lattice: Lattice, points: np.ndarray) -> np.ndarray:
    """Return all cells (3, M) of two steps that contain lattice points (F,)."""
    index = np.stack(np.unravel_index(points, lattice.shape))
    limit = lattice.padded[:, None] // 2 - 1
    corners = [
        np.clip(np.where(np.array(upper)[:, None], index, index - 1) // 2, 0, limit)
        for upper in product((False, True), repeat=3)
    ]
    return np.concatenate(corners, axis=1)
