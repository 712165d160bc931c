"""Connectivity of triangle meshes: components, watertightness, smoothing along edges."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph


def directed_edges(faces: np.ndarray) -> np.ndarray:
    """Return the edges (3F, 2) of triangles (F, 3) in the direction each face walks them."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def edge_matrix(faces: np.ndarray, vertex_count: int) -> sparse.csr_matrix:
    """Return the (V, V) matrix that counts how often each directed edge is used."""
    start, end = directed_edges(faces).T
    ones = np.ones(len(start), np.int32)
    return sparse.csr_matrix((ones, (start, end)), shape=(vertex_count, vertex_count))


def open_edge_count(faces: np.ndarray, vertex_count: int) -> int:
    """Count directed edges of triangles (F, 3) that no face walks back as often."""
    edges = edge_matrix(faces, vertex_count)
    unmatched = (edges - edges.T).tocsr()
    return int(np.abs(unmatched.data).sum()) // 2


def is_watertight(faces: np.ndarray, vertex_count: int) -> bool:
    """Tell whether triangles (F, 3) close a volume: every edge is walked equally both ways."""
    return len(faces) > 0 and open_edge_count(faces, vertex_count) == 0


def components(faces: np.ndarray, vertex_count: int) -> np.ndarray:
    """Return the component (F,) of each triangle, numbered from 0."""
    edges = edge_matrix(faces, vertex_count)
    _, vertex_component = csgraph.connected_components(edges, directed=False)
    _, face_component = np.unique(vertex_component[faces[:, 0]], return_inverse=True)
    return face_component


def keep_faces(
    vertices: np.ndarray, faces: np.ndarray, keep: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mesh of the faces chosen by keep (F,) without vertices they do not use."""
    kept = faces[keep]
    used = np.zeros(len(vertices), bool)
    used[kept] = True
    renumbered = np.cumsum(used) - 1
    return vertices[used], renumbered[kept].astype(faces.dtype)


def largest_component(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the component with the most triangles."""
    component = components(faces, len(vertices))
    sizes = np.bincount(component)
    if len(sizes) == 1:
        return vertices, faces
    return keep_faces(vertices, faces, component == sizes.argmax())


def smooth(
    vertices: np.ndarray, faces: np.ndarray, iterations: int, weight: float = 0.5
) -> np.ndarray:
    """Return vertices (V, 3) smoothed without shrinking (Taubin 1995, lambda | mu)."""
    edges = edge_matrix(faces, len(vertices))
    neighbours = ((edges + edges.T) > 0).astype(np.float64)
    degree = np.maximum(np.asarray(neighbours.sum(axis=1)), 1.0)
    pass_band = 0.1
    inflate = 1.0 / (pass_band - 1.0 / weight)
    smoothed = vertices.astype(np.float64)
    for _ in range(iterations):
        for step in (weight, inflate):
            smoothed = smoothed + step * (neighbours @ smoothed / degree - smoothed)
    return smoothed.astype(vertices.dtype)
