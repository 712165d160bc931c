"""The zero level set of a field as one watertight triangle mesh, by adaptive marching cubes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .field import Field
from .marching_cubes import marching_cubes
from .surface_continuation import follow_surface
from .surface_lattice import Lattice
from .surface_refine import NODES, refine
from .topology import largest_component, open_edge_count

logger = logging.getLogger(__name__)

RESOLUTIONS = (32, 768)
COARSE_CELLS = 16
LIPSCHITZ = 1.0


@dataclass(frozen=True)
class Mesh:
    """Vertices (V, 3) float32 in metres, triangles (F, 3) int32 counter-clockwise from outside."""

    vertices: np.ndarray
    faces: np.ndarray


def extract_surface(
    field: Field,
    resolution: int,
    callback: Callable[[str, float], None] | None = None,
) -> Mesh:
    """Return the largest component of the surface where `field.sdf` is zero.

    resolution, 32 to 768, is the number of cells along the longest side of the bounds. The result
    is that of marching cubes on the whole lattice. Small parts may be missed where the field
    changes by more than `field.lipschitz` (1 if it has none) times the distance, but not those
    connected to what is found. Raises ValueError if there is no surface, if it touches the bounds
    or if it is not watertight.
    """
    low, high = RESOLUTIONS
    if not isinstance(resolution, int | np.integer) or not low <= resolution <= high:
        raise ValueError(f"resolution must be an integer from {low} to {high}, got {resolution}")
    block = 2
    while 2 * block * COARSE_CELLS <= resolution:
        block *= 2

    def progress() -> None:
        if callback is not None:
            callback("surface", 1.0 - 1.0 / (1.0 + lattice.evaluated / resolution**2))

    lattice = Lattice(field, int(resolution), block, progress)
    cells = refine(lattice, block, getattr(field, "lipschitz", LIPSCHITZ))
    cells = follow_surface(lattice, cells)
    if not len(cells):
        raise ValueError("no surface within the bounds: the field does not change sign there")
    vertices, faces = largest_component(*polygonize(lattice, cells))
    _check(vertices, faces, lattice)
    logger.debug("surface: %d evaluations, %d triangles", lattice.evaluated, len(faces))
    if callback is not None:
        callback("surface", 1.0)
    positions = lattice.origin + vertices * lattice.spacing
    return Mesh(positions.astype(np.float32), faces.astype(np.int32))


def polygonize(lattice: Lattice, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (V, 3) in lattice steps and triangles (F, 3) within cells of two steps.

    cells (N,) are their first points.

    The cells are stacked along x into one volume for a single run of marching cubes. The layer
    between two of them joins what is not adjacent; its triangles are dropped. Vertices on a
    lattice edge that several cells share are then made one.
    """
    # Of the infinite values only the sign counts: they are not at cut edges.
    values = lattice.values[cells[:, None] + NODES @ lattice.strides]
    step = np.float32(lattice.spacing.min())
    values = np.where(np.isinf(values), np.copysign(step, values), values)
    stack = values.reshape(3 * len(cells), 3, 3)
    vertices, faces = marching_cubes(stack, 0.0)
    cell = np.minimum(vertices[:, 0] // 3, len(cells) - 1).astype(np.int64)
    vertices[:, 0] -= 3 * cell
    # A triangle between two cells has vertices in both, or one beyond the last node of the first.
    same_cell = (cell[faces] == cell[faces[:, :1]]).all(axis=1)
    faces = faces[same_cell & (vertices[:, 0][faces] <= 2).all(axis=1)]

    used = np.unique(faces)
    vertices = vertices[used] + np.stack(
        np.unravel_index(cells[cell[used]], lattice.shape), axis=-1
    )
    base = np.floor(vertices).astype(np.int64)
    # Twice the coordinate, odd on the axis along which the vertex lies within an edge.
    doubled = 2 * base + (vertices > base)
    keys = np.ravel_multi_index(tuple(doubled.T), tuple(2 * lattice.padded + 1))
    _, first, welded = np.unique(keys, return_index=True, return_inverse=True)
    renumbered = np.empty(len(cell), np.int64)
    renumbered[used] = welded
    # Marching cubes turns its triangles towards smaller values, which are the inside.
    return vertices[first], renumbered[faces][:, ::-1]


def _check(vertices: np.ndarray, faces: np.ndarray, lattice: Lattice) -> None:
    """Raise if a surface in lattice steps touches the bounds or is open."""
    below, above = vertices.min(axis=0) <= 0, vertices.max(axis=0) >= lattice.cells
    sides = [f"-{axis}" for axis, touches in zip("xyz", below, strict=True) if touches]
    sides += [f"+{axis}" for axis, touches in zip("xyz", above, strict=True) if touches]
    if sides:
        raise ValueError(f"the surface touches the bounds of the field at {', '.join(sides)}")
    open_edges = open_edge_count(faces, len(vertices))
    if open_edges:
        raise ValueError(
            f"the surface is not watertight: {open_edges} of {3 * len(faces)} edges have no"
            " counterpart"
        )
