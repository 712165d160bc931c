"""Fit the head-model template to an extracted surface through canonical coordinates.

Each surface sample carries a canonical position from the field; its nearest point on the average
head says which template point it is. Robust least squares over the identity coefficients, then
point-to-plane rounds (Chen and Medioni 1992) against the surface normals. Coefficients only: a
free residual per vertex was tried and raised both distance and normal error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from . import labels
from .geometry import NearestOnMesh, smoothstep, vertex_normals
from .template import Template

HUBER_POINT = 0.002  # m, residual beyond which a correspondence counts linearly
HUBER_PLANE = 0.001  # m, the same for point-to-plane residuals
PRIOR_SIGMA = 0.001  # m, error of a sample that the prior is weighed against
PRIOR_SAMPLES = 2000.0  # independent samples in a surface; neighbours err alike
CANONICAL_REACH = 0.0015  # m, correspondences farther from the average head are doubted
HAIR_MARGIN = (0.003, 0.012)  # m from hair: skin samples not used .. fully used
OUTLIER = 0.003  # m, samples farther from a first fit are mislabelled hair
POINT_WEIGHT = 0.05  # canonical term during the point-to-plane rounds
COMPATIBLE_NORMALS = 0.6  # cosine below which a plane correspondence is dropped


@dataclass(frozen=True)
class FitSettings:
    """Numbers of samples and rounds of the template fit."""

    samples: int = 16000
    face_share: float = 0.4
    reweightings: int = 3
    plane_rounds: int = 2
    seed: int = 0


@dataclass(frozen=True)
class FittedHead:
    """Identity coefficients (S,), fitted cage (V, 3) and mean distance to visible skin (m)."""

    betas: np.ndarray
    vertices: np.ndarray
    residual: float


@dataclass(frozen=True)
class _Samples:
    points: np.ndarray  # (N, 3) on the field's surface
    normals: np.ndarray  # (N, 3)
    skin: np.ndarray  # (N,) weight as visible skin
    basis: np.ndarray  # (N, 3, S) shapes at the correspondence on the average head
    offset: np.ndarray  # (N, 3) from the correspondence to the sample


def fit_template(field, surface, template: Template, settings=None, callback=None) -> FittedHead:
    """Return the template identity that explains the visible skin of `surface`.

    `field` implements the Field protocol, `surface` has vertices (V, 3) in metres and triangles.
    Raises ValueError if less than 200 surface samples show skin.
    """
    settings = settings or FitSettings()
    report = callback or (lambda stage, fraction: None)
    report("fit", 0.0)
    samples = _sample_surface(field, surface, template, settings)
    report("fit", 0.4)
    betas = _solve_points(samples, settings.reweightings)
    for _ in range(settings.plane_rounds):
        betas = _solve_planes(samples, template, betas)
    report("fit", 0.9)
    fitted = template.identity(betas)
    residual = _plane_residual(samples, template.surface(fitted), template)
    report("fit", 1.0)
    return FittedHead(betas=betas, vertices=fitted, residual=residual)


def _sample_surface(field, surface, template: Template, settings: FitSettings) -> _Samples:
    chosen = _choose_vertices(np.asarray(surface.vertices), settings)
    all_normals = vertex_normals(np.asarray(surface.vertices, np.float64), surface.faces)
    normals = all_normals[chosen]
    points = np.asarray(surface.vertices, np.float64)[chosen]
    sample = field.sample(points)
    # One Newton step puts lattice-interpolated vertices on the field's zero level.
    points = points - np.clip(sample.sdf, -0.002, 0.002)[:, None] * normals
    nearest = NearestOnMesh(template.surface_canonical, template.surface_faces)
    triangle, bary, distance = nearest.query(sample.canonical)
    bare = sample.labels[:, labels.BARE_SKIN].sum(axis=1)
    hair = sample.labels[:, labels.HAIR]
    beard = sample.labels[:, labels.BEARD]
    trusted = np.exp(-((distance / CANONICAL_REACH) ** 2))
    skin = np.where((bare > 0.85) & (hair < 0.08) & (beard < 0.08), trusted, 0.0)
    skin *= _clear_of_hair(points, hair > 0.5)
    kept = skin > 0.05
    if kept.sum() < 200:
        raise ValueError(
            f"expected at least 200 surface samples on visible skin, got {kept.sum()}; "
            "the field may be empty or its labels untrained"
        )
    vertices, bary = template.surface_faces[triangle][kept], bary[kept]
    return _Samples(
        points=points[kept],
        normals=normals[kept],
        skin=skin[kept],
        basis=_interpolate(template.surface_shapes, vertices, bary),
        offset=points[kept] - _interpolate(template.surface_rest, vertices, bary),
    )


def _clear_of_hair(points: np.ndarray, hairy: np.ndarray) -> np.ndarray:
    """Return 0..1 (N,): a field may round the valley between hair and skin, and lift the skin."""
    if not hairy.any():
        return np.ones(len(points))
    distance, _ = cKDTree(points[hairy]).query(points, distance_upper_bound=HAIR_MARGIN[1])
    return smoothstep(np.minimum(distance, HAIR_MARGIN[1]), *HAIR_MARGIN)


def _choose_vertices(vertices: np.ndarray, settings: FitSettings) -> np.ndarray:
    """Return sorted indices of random vertices, a share of them from the face box."""
    rng = np.random.default_rng(settings.seed)
    face = np.flatnonzero((vertices[:, 1] < 0.0) & (vertices[:, 2] < 0.06))
    in_face = min(int(settings.samples * settings.face_share), len(face))
    everywhere = min(settings.samples - in_face, len(vertices))
    return np.unique(
        np.concatenate(
            [
                rng.choice(face, in_face, replace=False),
                rng.choice(len(vertices), everywhere, replace=False),
            ]
        )
    )


def _interpolate(values: np.ndarray, vertices: np.ndarray, bary: np.ndarray) -> np.ndarray:
    """Return attributes `values` (W, ...) at triangle points given by vertices and bary (N, 3)."""
    weights = bary.reshape(bary.shape + (1,) * (values.ndim - 1))
    return (values[vertices] * weights).sum(axis=1)


def _solve_points(samples: _Samples, reweightings: int) -> np.ndarray:
    """Iteratively reweighted least squares of canonical correspondences."""
    betas = np.zeros(samples.basis.shape[-1])
    for round_index in range(reweightings):
        residual = np.linalg.norm(samples.offset - samples.basis @ betas, axis=1)
        weight = samples.skin * _huber_weight(residual, HUBER_POINT)
        if round_index > 0:
            weight = weight * (residual < OUTLIER)
        betas = _solve(*_normal_equations(samples.basis, samples.offset, weight), samples)
    return betas


def _solve_planes(samples: _Samples, template: Template, betas: np.ndarray) -> np.ndarray:
    """One point-to-plane round around `betas`, held by a light canonical term."""
    current = template.surface_rest + template.surface_shapes @ betas
    triangle, bary, distance = NearestOnMesh(current, template.surface_faces).query(samples.points)
    vertices = template.surface_faces[triangle]
    normals = vertex_normals(current, template.surface_faces)
    agreement = (_interpolate(normals, vertices, bary) * samples.normals).sum(axis=1)
    usable = (agreement > COMPATIBLE_NORMALS) * (distance < OUTLIER) * samples.skin
    basis = np.einsum(
        "ncs,nc->ns", _interpolate(template.surface_shapes, vertices, bary), samples.normals
    )
    mean = _interpolate(template.surface_rest, vertices, bary)
    offset = ((samples.points - mean) * samples.normals).sum(axis=1)
    weight = usable * _huber_weight(np.abs(offset - basis @ betas), HUBER_PLANE)
    hessian = (basis * weight[:, None]).T @ basis
    gradient = (basis * weight[:, None]).T @ offset
    residual = np.linalg.norm(samples.offset - samples.basis @ betas, axis=1)
    point_hessian, point_gradient = _normal_equations(
        samples.basis, samples.offset, samples.skin * (residual < OUTLIER)
    )
    return _solve(
        hessian + POINT_WEIGHT * point_hessian, gradient + POINT_WEIGHT * point_gradient, samples
    )


def _normal_equations(basis, offset, weight):
    """Return A^T W A (S, S) and A^T W b (S,) of A (N, 3, S), b (N, 3), weights (N,)."""
    weighted = (weight[:, None, None] * basis).reshape(-1, basis.shape[-1])
    hessian = weighted.T @ basis.reshape(-1, basis.shape[-1])
    gradient = weighted.T @ offset.reshape(-1)
    return hessian, gradient


def _solve(hessian: np.ndarray, gradient: np.ndarray, samples: _Samples) -> np.ndarray:
    prior = PRIOR_SIGMA**2 * len(samples.points) / PRIOR_SAMPLES
    return np.linalg.solve(hessian + prior * np.eye(len(gradient)), gradient)


def _huber_weight(residual: np.ndarray, threshold: float) -> np.ndarray:
    return np.minimum(1.0, threshold / np.maximum(residual, 1e-9))


def _plane_residual(samples: _Samples, surface: np.ndarray, template: Template) -> float:
    """Mean distance (m) of visible skin samples to the fitted guide surface."""
    visible = samples.skin > 0.5
    _, _, distance = NearestOnMesh(surface, template.surface_faces).query(samples.points[visible])
    return float(distance[distance < OUTLIER].mean())
