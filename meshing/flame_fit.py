"""Fit FLAME to the surface of a field that knows neither labels nor correspondences.

The mesh that guided the generator says where the head stands but for its depth.  So: depth from
the front view; then translation and identity by point-to-plane rounds on the face (Chen and
Medioni 1992) under FLAME's own Gaussian prior; then a smooth displacement along the normals
(bi-Laplacian), which takes the skull out to short hair.  Eyeballs follow their lids as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

from .flame_template import LEFT_EYE, RIGHT_EYE, FlameTemplate
from .geometry import NearestOnMesh, neighbour_average, normalize, unique_edges, vertex_normals

DEPTH_CELL = 0.004  # m, cell of the front view
LEAST_OVERLAP = 0.25  # of the front vertices that the surface must lie before or behind
SHAPES = 100  # identity coefficients that are fitted; the others are finer than a surface tells
PLANE_REACHES = (0.02, 0.012, 0.008)  # m, of the rounds of translation and identity
HUBER = 0.002  # m, residual beyond which a correspondence counts linearly
PRIOR_SIGMA = 0.001  # m, error of a sample that the prior is weighed against
PRIOR_SAMPLES = 500.0  # independent samples in a surface; neighbours err alike
SCALP_SHARE = 0.05  # of the face's weight, where hair hides the skull
COMPATIBLE_NORMALS = 0.5  # cosine below which a correspondence is dropped
FACE_REACH, SCALP_REACH = 0.008, 0.035  # m that the displacement looks for the surface
ANCHOR = 1e-3  # weight of staying in place, for vertices that nothing is known of
STIFFNESS = (100.0, 20.0)  # bi-Laplacian against data, in rounds
LID_NEIGHBOURS = 40  # skin vertices nearest to an eyeball, which it moves with


@dataclass(frozen=True)
class FittedFlame:
    """Vertices (V, 3), identity coefficients (<= 100,) and the face's mean distance (m).

    skull (V, 3) is the head without the hair that the vertices went out to; joints lie in it.
    """

    vertices: np.ndarray
    skull: np.ndarray
    betas: np.ndarray
    residual: float


@dataclass(frozen=True)
class _Surface:
    """What is asked of the extracted surface."""

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    nearest: NearestOnMesh


def fit_flame(surface, template: FlameTemplate, callback=None) -> FittedFlame:
    """Return the FLAME head that lies on `surface`, vertices (N, 3) and triangles.

    callback(stage, fraction) hears of "fit".  Raises ValueError if the surface is not where the
    generator's heads are.
    """
    report = callback or (lambda stage, fraction: None)
    report("fit", 0.0)
    points = np.asarray(surface.vertices, np.float64)
    target = _Surface(
        points,
        surface.faces,
        vertex_normals(points, surface.faces),
        NearestOnMesh(points, surface.faces),
    )
    report("fit", 0.3)
    shift = np.array([0.0, depth_shift(points, template), 0.0])
    betas = np.zeros(min(SHAPES, len(template.shapes)))
    for index, reach in enumerate(PLANE_REACHES):
        shift, betas = _plane_round(target, template, shift, betas, reach)
        report("fit", 0.3 + 0.15 * (index + 1))
    shaped = template.rest + shift + np.tensordot(betas, template.shapes[: len(betas)], axes=1)
    vertices, roughness = shaped, _roughness(template)
    for stiffness in STIFFNESS:
        vertices = _displaced(target, template, vertices, stiffness * roughness)
    skull = _with_moved_eyes(template, shaped, vertices, shaped)
    vertices = _with_moved_eyes(template, shaped, vertices, vertices)
    _, _, distance = target.nearest.query(vertices[template.face > 0.5])
    report("fit", 1.0)
    return FittedFlame(vertices, skull, betas, float(np.minimum(distance, FACE_REACH).mean()))


def depth_shift(points: np.ndarray, template: FlameTemplate) -> float:
    """Return how far (m) to move the template along y to the surface `points` (N, 3).

    The median over the face of the depth between both, as seen from the front.
    """
    front = (template.face > 0.5) & (template.rest_normals[:, 1] < -0.5)
    seen = template.rest[front]
    low = np.minimum(points.min(axis=0), seen.min(axis=0))[[0, 2]]
    cells = np.floor((points[:, [0, 2]] - low) / DEPTH_CELL).astype(np.int64)
    asked = np.floor((seen[:, [0, 2]] - low) / DEPTH_CELL).astype(np.int64)
    shape = np.maximum(cells.max(axis=0), asked.max(axis=0)) + 1
    nearest = np.full(shape, np.inf)
    np.minimum.at(nearest, tuple(cells.T), points[:, 1])
    depth = nearest[tuple(asked.T)]
    met = np.isfinite(depth)
    if met.sum() < LEAST_OVERLAP * len(seen):
        raise ValueError(
            f"the surface covers {met.mean():.0%} of the face, expected at least "
            f"{LEAST_OVERLAP:.0%}; the generator may not be one of heads"
        )
    return float(np.median((depth - seen[:, 1])[met]))


def _plane_round(
    target: _Surface, template: FlameTemplate, shift: np.ndarray, betas: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """One point-to-plane round of translation (3,) and identity (K,)."""
    shapes = template.shapes[: len(betas)]
    mean = template.rest
    current = mean + shift + np.tensordot(betas, shapes, axes=1)
    foot, normals, usable, distance = _matches(target, current, template)
    weight = usable * (distance < reach) * (template.face + SCALP_SHARE) * (template.eye == 0)
    offset = ((foot - mean) * normals).sum(axis=1)
    along = np.einsum("kvc,vc->vk", shapes, normals, optimize=True)
    design = np.column_stack([normals, along])
    residual = offset - design @ np.concatenate([shift, betas])
    weight = weight * np.minimum(1.0, HUBER / np.maximum(np.abs(residual), 1e-9))
    scale = PRIOR_SAMPLES / max(weight.sum(), 1e-9) / PRIOR_SIGMA**2
    hessian = scale * (design * weight[:, None]).T @ design
    gradient = scale * (design * weight[:, None]).T @ offset
    prior = np.concatenate([np.full(3, 1.0 / reach**2), np.ones(len(betas))])
    gradient[:3] += prior[:3] * shift  # of a translation only the change is held back
    solution = np.linalg.solve(hessian + np.diag(prior), gradient)
    return solution[:3], solution[3:]


def _matches(target: _Surface, vertices: np.ndarray, template: FlameTemplate):
    """Return nearest surface points and normals (V, 3), 0/1 usable (V,) and distances (V,)."""
    triangle, bary, distance = target.nearest.query(vertices)
    corners = target.faces[triangle]
    foot = (target.vertices[corners] * bary[..., None]).sum(axis=1)
    normals = normalize((target.normals[corners] * bary[..., None]).sum(axis=1))
    agreement = (normals * vertex_normals(vertices, template.faces)).sum(axis=1)
    return foot, normals, (agreement > COMPATIBLE_NORMALS).astype(float), distance


def _roughness(template: FlameTemplate) -> sparse.spmatrix:
    """Return the squared Laplacian (V, V): how much a displacement differs from its neighbours'."""
    count = len(template.rest)
    rough = sparse.eye(count) - neighbour_average(unique_edges(template.faces), count)
    return rough.T @ rough


