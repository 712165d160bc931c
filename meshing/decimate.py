"""Quadric edge collapse that keeps a closed triangle mesh closed (Garland and Heckbert 1997).

Edges collapse in rounds of independent sets, so every round is a handful of array operations. A
collapse is admitted only if its two ends share exactly two neighbours (the link condition, Dey
et al. 1999), which is what keeps the surface a closed manifold, and if no face turns over.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

# Share of the edges, cheapest first, that a round may collapse; larger is faster and coarser.
CANDIDATE_SHARE = 0.45
# Passes that pack further independent edges into one round before costs are computed again.
PACKING_PASSES = 4
# A collapse may turn a face by at most acos(0.35) = 70 degrees.
MINIMUM_NORMAL_AGREEMENT = 0.35
STALLED = 20  # collapses of a round, below which dearer edges are tried as well
MAXIMUM_ROUNDS = 120
# Pull of an edge's best position towards its middle, per square metre of quadric area.
MIDPOINT_PULL = 1e-3


def decimate(
    vertices: np.ndarray, faces: np.ndarray, target_faces: int, importance: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return a closed mesh of about `target_faces` faces close to a closed triangle mesh.

    `vertices` (V, 3) metres, `faces` (F, 3), every edge in exactly two faces; `importance` (V,)
    scales the error allowed around each vertex: 0.1 lets a buried wall go before visible relief.
    The result has more faces than asked where no further collapse is admissible.
    """
    vertices = np.array(vertices, np.float64)
    faces = np.array(faces, np.int64)
    quadrics = _vertex_quadrics(vertices, faces, importance)
    for _ in range(MAXIMUM_ROUNDS):
        excess = len(faces) - target_faces
        if excess <= 0:
            break
        edges, positions = _choose_collapses(
            vertices, faces, quadrics, excess // 2 + 1, CANDIDATE_SHARE
        )
        if len(edges) < STALLED:
            edges, positions = _choose_collapses(
                vertices, faces, quadrics, excess // 2 + 1, share=1.0
            )
        if len(edges) == 0:
            break
        vertices[edges[:, 0]] = positions
        quadrics[edges[:, 0]] += quadrics[edges[:, 1]]
        target = np.arange(len(vertices))
        target[edges[:, 1]] = edges[:, 0]
        faces = target[faces]
        a, b, c = faces.T
        faces = faces[(a != b) & (b != c) & (c != a)]
        vertices, faces, quadrics = _drop_unused(vertices, faces, quadrics)
    return vertices, faces


def is_closed_manifold(faces: np.ndarray) -> bool:
    """Return whether every directed edge of `faces` (F, 3) occurs once and its reverse once."""
    if len(faces) == 0:
        return False
    start = faces.ravel().astype(np.int64)
    end = np.roll(faces, -1, axis=1).ravel().astype(np.int64)
    count = int(faces.max()) + 1
    forward = np.sort(start * count + end)
    backward = np.sort(end * count + start)
    unique = np.all(forward[1:] != forward[:-1])
    return bool(unique and np.array_equal(forward, backward))


