"""Texture coordinates of hair: an area-true polar map, one disc without a seam."""

from __future__ import annotations

import numpy as np

from .geometry import normalize

RINGS = 256
# Share of the disc that is spread evenly over all directions, so that no ring collapses.
UNIFORM_SHARE = 0.15
DISC_RADIUS = 0.495


def polar_uvs(
    vertices: np.ndarray, faces: np.ndarray, centre: np.ndarray, axis: np.ndarray
) -> np.ndarray:
    """Return (V, 2) coordinates in the disc around (1/2, 1/2).

    A vertex at angle alpha from `axis`, seen from `centre`, lies at a radius such that rings of
    the disc hold the area of mesh they show. The axis' antipode is the disc's rim.
    """
    axis = axis / np.linalg.norm(axis)
    left = np.array([1.0, 0.0, 0.0])
    left = normalize(left - (left @ axis) * axis)
    up = np.cross(axis, left)
    ray = normalize(vertices - centre)
    alpha = np.arccos(np.clip(ray @ axis, -1.0, 1.0))
    azimuth = np.arctan2(ray @ up, ray @ left)
    radius = DISC_RADIUS * _ring_radius(vertices, faces, alpha)(alpha)
    return 0.5 + radius[:, None] * np.stack([np.cos(azimuth), np.sin(azimuth)], axis=1)


def outermost_last(vertices: np.ndarray, faces: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return the order (F,) of `faces` by distance from `centre`: what is drawn last shows."""
    return np.argsort(np.linalg.norm(vertices[faces].mean(axis=1) - centre, axis=1))


def facing(vertices: np.ndarray, normals: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return |cosine| (V,) between normals and rays from `centre`: 0 where the map folds."""
    return np.abs((normalize(vertices - centre) * normals).sum(axis=1))


def _ring_radius(vertices, faces, alpha):
    corners = vertices[faces]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    edges = np.linspace(0.0, np.pi, RINGS + 1)
    density = np.histogram(alpha[faces].mean(axis=1), edges, weights=area)[0]
    middle = 0.5 * (edges[1:] + edges[:-1])
    density = (1.0 - UNIFORM_SHARE) * density / density.sum()
    density += UNIFORM_SHARE * np.sin(middle) / np.sin(middle).sum()
    share = np.concatenate([[0.0], np.cumsum(density)])
    # A ring's area grows with the square of its radius.
    return lambda angle: np.sqrt(np.interp(angle, edges, share))
