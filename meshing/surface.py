"""The zero level set of a field as one watertight triangle mesh, by adaptive marching cubes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .field import Field
from .marching_cubes import marching_cubes
from .surface_lattice import Lattice
from .surface_refine import surface_cells
from .topology import largest_component, open_edge_count

logger = logging.getLogger(__name__)

RESOLUTIONS = (32, 768)
COARSE_CELLS = 32
LIPSCHITZ = 1.5
CAUTION = (1.0, 2.0, 4.0)
# Values nearer to zero than this part of a step are moved there, so that no two vertices of a
# triangle coincide and the lattice edge of each vertex can be told from its position.
LEAST_FRACTION = 1e-4


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
    equals that of marching cubes on the whole lattice as long as the field changes by at most
    `field.lipschitz` (1.5 if it has none) times the distance; where cracks show that it changes
    faster, the search is repeated with a more cautious value. Raises ValueError if there is no
    surface, if it leaves the bounds or if it is not watertight.
    """
    low, high = RESOLUTIONS
    if not isinstance(resolution, int | np.integer) or not low <= resolution <= high:
        raise ValueError(f"resolution must be an integer from {low} to {high}, got {resolution}")
    block = 2
    while 2 * block * COARSE_CELLS <= resolution:
        block *= 2
    lattice = Lattice(field, int(resolution), block)

    def progress(size: int) -> None:
        if callback is not None:
            callback("surface", 0.8 / size)

    lipschitz = getattr(field, "lipschitz", LIPSCHITZ)
    for caution in CAUTION:
        vertices, faces = _closed_surface(lattice, block, caution * lipschitz, progress)
        open_edges = open_edge_count(faces, len(vertices))
        if not open_edges:
            break
        logger.info("%d open edges at lipschitz %g", open_edges, caution * lipschitz)
    else:
        raise ValueError(
            f"the surface is not watertight: {open_edges} of {3 * len(faces)} edges have no"
            " counterpart; the field may be discontinuous"
        )
    logger.debug("surface: %d evaluations, %d triangles", lattice.evaluated, len(faces))
    if callback is not None:
        callback("surface", 1.0)
    positions = lattice.origin + vertices * lattice.spacing
    return Mesh(positions.astype(np.float32), faces.astype(np.int32))


def _closed_surface(
    lattice: Lattice, block: int, lipschitz: float, progress: Callable[[int], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (V, 3) in lattice steps and triangles (F, 3) of the largest component."""
    origins, values = surface_cells(lattice, block, lipschitz, progress)
    if not origins.shape[1]:
        raise ValueError("no surface within the bounds: the field does not change sign there")
    vertices, faces = largest_component(*polygonize(origins, values, lattice))
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    touched = [f"-{axis}" for axis, coordinate in zip("xyz", low, strict=True) if coordinate <= 0]
    touched += [f"+{axis}" for axis, over in zip("xyz", high >= lattice.cells, strict=True) if over]
    if touched:
        raise ValueError(f"the surface touches the bounds of the field at {', '.join(touched)}")
    return vertices, faces


def polygonize(
    origins: np.ndarray, values: np.ndarray, lattice: Lattice
) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (V, 3) in lattice steps and triangles (F, 3) of cells of 3x3x3 nodes.

    The cells are stacked along x into one volume for a single run of marching cubes. The layer
    between two of them joins what is not adjacent; its triangles are dropped. Vertices on a
    lattice edge that several cells share are then made one.
    """
    least = LEAST_FRACTION * lattice.spacing.min()
    values = np.where(np.abs(values) < least, np.where(values < 0, -least, least), values)
    count = values.shape[1]
    stack = np.ascontiguousarray(values.T).reshape(3 * count, 3, 3)
    vertices, faces = marching_cubes(stack, 0.0)
    cell = np.minimum(vertices[:, 0] // 3, count - 1).astype(np.int64)
    vertices[:, 0] -= 3 * cell
    # A triangle between two cells has vertices in both, or one beyond the last node of the first.
    same_cell = (cell[faces] == cell[faces[:, :1]]).all(axis=1)
    faces = faces[same_cell & (vertices[:, 0][faces] <= 2).all(axis=1)]

    used = np.unique(faces)
    vertices = vertices[used] + origins[:, cell[used]].T
    base = np.floor(vertices).astype(np.int64)
    # Twice the coordinate, odd on the axis along which the vertex lies within an edge.
    doubled = 2 * base + (vertices > base)
    keys = np.ravel_multi_index(tuple(doubled.T), tuple(2 * lattice.padded + 1))
    _, first, welded = np.unique(keys, return_index=True, return_inverse=True)
    renumbered = np.empty(len(cell), np.int64)
    renumbered[used] = welded
    # Marching cubes turns its triangles towards smaller values, which are the inside.
    return vertices[first], renumbered[faces][:, ::-1]
