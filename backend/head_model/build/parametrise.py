"""Stretch-minimising parametrisation of a disk with holes on the unit square.

Floater's mean-value map with a fixed border, its weights divided by the measured stretch
(Yoshizawa, Belyaev and Seidel 2004, "A fast and simple stretch-minimizing mesh parameterization").
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

ITERATIONS = 25
STRETCH_EXPONENT = 0.5
STRETCH_LIMIT = 8.0  # times the median; keeps single triangles from ruling the choice


def parametrise(
    points: np.ndarray, triangles: np.ndarray, border: np.ndarray, border_uvs: np.ndarray,
    density: np.ndarray,
) -> np.ndarray:
    """Return uvs (N,2) of points (N,3) with the border ids (B,) held at border_uvs (B,2).

    density (T,) is the wanted linear texel density per triangle, relative.
    """
    rows, columns, weights = _mean_value_weights(points, triangles)
    areas = np.linalg.norm(_cross(points, triangles), axis=1)
    best_energy, best = np.inf, None
    for _ in range(ITERATIONS):
        uvs = _solve(len(points), rows, columns, weights, border, border_uvs)
        stretch = _stretch(points, triangles, uvs) * density
        stretch = np.minimum(stretch, STRETCH_LIMIT * np.median(stretch))
        energy = np.sqrt((areas * stretch**2).sum() / areas.sum())
        if energy < best_energy:
            best_energy, best = energy, uvs
        at_vertices = _vertex_average(len(points), triangles, stretch, areas)
        relative = (at_vertices / at_vertices.mean())[columns]
        weights = weights / np.clip(relative, 0.05, 20) ** STRETCH_EXPONENT
    return best


def signed_areas(uvs: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Return twice the signed areas (T,) of triangles in the plane."""
    first = uvs[triangles[:, 1]] - uvs[triangles[:, 0]]
    second = uvs[triangles[:, 2]] - uvs[triangles[:, 0]]
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]


def _cross(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    first = points[triangles[:, 1]] - points[triangles[:, 0]]
    return np.cross(first, points[triangles[:, 2]] - points[triangles[:, 0]])


def _mean_value_weights(points, triangles) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, columns and values of the mean-value weights (Floater 2003)."""
    rows, columns, values = [], [], []
    for corner in range(3):
        here, following, preceding = (triangles[:, (corner + step) % 3] for step in range(3))
        first, second = points[following] - points[here], points[preceding] - points[here]
        first_length = np.linalg.norm(first, axis=1) + 1e-9
        second_length = np.linalg.norm(second, axis=1) + 1e-9
        cosine = (first * second).sum(1) / first_length / second_length
        tangent = np.tan(np.arccos(np.clip(cosine, -1, 1)) / 2)
        rows += [here, here]
        columns += [following, preceding]
        values += [tangent / first_length, tangent / second_length]
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def _solve(count, rows, columns, weights, border, border_uvs) -> np.ndarray:
    """Return positions whose inner points are weighted means of their neighbours."""
    neighbours = sparse.coo_matrix((weights, (rows, columns)), shape=(count, count)).tocsr()
    laplacian = (sparse.diags(np.asarray(neighbours.sum(1)).ravel()) - neighbours).tocsr()
    free = np.setdiff1d(np.arange(count), border)
    uvs = np.zeros((count, 2))
    uvs[border] = border_uvs
    system = laplacian[free]
    uvs[free] = spsolve(system[:, free].tocsc(), -(system[:, border] @ border_uvs))
    return uvs


def _stretch(points, triangles, uvs) -> np.ndarray:
    """Return the root mean square of the singular values of the map from uv to space (T,)."""
    area = signed_areas(uvs, triangles)
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    corner, place = points[triangles], uvs[triangles]
    along_u = np.zeros((len(triangles), 3))
    along_v = np.zeros((len(triangles), 3))
    for index in range(3):
        following, preceding = place[:, (index + 1) % 3], place[:, (index + 2) % 3]
        along_u += corner[:, index] * (following[:, 1] - preceding[:, 1])[:, None]
        along_v += corner[:, index] * (preceding[:, 0] - following[:, 0])[:, None]
    squared = ((along_u**2).sum(1) + (along_v**2).sum(1)) / area**2
    return np.sqrt(squared / 2)


def _vertex_average(count, triangles, values, areas) -> np.ndarray:
    corner_ids = triangles.ravel()
    total = np.bincount(corner_ids, np.repeat(areas * values, 3), count)
    return total / np.bincount(corner_ids, np.repeat(areas, 3), count)
