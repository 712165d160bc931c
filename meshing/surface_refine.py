"""Refinement of lattice cells towards a surface, with as few evaluations as the field allows.

A field that changes by at most `lipschitz` times the distance bounds its values between the
points where it is known. Cells carry a lower and an upper bound at each corner; a point is
evaluated only if its bounds do not settle what is asked of it, and a cell is halved only if its
bounds leave room for a zero. Bounds are exact where lower and upper are equal.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from .surface_lattice import Lattice

# Corners of a cell, and the 27 nodes of the same cell halved along each axis.
CORNERS = np.array(list(product((0, 1), repeat=3)))
NODES = np.array(list(product((0, 1, 2), repeat=3)))
# Corners of the edge, face or cell in whose middle a node lies; a corner node has itself only.
CORNERS_OF_NODE = [np.flatnonzero((np.abs(node - 2 * CORNERS) < 2).all(axis=1)) for node in NODES]
# Corner nodes (8, 8) of the eight child cells.
CHILD_NODES = np.array([[9 * i + 3 * j + k for i, j, k in CORNERS + c] for c in CORNERS])
# Lattice steps around a point within which it helps to know its value rather than bounds; found by
# counting evaluations on heads (a fifth more at 0 or at 1.7).
NEAR = 0.6
# Edges (54, 2) between neighbouring nodes.
NODE_EDGES = np.array(
    [
        (a, b)
        for a, b in product(range(27), repeat=2)
        if a < b and np.abs(NODES[a] - NODES[b]).sum() == 1
    ]
)


def surface_cells(
    lattice: Lattice,
    block: int,
    lipschitz: float,
    progress: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the cells of two lattice steps that the surface cuts.

    Returns their first corners (3, N) and the values (27, N) at their nodes: exact at both ends
    of every edge the surface cuts, of the right sign elsewhere. `progress` is called with the
    current cell size.
    """
    origins = _coarse_origins(lattice, block)
    keys = lattice.keys(origins[:, None] + block * CORNERS.T[:, :, None])
    points, where = np.unique(keys, return_inverse=True)
    lower = lattice.evaluate(points)[where].reshape(keys.shape)
    upper = lower
    size = block
    while True:
        step = size * lattice.spacing
        active = may_contain_zero(lower, upper, lipschitz * step)
        origins, lower, upper = origins[:, active], lower[:, active], upper[:, active]
        lower, upper = node_bounds(lower, upper, lipschitz * step)
        size //= 2
        report = None if progress is None else lambda size=size: progress(size)
        halved = HalvedCells(lattice, origins, size, lower, upper, report)
        if size == 1:
            return halved.evaluate_cut_edges()
        near = NEAR * lipschitz * size * lattice.spacing.min()
        halved.evaluate(distance_below(lower, upper) <= near)
        origins, lower, upper = _children(origins, size, lower, upper)


def node_bounds(
    lower: np.ndarray, upper: np.ndarray, reach: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bound the values at the nodes (27, N) of cells from those at their corners (8, N).

    reach (3,) is the greatest change of the field along each side of the cell. Only the corners
    of the edge or face a node lies in are used, so that all cells that share it agree.
    """
    change = np.linalg.norm((NODES[:, None] / 2.0 - CORNERS) * reach, axis=-1).astype(np.float32)
    node_lower = np.empty((27, lower.shape[1]), np.float32)
    node_upper = np.empty_like(node_lower)
    for node, corners in enumerate(CORNERS_OF_NODE):
        node_lower[node] = lower[corners[0]] - change[node, corners[0]]
        node_upper[node] = upper[corners[0]] + change[node, corners[0]]
        for corner in corners[1:]:
            low, high = node_lower[node], node_upper[node]
            np.maximum(low, lower[corner] - change[node, corner], out=low)
            np.minimum(high, upper[corner] + change[node, corner], out=high)
    return node_lower, node_upper


def distance_below(lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Return a lower bound of |value|; negative where the sign is not known.

    Where the bounds contradict each other the field is steeper than assumed, and nothing is known.
    """
    return np.where(lower > upper, -np.inf, np.maximum(lower, -upper))


def may_contain_zero(lower: np.ndarray, upper: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Tell which cells (N,) with corner bounds (8, N) leave room for a zero.

    Around a corner whose value is at least v from zero there is none within v / lipschitz. The
    cell is free of zeros if each of its octants lies within such a ball of some corner.
    """
    known = distance_below(lower, upper)
    possible = (lower > 0).any(axis=0) & (upper < 0).any(axis=0)
    for octant in CORNERS:
        # The farthest point of the octant from a corner is on the other side of its half.
        farthest = np.where(octant == CORNERS, 0.5, 1.0) * reach
        change = np.linalg.norm(farthest, axis=-1).astype(np.float32)
        possible |= (known - change[:, None]).max(axis=0) <= 0
    return possible


def _coarse_origins(lattice: Lattice, block: int) -> np.ndarray:
    counts = lattice.padded // block
    return block * np.indices(counts).reshape(3, -1)


def _children(
    origins: np.ndarray, size: int, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return first corners (3, 8N) and corner bounds (8, 8N) of the halves of cells."""
    child_origins = origins[:, None] + size * CORNERS.T[:, :, None]
    nodes = CHILD_NODES.T
    return (
        child_origins.reshape(3, -1),
        lower[nodes].reshape(8, -1),
        upper[nodes].reshape(8, -1),
    )


class HalvedCells:
    """Nodes (27, N) of halved cells whose bounds become exact where that is asked for."""

    def __init__(
        self,
        lattice: Lattice,
        origins: np.ndarray,
        size: int,
        lower: np.ndarray,
        upper: np.ndarray,
        report: Callable[[], None] | None,
    ) -> None:
        self.lattice = lattice
        self.origins = origins
        self.size = size
        self.lower = lower
        self.upper = upper
        self.report = report

    def evaluate(self, wanted: np.ndarray) -> None:
        """Make the bounds exact at the wanted nodes (27, N) that are not exact yet."""
        node, cell = np.nonzero(wanted & (self.lower != self.upper))
        if not len(node):
            return
        index = self.origins[:, cell] + self.size * NODES[node].T
        points, where = np.unique(self.lattice.keys(index), return_inverse=True)
        values = self.lattice.evaluate(points, self.report)[where]
        self.lower[node, cell] = values
        self.upper[node, cell] = values

    def evaluate_cut_edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Settle all signs, then both ends of every edge between different signs."""
        self.evaluate(distance_below(self.lower, self.upper) <= 0)
        inside = self.upper < 0
        mixed = inside.any(axis=0) & ~inside.all(axis=0)
        self.origins = self.origins[:, mixed]
        self.lower, self.upper = self.lower[:, mixed], self.upper[:, mixed]
        inside = inside[:, mixed]
        wanted = np.zeros_like(inside)
        for a, b in NODE_EDGES:
            cut = inside[a] != inside[b]
            wanted[a] |= cut
            wanted[b] |= cut
        self.evaluate(wanted)
        return self.origins, np.where(self.lower > 0, self.lower, self.upper)