def _vertex_quadrics(vertices, faces, importance) -> np.ndarray:
    """Area-weighted plane quadrics as (V, 10): the upper triangle of the 4 x 4 matrices."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normals, axis=1)
    normals /= np.maximum(area, 1e-20)[:, None]
    offset = -(normals * corners[:, 0]).sum(axis=1)
    planes = np.column_stack([normals, offset])
    upper = np.triu_indices(4)
    per_face = planes[:, upper[0]] * planes[:, upper[1]] * area[:, None]
    quadrics = np.empty((len(vertices), 10))
    for column in range(10):
        weights = np.repeat(per_face[:, column], 3)
        quadrics[:, column] = np.bincount(faces.ravel(), weights, len(vertices))
    return quadrics if importance is None else quadrics * importance[:, None]


def _best_positions(quadrics, middle) -> tuple[np.ndarray, np.ndarray]:
    """Return the point of least quadric error (N, 3), pulled to `middle`, and its error (N,)."""
    xx, xy, xz, xw, yy, yz, yw, zz, zw, ww = quadrics.T
    pull = MIDPOINT_PULL * (xx + yy + zz) + 1e-18
    a, d, f = xx + pull, yy + pull, zz + pull
    rhs = np.stack([-xw, -yw, -zw]) + pull * middle.T
    # Cofactors of the symmetric matrix [[a, xy, xz], [xy, d, yz], [xz, yz, f]].
    c00, c01, c02 = d * f - yz * yz, xz * yz - xy * f, xy * yz - xz * d
    c11, c12, c22 = a * f - xz * xz, xy * xz - a * yz, a * d - xy * xy
    determinant = a * c00 + xy * c01 + xz * c02
    x = (c00 * rhs[0] + c01 * rhs[1] + c02 * rhs[2]) / determinant
    y = (c01 * rhs[0] + c11 * rhs[1] + c12 * rhs[2]) / determinant
    z = (c02 * rhs[0] + c12 * rhs[1] + c22 * rhs[2]) / determinant
    square = xx * x * x + yy * y * y + zz * z * z + ww
    mixed = xy * x * y + xz * x * z + yz * y * z + xw * x + yw * y + zw * z
    return np.stack([x, y, z], axis=1), np.maximum(square + 2.0 * mixed, 0.0)


def _choose_collapses(vertices, faces, quadrics, limit, share) -> tuple[np.ndarray, np.ndarray]:
    """Return independent admissible edges (K, 2), at most `limit`, and where they collapse to."""
    count = len(vertices)
    links = _links(faces, count)
    u, v, shared = _edges_with_shared_neighbours(links)
    length = np.linalg.norm(vertices[u] - vertices[v], axis=1)
    position, error = _best_positions(quadrics[u] + quadrics[v], 0.5 * (vertices[u] + vertices[v]))
    # The length term keeps flat regions, whose error is zero, from growing slivers.
    cost = error + 1e-6 * length**4
    middle = 0.5 * (vertices[u] + vertices[v])
    wander = np.linalg.norm(position - middle, axis=1)
    admissible = (shared == 2) & (wander < 1.5 * length)
    bound = np.quantile(cost[admissible], share) if admissible.any() else 0.0
    keep = np.flatnonzero(admissible & (cost <= bound))
    keep = keep[np.argsort(cost[keep], kind="stable")]
    u, v, position = u[keep], v[keep], position[keep]
    chosen = _independent(u, v, links, count)
    chosen = chosen[~_turns_faces(vertices, faces, u[chosen], v[chosen], position[chosen])]
    chosen = np.sort(chosen)[:limit]
    return np.stack([u[chosen], v[chosen]], axis=1), position[chosen]


def _links(faces, count) -> sparse.csr_matrix:
    """Symmetric 0/1 vertex adjacency (V, V); a closed mesh has each directed edge once."""
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    ones = np.ones(len(start), np.int32)
    return sparse.csr_matrix((ones, (start, end)), shape=(count, count))


def _edges_with_shared_neighbours(links) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shared = (links @ links).multiply(links).tocoo()
    half = shared.row < shared.col
    return shared.row[half].astype(np.int64), shared.col[half].astype(np.int64), shared.data[half]


def _independent(u, v, links, count) -> np.ndarray:
    """Return indices of edges, sorted by cost, no two of whose ends are equal or adjacent."""
    free = np.ones(count, bool)
    rows, columns = links.nonzero()
    chosen = []
    active = np.arange(len(u))
    for _ in range(PACKING_PASSES):
        best = np.full(count, len(u), np.int64)
        np.minimum.at(best, u[active], active)
        np.minimum.at(best, v[active], active)
        around = best.copy()
        np.minimum.at(around, rows, best[columns])
        winners = active[(around[u[active]] == active) & (around[v[active]] == active)]
        chosen.append(winners)
        ends = np.concatenate([u[winners], v[winners]])
        taken = np.zeros(count, bool)
        taken[ends] = True
        touched = np.asarray(links @ taken.astype(np.int32)) > 0
        free &= ~(taken | touched)
        active = active[free[u[active]] & free[v[active]]]
    return np.concatenate(chosen)


def _turns_faces(vertices, faces, u, v, position) -> np.ndarray:
    """Return (K,) whether collapsing edge k turns one of the remaining faces around it."""
    collapse = np.full(len(vertices), -1)
    collapse[u] = np.arange(len(u))
    collapse[v] = np.arange(len(v))
    owner = collapse[faces]
    moved = (owner >= 0).sum(axis=1) == 1
    near, owner = faces[moved], owner[moved]
    before = vertices[near]
    after = before.copy()
    rows, corners = np.nonzero(owner >= 0)
    edge = owner[rows, corners]
    after[rows, corners] = position[edge]
    old = np.cross(before[:, 1] - before[:, 0], before[:, 2] - before[:, 0])
    new = np.cross(after[:, 1] - after[:, 0], after[:, 2] - after[:, 0])
    scale = np.linalg.norm(old, axis=1) * np.linalg.norm(new, axis=1)
    agreement = (old * new).sum(axis=1) / np.maximum(scale, 1e-30)
    turned = np.zeros(len(u), bool)
    turned[edge[agreement < MINIMUM_NORMAL_AGREEMENT]] = True
    return turned


def _drop_unused(vertices, faces, quadrics) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    index = np.cumsum(used) - 1
    return vertices[used], index[faces], quadrics[used]


def smooth(vertices: np.ndarray, faces: np.ndarray, rounds: int) -> np.ndarray:
    """Return `vertices` after Taubin's (1995) shrink-free smoothing, `rounds` pairs of steps."""
    links = _links(faces, len(vertices)).astype(np.float64)
    average = sparse.diags(1.0 / np.maximum(np.asarray(links.sum(axis=1)).ravel(), 1)) @ links
    for _ in range(rounds):
        for step in (0.5, -0.53):
            vertices = vertices + step * (average @ vertices - vertices)
    return vertices


def signed_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Return the volume (cubic metres) enclosed by a closed mesh, negative if inside out."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return float((a * np.cross(b, c)).sum() / 6.0)