def _displaced(
    target: _Surface, template: FlameTemplate, vertices: np.ndarray, smoothing: sparse.spmatrix
) -> np.ndarray:
    """Return vertices moved along their normals towards the surface, evenly with neighbours.

    smoothing (V, V) is weighed against the data, of which each vertex counts at most 1.
    """
    foot, _, usable, distance = _matches(target, vertices, template)
    normals = vertex_normals(vertices, template.faces)
    wanted = ((foot - vertices) * normals).sum(axis=1)
    reach = SCALP_REACH + (FACE_REACH - SCALP_REACH) * template.face
    weight = usable * np.exp(-((distance / reach) ** 2)) * (template.eye == 0)
    system = sparse.diags(weight + ANCHOR) + smoothing
    return vertices + spsolve(system.tocsc(), weight * wanted)[:, None] * normals


def _with_moved_eyes(
    template: FlameTemplate, before: np.ndarray, after: np.ndarray, head: np.ndarray
) -> np.ndarray:
    """Return `head` with its eyeballs as they were `before`, moved by the mean of the lids' way."""
    result = head.copy()
    skin = np.flatnonzero(template.eye == 0)
    for eye in (LEFT_EYE, RIGHT_EYE):
        ball = template.eye == eye
        if ball.any():
            centre = before[ball].mean(axis=0)
            distance = np.linalg.norm(before[skin] - centre, axis=1)
            lids = skin[np.argsort(distance)[:LID_NEIGHBOURS]]
            result[ball] = before[ball] + (after[lids] - before[lids]).mean(axis=0)
    return result
