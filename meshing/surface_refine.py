"""Refinement of lattice cells towards a surface, with as few evaluations as the field allows.

A field that changes by at most `lipschitz` times the distance bounds its values between the
points where it is known. Cells carry a lower and an upper bound at each corner, equal where the
value is exact. A cell is halved only if its bounds leave room for a zero.
"""

from __future__ import annotations

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
# counting evaluations on heads.
NEAR = 0.6


def refine(lattice: Lattice, block: int, lipschitz: float) -> np.ndarray:
    """Find cells of two lattice steps that the surface may cut; return their first points (N,).

    Starts from cells of `block` steps, a power of two. The lattice then knows or assumes a sign at
    each of the 27 nodes of every cell.
    """
    steps = np.indices(lattice.padded // block).reshape(3, -1)
    origins = block * lattice.strides @ steps
    keys = origins + block * (CORNERS @ lattice.strides)[:, None]
    lattice.evaluate(keys.ravel())
    lower = upper = lattice.values[keys]
    size = block
    while True:
        reach = lipschitz * size * lattice.spacing
        active = may_contain_zero(lower, upper, reach)
        origins = origins[active]
        lower, upper = node_bounds(lower[:, active], upper[:, active], reach)
        size //= 2
        keys = origins + size * (NODES @ lattice.strides)[:, None]
        near = 0.0 if size == 1 else NEAR * lipschitz * size * lattice.spacing.min()
        lattice.evaluate(keys[distance_below(lower, upper) <= near])
        if size == 1:
            _assume_signs(lattice, keys, lower)
            return origins
        known = lattice.values[keys]
        lower, upper = np.where(known == 0, lower, known), np.where(known == 0, upper, known)
        origins = (origins + size * (CORNERS @ lattice.strides)[:, None]).ravel()
        lower, upper = (bound[CHILD_NODES.T].reshape(8, -1) for bound in (lower, upper))


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
        low, high = node_lower[node], node_upper[node]
        low[:] = lower[corners[0]] - change[node, corners[0]]
        high[:] = upper[corners[0]] + change[node, corners[0]]
        for corner in corners[1:]:
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


def _assume_signs(lattice: Lattice, keys: np.ndarray, lower: np.ndarray) -> None:
    """Give points that need not be evaluated the sign of their bounds."""
    unknown = lattice.values[keys] == 0
    sign = np.where(lower[unknown] > 0, np.inf, -np.inf)
    lattice.values[keys[unknown]] = sign
