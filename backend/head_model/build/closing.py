"""Closes the line between two rims (lips at rest, lids in a blink) by an affine map of vertices.

The map is affine with fixed weights, so it also applies to shape directions: what closes the
average closes every identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from .stylise import smoothstep

OWN_SIDE_BLEND = 0.002  # metres of geodesic difference over which one rim's influence ends
GEODESIC_LIMIT = 0.1


@dataclass(frozen=True)
class ClosingSettings:
    """Lengths in metres; shares and offsets per axis x, y, z.

    The rims come to rest where the gap times the share equals minus the offset.
    """

    reach: float  # geodesic falloff away from the rim
    spread: float  # smoothing along the rim
    taper: tuple[float, float]  # shares of the half width between which the effect ends
    upper_share: tuple[float, float, float]  # of the gap that the upper rim travels
    lower_share: tuple[float, float, float]
    upper_offset: tuple[float, float, float]
    lower_offset: tuple[float, float, float]
    rounds: int = 4


LIPS = ClosingSettings(
    reach=0.008,
    spread=0.005,
    taper=(0.70, 1.0),
    upper_share=(0, 0.25, 0.5),
    lower_share=(0, 0.25, 0.5),
    upper_offset=(0, 0, -0.0002),
    lower_offset=(0, 0, 0.0002),
)
# The upper lid comes down to the lower one and rests a little below and before it.
LIDS = ClosingSettings(
    reach=0.006,
    spread=0.0025,
    taper=(0.95, 1.05),
    upper_share=(0, 1, 1),
    lower_share=(0, 0, 0),
    upper_offset=(0, -0.0004, -0.0004),
    lower_offset=(0, 0, 0),
)


class RimClosing:
    """The affine closing map of one pair of rims in one reference configuration."""

    def __init__(
        self, rest: np.ndarray, reference: np.ndarray, quads: np.ndarray,
        surface_rows: sparse.csr_matrix, upper: np.ndarray, lower: np.ndarray,
        settings: ClosingSettings,
    ) -> None:
        """Fix the weights from positions (N,3) at rest and in the configuration to close.

        surface_rows (N,N) gives the level-1 point of each vertex; upper and lower are vertex
        ids from corner to corner with rising x.
        """
        self.settings = settings
        self.rows = surface_rows
        self.upper, self.lower = upper[1:-1], lower[1:-1]
        surface = surface_rows @ reference
        self.to_lower = _interpolation(surface, self.upper, lower)
        self.to_upper = _interpolation(surface, self.lower, upper)
        middle = surface[upper[[0, -1]], 0].mean()
        half_width = np.ptp(surface[upper[[0, -1]], 0]) / 2
        low, high = settings.taper
        tapers = []
        for rim in (self.upper, self.lower):
            share = np.abs(surface[rim, 0] - middle) / half_width
            tapers.append(1 - smoothstep(share, low, high))
        self.upper_taper, self.lower_taper = tapers
        self.upper_spread, self.lower_spread = self._spreads(rest, quads)

    def close(self, vertices: np.ndarray, overlap: bool = True) -> np.ndarray:
        """Return vertices (...,N,3) closed; without overlap the map is linear, for directions."""
        vertices = np.array(vertices, float)
        for _ in range(self.settings.rounds):
            for part in np.ndindex(vertices.shape[:-2]):
                vertices[part] += self._step(vertices[part], overlap)
        return vertices

    def _step(self, vertices: np.ndarray, overlap: bool) -> np.ndarray:
        settings = self.settings
        surface = self.rows @ vertices
        upper_move = (self.to_lower @ surface - surface[self.upper]) * settings.upper_share
        lower_move = (self.to_upper @ surface - surface[self.lower]) * settings.lower_share
        if overlap:
            upper_move += settings.upper_offset
            lower_move += settings.lower_offset
        upper_move *= self.upper_taper[:, None]
        lower_move *= self.lower_taper[:, None]
        return self.upper_spread @ upper_move + self.lower_spread @ lower_move

    def _spreads(self, rest, quads) -> tuple[np.ndarray, np.ndarray]:
        """Return the influence (N,R) of each rim point on the vertices of its own side."""
        graph = edge_graph(rest, quads)
        distances = [
            np.minimum(dijkstra(graph, indices=rim), GEODESIC_LIMIT).T
            for rim in (self.upper, self.lower)
        ]
        nearest = [distance.min(1) for distance in distances]
        spreads = []
        for own, other in ((0, 1), (1, 0)):
            kernel = np.exp(-((distances[own] / self.settings.spread) ** 2)) + 1e-12
            falloff = np.exp(-((nearest[own] / self.settings.reach) ** 2))
            falloff *= nearest[own] < 3 * self.settings.reach
            side = 0.5 + (nearest[other] - nearest[own]) / OWN_SIDE_BLEND
            falloff *= np.clip(side, 0, 1)
            spreads.append(kernel / kernel.sum(1, keepdims=True) * falloff[:, None])
        return spreads[0], spreads[1]


def edge_graph(vertices: np.ndarray, quads: np.ndarray) -> sparse.csr_matrix:
    """Return the symmetric graph (N,N) of edges with their lengths."""
    edges = np.concatenate([quads[:, [corner, (corner + 1) % 4]] for corner in range(4)])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    length = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    count = len(vertices)
    half = sparse.coo_matrix((length, (edges[:, 0], edges[:, 1])), shape=(count, count)).tocsr()
    return half + half.T


def _interpolation(surface: np.ndarray, points: np.ndarray, line: np.ndarray):
    """Return the matrix (P,N) that evaluates a rim line at the x of other rim points."""
    order = line[np.argsort(surface[line, 0])]
    x = surface[order, 0]
    at = np.clip(surface[points, 0], x[0], x[-1])
    segment = np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2)
    width = np.maximum(x[segment + 1] - x[segment], 1e-9)
    share = (at - x[segment]) / width
    rows = np.repeat(np.arange(len(points)), 2)
    columns = np.stack([order[segment], order[segment + 1]], 1).ravel()
    values = np.stack([1 - share, share], 1).ravel()
    return sparse.csr_matrix((values, (rows, columns)), shape=(len(points), len(surface)))
