"""The direction hair runs in, seen from its surface alone.

Locks are ridges, dark between them: normals and brightness change across a lock and hardly along
it. The direction of least change in a neighbourhood (the minor axis of a structure tensor)
follows the locks; where the surface says little, hair falls away from the crown and downwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import (
    breadth_first_order,
    connected_components,
    minimum_spanning_tree,
)
from scipy.spatial import cKDTree

from .geometry import (
    adjacency,
    neighbour_average,
    normalize,
    smoothstep,
    unique_edges,
    vertex_normals,
)
from .hair_surface import SurfaceSamples

CROWN = np.array([0.012, 0.155, 0.110])  # m, whorl of the average head, canonical position
CROWN_RADIUS = 0.02
SMOOTH_NEIGHBOURS = 28  # about 9 mm at the samples' spacing: wider than a fine lock
TENSOR_NEIGHBOURS = 48  # about 12 mm
SLOPE_NEIGHBOURS = 8  # for the change of brightness: a fine lock must not average out
SHADE_HEIGHT = 0.003  # m of relief that a change of brightness by a factor e is worth
FALL_CONFIDENCE = 0.015  # squared change of normals that the falling direction is worth
# Share of the change without direction: straight .. curly, of all the hair and of one place.
CURLY_HEAD, CURLY_PLACE = (0.40, 0.58), (0.30, 0.60)
STRAIGHTENING = 6  # rounds of averaging the flow of straight hair with its neighbours
CURL_WAVELENGTH = 0.011  # m


@dataclass(frozen=True)
class Flow:
    """Unit tangents (V, 3) along the hair, roots to tips, and how curly (V,) it is, 0..1."""

    direction: np.ndarray
    curl: np.ndarray


def hair_flow(vertices: np.ndarray, faces: np.ndarray, samples: SurfaceSamples, label: int) -> Flow:
    """Return the flow of the hair with `label` at the vertices (V, 3) of its closed mesh."""
    normals = vertex_normals(vertices, faces)
    hairy = samples.labels[:, label] > 0.5
    tree = cKDTree(samples.points[hairy])
    swing = _normal_swing(tree, samples.normals[hairy])
    shade = _shade_slope(tree, samples.color[hairy])
    fall = _fall(vertices, normals, _crown(samples))
    side = np.cross(normals, fall)
    _, near = tree.query(vertices, min(TENSOR_NEIGHBOURS, hairy.sum()))
    change = np.concatenate([swing[near], shade[near]], axis=1)
    along = np.einsum("vkc,vc->vk", change, fall)
    across = np.einsum("vkc,vc->vk", change, side)
    a, b, c = (along**2).mean(1), (along * across).mean(1), (across**2).mean(1)
    isotropic = 1.0 - np.hypot(a - c, 2.0 * b) / np.maximum(a + c, 1e-9)
    curl = smoothstep(np.median(isotropic), *CURLY_HEAD) * smoothstep(isotropic, *CURLY_PLACE)
    # Minor axis of [[a, b], [b, c + FALL_CONFIDENCE]] in the basis (fall, side).
    angle = 0.5 * np.arctan2(-2.0 * b, c + FALL_CONFIDENCE - a)
    direction = np.cos(angle)[:, None] * fall + np.sin(angle)[:, None] * side
    direction = _agreeing_signs(direction, faces, fall)
    direction = _straightened(direction, faces, normals)
    turn = (1.3 * curl * _swirl(vertices))[:, None]
    direction = np.cos(turn) * direction + np.sin(turn) * np.cross(normals, direction)
    return Flow(direction, curl)


def _straightened(direction: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Average tangents with their neighbours and keep them unit tangents."""
    average = neighbour_average(unique_edges(faces), len(direction))
    for _ in range(STRAIGHTENING):
        direction = direction + average @ direction
        direction = direction - (direction * normals).sum(1, keepdims=True) * normals
        direction = normalize(direction)
    return direction


