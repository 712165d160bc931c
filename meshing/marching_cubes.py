"""Marching cubes: PyMCubes where it is installed, otherwise the same in NumPy.

PyMCubes has no build for the Python 3.13 of newer Blenders.  The NumPy version visits active
cells only, so it stays within a few times of the compiled one; it differs from it in the
diagonals of polygons and on ambiguous cell faces, never in the vertices.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np

try:
    import mcubes
except ImportError:
    mcubes = None

# Corner c of a cell lies at (i, j, k) = CORNERS[c]; an edge is (corner, corner, axis).
CORNERS = np.array(list(product((0, 1), repeat=3)))
EDGES = [(c, c | bit, axis) for axis, bit in enumerate((4, 2, 1)) for c in range(8) if not c & bit]


def marching_cubes(volume: np.ndarray, isovalue: float) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (V, 3) in lattice units and triangles (F, 3) of a level set of `volume`.

    Triangles are counter-clockwise seen from the side of smaller values (Lorensen and Cline 1987).
    """
    if mcubes is not None:
        vertices, triangles = mcubes.marching_cubes(np.ascontiguousarray(volume), isovalue)
        return vertices, triangles.astype(np.int64)
    return marching_cubes_numpy(volume, isovalue)


def marching_cubes_numpy(volume: np.ndarray, isovalue: float) -> tuple[np.ndarray, np.ndarray]:
    """Do what `marching_cubes` does without compiled code."""
    if min(volume.shape) < 2:
        raise ValueError(f"expected at least 2 lattice points on each axis, got {volume.shape}")
    cells, cases = _active_cells(volume < isovalue, volume.shape)
    triangle_edges, owners = _triangles_of_cells(cases)
    keys = _edge_keys(cells[owners][:, None], triangle_edges, volume.shape)
    unique_keys, triangles = np.unique(keys, return_inverse=True)
    vertices = _crossings(volume, isovalue, unique_keys)
    return vertices, triangles.reshape(-1, 3)


def _active_cells(inside: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return flat lattice indices (N,) of cells that the surface cuts, and their cases (N,)."""
    size = np.array(shape) - 1
    cases = np.zeros(size, np.uint8)
    for corner, (i, j, k) in enumerate(CORNERS):
        bit = inside[i : i + size[0], j : j + size[1], k : k + size[2]]
        cases |= bit.astype(np.uint8) << corner
    active = np.nonzero((cases != 0) & (cases != 255))
    return np.ravel_multi_index(active, shape), cases[active]


def _triangles_of_cells(cases: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges (F, 3) that each triangle joins and the row of its cell (F,)."""
    table, counts = case_table()
    slots = np.arange(table.shape[1])
    owners, slot = np.nonzero(slots < counts[cases][:, None])
    return table[cases[owners], slot], owners


def _edge_keys(cells: np.ndarray, edges: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Name an edge by its first lattice point and its axis, the same from all four cells."""
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    first_corner = np.array([CORNERS[a] @ strides for a, _, _ in EDGES])
    axis = np.array([axis for _, _, axis in EDGES])
    return 3 * (cells + first_corner[edges]) + axis[edges]


def _crossings(volume: np.ndarray, isovalue: float, keys: np.ndarray) -> np.ndarray:
    """Return where the level set crosses the edges `keys`, by linear interpolation."""
    point, axis = np.divmod(keys, 3)
    start = np.stack(np.unravel_index(point, volume.shape), axis=-1)
    end = start.copy()
    end[np.arange(len(end)), axis] += 1
    low = volume[tuple(start.T)].astype(np.float64)
    high = volume[tuple(end.T)].astype(np.float64)
    vertices = start.astype(np.float64)
    vertices[np.arange(len(end)), axis] += (isovalue - low) / (high - low)
    return vertices


@cache
def case_table() -> tuple[np.ndarray, np.ndarray]:
    """Return edges (256, T, 3) of the triangles of each sign pattern, and their counts (256,)."""
    cases = [_triangulate(_polygons(case)) for case in range(256)]
    counts = np.array([len(triangles) for triangles in cases])
    table = np.zeros((256, counts.max(), 3), np.int64)
    for case, triangles in enumerate(cases):
        if triangles:
            table[case, : len(triangles)] = triangles
    return table, counts


def _polygons(case: int) -> list[list[int]]:
    """Trace the closed polygons in which the surface cuts a cell with corner signs `case`."""
    following: dict[int, int] = {}
    for face in _faces():
        signs = [case >> corner & 1 for corner in face]
        for i in range(4):
            if signs[i] and not signs[i - 1]:
                # Enter the inside before corner i, leave it after the last inside corner of the
                # run: inside corners on a diagonal stay apart, in both cells that share the face.
                last = i
                while signs[(last + 1) % 4]:
                    last += 1
                entry = _edge_between(face[i - 1], face[i])
                leave = _edge_between(face[last % 4], face[(last + 1) % 4])
                following[leave] = entry
    polygons = []
    while following:
        start, edge = following.popitem()
        polygon = [start]
        while edge != start:
            polygon.append(edge)
            edge = following.pop(edge)
        polygons.append(polygon)
    return polygons


def _triangulate(polygons: list[list[int]]) -> list[tuple[int, int, int]]:
    """Fan each polygon from the vertex whose diagonals lie least in faces of the cell."""
    triangles = []
    for polygon in polygons:
        fans = [polygon[i:] + polygon[:i] for i in range(len(polygon))]
        best = min(fans, key=lambda fan: sum(_share_face(fan[0], edge) for edge in fan[2:-1]))
        triangles += [(best[0], best[i], best[i + 1]) for i in range(1, len(best) - 1)]
    return triangles


def _faces() -> list[list[int]]:
    """Return the four corners of each cell face, counter-clockwise seen from outside."""
    faces = []
    for axis, side in product(range(3), (0, 1)):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        square = [(0, 0), (1, 0), (1, 1), (0, 1)]
        loop = []
        for s, t in square if side else reversed(square):
            corner = np.zeros(3, int)
            corner[axis], corner[u], corner[v] = side, s, t
            loop.append(int(corner @ [4, 2, 1]))
        faces.append(loop)
    return faces


def _edge_between(a: int, b: int) -> int:
    pair = (min(a, b), max(a, b))
    return next(index for index, edge in enumerate(EDGES) if edge[:2] == pair)


def _share_face(first: int, second: int) -> bool:
    corners = {*EDGES[first][:2], *EDGES[second][:2]}
    return any(corners <= set(face) for face in _faces())
