"""Catmull-Clark subdivision as a sparse matrix, and the watertight guide surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class GuideSurface:
    """Level-1 surface as rows of model vertices."""

    matrix: sparse.csr_matrix  # (W,V)
    triangles: np.ndarray  # (S,3)
    corners: np.ndarray  # (S,3) row of `subdivide_corners` values, -1 on the neck cap


def catmull_clark(count: int, quads: np.ndarray) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return the level-1 matrix (V+E+F, V) and its quads (4F,4) (Catmull and Clark 1978).

    Quads come in four blocks; block j holds the child at corner j of every parent.
    """
    face_count = len(quads)
    edges, edge_of_side, edge_faces = _edges(quads)
    edge_count = len(edges)
    faces = np.arange(face_count)
    face_points = _ones(np.repeat(faces, 4), quads.ravel(), (face_count, count)) * 0.25
    edge_rows = np.repeat(np.arange(edge_count), 2)
    midpoints = _ones(edge_rows, edges.ravel(), (edge_count, count)) * 0.5
    faces_of_edge = _ones(edge_of_side, np.tile(faces, 4), (edge_count, face_count))
    interior = edge_faces == 2
    edge_points = (
        sparse.diags(np.where(interior, 0.5, 1.0)) @ midpoints
        + sparse.diags(np.where(interior, 0.25, 0.0)) @ faces_of_edge @ face_points
    )
    vertex_points = _vertex_points(count, quads, edges, interior, midpoints, face_points)
    matrix = sparse.vstack([vertex_points, edge_points, face_points]).tocsr()
    side = edge_of_side.reshape(4, face_count).T
    children = [
        np.c_[
            quads[:, corner],
            count + side[:, corner],
            count + edge_count + faces,
            count + side[:, corner - 1],
        ]
        for corner in range(4)
    ]
    return matrix, np.concatenate(children)


def guide_surface(count: int, quads: np.ndarray) -> GuideSurface:
    """Return the watertight level-1 surface of an open mesh with one boundary loop, capped."""
    matrix, children = catmull_clark(count, quads)
    loop = boundary_loops(children)
    if len(loop) != 1:
        raise ValueError(f"guide surface: expected 1 boundary loop, given {len(loop)}")
    rim = loop[0]
    centre = matrix.shape[0]
    mean_row = sparse.csr_matrix(np.full((1, len(rim)), 1 / len(rim))) @ matrix[rim]
    matrix = sparse.vstack([matrix, mean_row]).tocsr()
    cap = np.c_[rim, np.roll(rim, -1), np.full(len(rim), centre)]
    halves = ((0, 1, 2), (0, 2, 3))
    triangles = np.concatenate([children[:, half] for half in halves] + [cap])
    child_corners = np.arange(children.size).reshape(-1, 4)
    corners = np.concatenate(
        [child_corners[:, half] for half in halves] + [np.full_like(cap, -1)]
    )
    used = np.unique(triangles)
    renumbered = np.full(centre + 1, -1)
    renumbered[used] = np.arange(len(used))
    return GuideSurface(matrix[used], renumbered[triangles], corners)


def subdivide_corners(values: np.ndarray) -> np.ndarray:
    """Return per-corner values (4F,4,k) of the children from those of the parents (F,4,k).

    Bilinear: seams stay where they are, as texture coordinates need.
    """
    centre = values.mean(1)
    children = []
    for corner in range(4):
        own = values[:, corner]
        following = values[:, (corner + 1) % 4]
        preceding = values[:, corner - 1]
        children.append(
            np.stack([own, (own + following) / 2, centre, (own + preceding) / 2], axis=1)
        )
    return np.concatenate(children)


def boundary_loops(faces: np.ndarray) -> list[np.ndarray]:
    """Return the vertex loops of the open border of faces (F,k), shortest first."""
    corners = faces.shape[1]
    sides = [faces[:, [corner, (corner + 1) % corners]] for corner in range(corners)]
    directed = {tuple(side) for side in np.concatenate(sides).tolist()}
    following = {end: start for start, end in directed if (end, start) not in directed}
    loops = []
    while following:
        start = min(following)
        loop = [start]
        current = following.pop(start)
        while current != start:
            loop.append(current)
            current = following.pop(current)
        loops.append(np.array(loop))
    return sorted(loops, key=len)


def _edges(quads: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return unique edges (E,2), the edge of each side (4F,), and faces per edge (E,)."""
    sides = np.concatenate([quads[:, [corner, (corner + 1) % 4]] for corner in range(4)])
    edges, edge_of_side, faces = np.unique(
        np.sort(sides, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    return edges, edge_of_side.ravel(), faces


def _ones(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    return sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()


def _vertex_points(count, quads, edges, interior, midpoints, face_points) -> sparse.csr_matrix:
    """Return the rows of old vertices: smooth inside, cubic on the border, fixed if isolated."""
    edge_count, face_count = len(edges), len(quads)
    edge_rows = np.repeat(np.arange(edge_count), 2)
    edges_of_vertex = _ones(edges.ravel(), edge_rows, (count, edge_count))
    faces_of_vertex = _ones(
        quads.ravel(), np.repeat(np.arange(face_count), 4), (count, face_count)
    )
    valence = np.asarray(edges_of_vertex.sum(1)).ravel().clip(1)
    face_valence = np.asarray(faces_of_vertex.sum(1)).ravel()
    isolated = face_valence == 0
    border = np.zeros(count, bool)
    border[edges[~interior].ravel()] = True
    identity = sparse.eye(count)
    face_average = sparse.diags(1 / face_valence.clip(1)) @ faces_of_vertex @ face_points
    edge_average = sparse.diags(1 / valence) @ edges_of_vertex @ midpoints
    smooth = sparse.diags(1 / valence) @ (
        face_average + 2 * edge_average + sparse.diags(valence - 3) @ identity
    )
    border_edges = edges_of_vertex @ sparse.diags((~interior).astype(float))
    cubic = 0.25 * (border_edges @ midpoints) + 0.5 * identity
    rows = sparse.diags((~(border | isolated)).astype(float)) @ smooth
    rows = rows + sparse.diags((border & ~isolated).astype(float)) @ cubic
    return rows + sparse.diags(isolated.astype(float)) @ identity
