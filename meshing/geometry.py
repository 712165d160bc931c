"""Elementary mesh geometry: normals, adjacency, nearest points on a triangle mesh, rigid fits."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return area-weighted unit normals (V, 3) of triangles or quads `faces` (F, 3|4)."""
    triangles = as_triangles(faces)
    corners = vertices[triangles]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.empty_like(vertices, dtype=np.float64)
    for axis in range(3):
        weights = np.repeat(face_normals[:, axis], 3)
        normals[:, axis] = np.bincount(triangles.ravel(), weights, len(vertices))
    return normalize(normals)


def normalize(vectors: np.ndarray) -> np.ndarray:
    """Return `vectors` (..., 3) scaled to unit length; zero vectors stay zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def as_triangles(faces: np.ndarray) -> np.ndarray:
    """Split quads (F, 4) into triangles (2F, 3); triangles are returned as they are."""
    if faces.shape[1] == 3:
        return faces
    return np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])


def unique_edges(faces: np.ndarray) -> np.ndarray:
    """Return the undirected edges (E, 2) of polygons `faces` (F, k), each once."""
    first, second = faces.ravel().astype(np.int64), np.roll(faces, -1, axis=1).ravel()
    low, high = np.minimum(first, second), np.maximum(first, second)
    count = int(high.max()) + 1
    keys = np.unique(low * count + high)  # one number per edge sorts faster than rows
    return np.column_stack(np.divmod(keys, count))


def adjacency(edges: np.ndarray, vertex_count: int, lengths: np.ndarray | None = None):
    """Return the symmetric sparse (V, V) matrix of `edges`, entries 1 or the given lengths."""
    values = np.ones(len(edges)) if lengths is None else lengths
    matrix = sparse.coo_matrix(
        (values, (edges[:, 0], edges[:, 1])), shape=(vertex_count, vertex_count)
    ).tocsr()
    return (matrix + matrix.T).tocsr()


def neighbour_average(edges: np.ndarray, vertex_count: int) -> sparse.csr_matrix:
    """Return the (V, V) matrix that averages a vertex attribute over direct neighbours."""
    links = adjacency(edges, vertex_count)
    degree = np.maximum(np.asarray(links.sum(axis=1)).ravel(), 1)
    return (sparse.diags(1.0 / degree) @ links).tocsr()


def smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the cubic step from 0 at `low` to 1 at `high`."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def fit_sphere(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Return centre (3,) and radius of the algebraic least-squares sphere through `points`."""
    design = np.column_stack([2.0 * points, np.ones(len(points))])
    solution = np.linalg.lstsq(design, (points**2).sum(axis=1), rcond=None)[0]
    centre = solution[:3]
    return centre, float(np.sqrt(solution[3] + centre @ centre))


def fit_rotation(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the rotation R (3, 3) that best maps centred `source` to `target` (Kabsch 1976)."""
    u, _, vt = np.linalg.svd(source.T @ target)
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return (u @ mirror @ vt).T


class NearestOnMesh:
    """Nearest points on a fixed triangle mesh of nearly even triangle size.

    A k-d tree over triangle centroids proposes `candidates` triangles per query and the exact
    point-triangle distance picks one, so thin long triangles would need more candidates.
    """

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray, candidates: int = 8):
        self.vertices = np.asarray(vertices, np.float64)
        self.triangles = triangles
        self.candidates = candidates
        self.tree = cKDTree(self.vertices[triangles].mean(axis=1))

    def query(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return triangle (N,), barycentric coordinates (N, 3), distance (N,) of `points`."""
        points = np.asarray(points, np.float64)
        _, near = self.tree.query(points, self.candidates)
        corners = self.vertices[self.triangles[near]]
        bary = triangle_barycentric(points[:, None, :], corners)
        offset = (bary[..., None] * corners).sum(axis=-2) - points[:, None, :]
        distance = np.linalg.norm(offset, axis=-1)
        best = distance.argmin(axis=1)
        rows = np.arange(len(points))
        return near[rows, best], bary[rows, best], distance[rows, best]

    def signed_distance(self, points: np.ndarray, cavity: np.ndarray | None = None) -> np.ndarray:
        """Return distances (N,) to a closed mesh wound outwards, negative inside.

        The sign is that of the interpolated vertex normal, as good as the mesh is smooth. What is
        nearest to a triangle of `cavity` (T,) bool counts as inside.
        """
        triangle, bary, distance = self.query(points)
        corners = self.triangles[triangle]
        foot = (self.vertices[corners] * bary[..., None]).sum(axis=1)
        normal = (self._normals[corners] * bary[..., None]).sum(axis=1)
        side = ((points - foot) * normal).sum(axis=1)
        if cavity is not None:
            side = np.where(cavity[triangle], -1.0, side)
        return np.copysign(distance, side)

    @cached_property
    def _normals(self) -> np.ndarray:
        return vertex_normals(self.vertices, self.triangles)


def triangle_barycentric(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return barycentric coordinates (..., 3) of the triangle points nearest to `points`.

    `corners` is (..., 3, 3). Outside the triangle the nearest of its three edges is taken.
    """
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    denominator = np.maximum(d00 * d11 - d01 * d01, 1e-30)
    v = (d11 * d20 - d01 * d21) / denominator
    w = (d00 * d21 - d01 * d20) / denominator
    inside = np.stack([1.0 - v - w, v, w], axis=-1)
    outside = inside.min(axis=-1) < 0.0
    if outside.any():
        inside[outside] = _edge_barycentric(
            np.broadcast_to(points, a.shape)[outside], a[outside], b[outside], c[outside]
        )
    return inside


def _edge_barycentric(points, a, b, c) -> np.ndarray:
    best = np.full(len(points), np.inf)
    result = np.zeros((len(points), 3))
    for i, j, start, end in ((0, 1, a, b), (1, 2, b, c), (2, 0, c, a)):
        edge = end - start
        length = np.maximum((edge * edge).sum(-1), 1e-30)
        t = np.clip(((points - start) * edge).sum(-1) / length, 0.0, 1.0)
        distance = ((start + t[:, None] * edge - points) ** 2).sum(-1)
        closer = distance < best
        best[closer] = distance[closer]
        result[closer] = 0.0
        result[closer, i] = 1.0 - t[closer]
        result[closer, j] = t[closer]
    return result