def _agreeing_signs(direction: np.ndarray, faces: np.ndarray, fall: np.ndarray) -> np.ndarray:
    """Turn tangents round so that neighbours agree, along a tree of the best aligned edges.

    After Hoppe et al. (1992), who orient normals so. Each piece as a whole follows `fall`.
    """
    edges = unique_edges(faces)
    agreement = (direction[edges[:, 0]] * direction[edges[:, 1]]).sum(axis=1)
    tree = minimum_spanning_tree(adjacency(edges, len(direction), 1.001 - np.abs(agreement)))
    tree = tree + tree.T
    count, piece = connected_components(tree, directed=False)
    signs = np.ones(len(direction))
    for root in np.unique(piece, return_index=True)[1]:
        order, parent = breadth_first_order(tree, root, directed=False)
        for vertex in order[1:]:
            same = direction[vertex] @ direction[parent[vertex]] >= 0.0
            signs[vertex] = signs[parent[vertex]] if same else -signs[parent[vertex]]
    falling = np.bincount(piece, signs * (direction * fall).sum(axis=1), count)
    signs *= np.where(falling < 0.0, -1.0, 1.0)[piece]
    return direction * signs[:, None]


def _normal_swing(tree: cKDTree, normals: np.ndarray) -> np.ndarray:
    """Deviation (N, 3) of each normal from the mean of its neighbourhood."""
    _, near = tree.query(tree.data, min(SMOOTH_NEIGHBOURS, len(normals)))
    return normals - normalize(normals[near].mean(axis=1))


def _shade_slope(tree: cKDTree, color: np.ndarray) -> np.ndarray:
    """Slope (N, 3) of the relief that the brightness around each sample suggests."""
    count = min(SLOPE_NEIGHBOURS, len(color))
    _, near = tree.query(tree.data, count)
    shade = np.log(color.mean(axis=1) + 0.02)
    offset = tree.data[near] - tree.data[:, None]
    change = shade[near] - shade[:, None]
    normal = np.einsum("nki,nkj->nij", offset, offset) / count
    moment = np.einsum("nki,nk->ni", offset, change) / count
    # The samples lie in the surface, so the system needs a floor across it.
    floor = 0.1 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-12
    return SHADE_HEIGHT * np.linalg.solve(normal + floor * np.eye(3), moment[..., None])[..., 0]


def _crown(samples: SurfaceSamples) -> np.ndarray:
    """Position of the crown on this head: the surface over the average head's crown."""
    away = np.linalg.norm(samples.canonical - CROWN, axis=1)
    close = away < max(CROWN_RADIUS, away.min() * 1.5)
    return samples.points[close].mean(axis=0)


def _fall(vertices: np.ndarray, normals: np.ndarray, crown: np.ndarray) -> np.ndarray:
    """Unit tangents away from the crown, more and more downwards."""
    away = vertices - crown
    distance = np.linalg.norm(away, axis=1, keepdims=True)
    down = smoothstep(distance, 0.05, 0.16) * np.array([0.0, 0.0, -1.0])
    pull = away / np.maximum(distance, 1e-6) + 1.2 * down
    tangent = pull - (pull * normals).sum(1, keepdims=True) * normals
    # Under a hem the pull is along the normal; any fixed tangent will do there.
    spare = np.cross(normals, [1.0, 0.0, 0.0])
    weak = np.linalg.norm(tangent, axis=1, keepdims=True) < 0.05
    return normalize(np.where(weak, spare, tangent))


def _swirl(points: np.ndarray) -> np.ndarray:
    """Smooth fixed noise (N,) of about +-1 that turns the direction of curls."""
    x, y, z = (points * (2.0 * np.pi / CURL_WAVELENGTH)).T / 1.8
    first = np.sin(x + 1.7 * np.sin(0.6 * z)) + np.sin(1.1 * y + 1.3 * np.sin(0.7 * x + 1.0))
    return (first + np.sin(0.9 * z + 1.9 * np.sin(0.5 * y - 0.5))) / 1.6
