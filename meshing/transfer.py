"""Carry the template's expressions over to a fitted head by per-vertex local frames.

A shape key of the average head is turned and stretched by the local affine map average -> fitted
(after Sumner and Popovic 2004, per vertex): a wider mouth smiles wider, deep eyes blink along
their own lids.
"""

from __future__ import annotations

import numpy as np

from .geometry import neighbour_average, unique_edges, vertex_normals
from .template import Template

SMOOTHING_ROUNDS = 14  # fewer let mouth corners fold in a smile
UNCHANGED = ("jaw", "mouthClose", "eyeBlink")
NORMAL_WEIGHT = 3.0  # of the normal direction against the sum over the one-ring


def local_frames(template: Template, fitted: np.ndarray) -> np.ndarray:
    """Return the smoothed affine maps (V, 3, 3) from the average cage to `fitted` (V, 3)."""
    edges = unique_edges(template.faces)
    count = len(fitted)
    source, target = template.rest.astype(np.float64), np.asarray(fitted, np.float64)
    moved, metric = _ring_moments(edges, source, target, count)
    source_size = _mean_edge_length(edges, source, count)[:, None]
    target_size = _mean_edge_length(edges, target, count)[:, None]
    source_normal = vertex_normals(source, template.faces) * source_size
    target_normal = vertex_normals(target, template.faces) * target_size
    moved += NORMAL_WEIGHT * target_normal[:, :, None] * source_normal[:, None, :]
    metric += NORMAL_WEIGHT * source_normal[:, :, None] * source_normal[:, None, :]
    frames = moved @ np.linalg.inv(metric + 1e-9 * np.eye(3))
    average = neighbour_average(edges, count)
    flat = frames.reshape(count, 9)
    for _ in range(SMOOTHING_ROUNDS):
        flat = 0.5 * flat + 0.5 * (average @ flat)
    return flat.reshape(count, 3, 3)


def transfer_expressions(template: Template, betas: np.ndarray) -> np.ndarray:
    """Return the expression offsets (E, V, 3) of the identity `betas` (S,), in metres.

    Jaw and blink are left as the template has them for this identity: the jaw is a hinge that
    bone, teeth and `mouthClose` share, and the blink closes each eye exactly.
    """
    frames = local_frames(template, template.identity(betas))
    offsets = np.einsum("vij,evj->evi", frames, template.expressions, optimize=True)
    for index, name in enumerate(template.expression_names):
        if name.startswith(UNCHANGED):
            offsets[index] = template.expressions[index]
    correction = template.lid_correctives @ betas
    for index in np.unique(template.lid_expressions):
        chosen = template.lid_expressions == index
        offsets[index, template.lid_vertices[chosen]] += correction[chosen]
    return offsets


def _ring_moments(edges, source, target, count):
    """Sum target x source and source x source outer products of edge vectors per vertex."""
    source_edge = source[edges[:, 1]] - source[edges[:, 0]]
    target_edge = target[edges[:, 1]] - target[edges[:, 0]]
    moved = (target_edge[:, :, None] * source_edge[:, None, :]).reshape(-1, 9)
    metric = (source_edge[:, :, None] * source_edge[:, None, :]).reshape(-1, 9)
    return (
        _scatter(edges, moved, count).reshape(count, 3, 3),
        _scatter(edges, metric, count).reshape(count, 3, 3),
    )


def _mean_edge_length(edges, vertices, count) -> np.ndarray:
    length = np.linalg.norm(vertices[edges[:, 1]] - vertices[edges[:, 0]], axis=1)[:, None]
    total = _scatter(edges, length, count)[:, 0]
    return total / np.maximum(np.bincount(edges.ravel(), minlength=count), 1)


def _scatter(edges, values, count) -> np.ndarray:
    """Add per-edge values (E, K) to both end vertices -> (V, K)."""
    both = np.concatenate([edges[:, 0], edges[:, 1]])
    return np.stack([np.bincount(both, np.tile(column, 2), count) for column in values.T], axis=1)
