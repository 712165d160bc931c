"""Closed hair and beard surfaces cut out of the head's surface by the field's labels.

The hair region is an intersection of three implicit regions on a lattice:

    phi(x) = max( sdf(x) + erosion(x),  -(D(x) + buried),  (1/2 - P(x)) * LABEL_SCALE )

sdf is the field, D the signed distance to the fitted bare head, P the probability of the label.
The erosion lets thin borders dive under the skin, and the inner wall lies a few millimetres below
it, so hair and skin cross along one clean line and nowhere run together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from .decimate import is_closed_manifold, signed_volume, smooth
from .geometry import smoothstep
from .labels import BEARD, HAIR
from .marching_cubes import marching_cubes

# m, lattice of the hair surface: locks are 7 mm wide; large hair gets the coarser one.
FINEST_CELL, COARSEST_CELL = 0.0019, 0.0026
CELL_BUDGET = 30_000  # lattice cells that the outer surface may cut
BURIED = 0.004  # m, depth of the inner wall under the fitted skin
EROSION = 0.0009  # m, taken off thin hair only
THIN, THICK = 0.003, 0.007  # m of hair: all of the erosion .. none
# Hair this thick is hair whatever the labels inside it say; below, the label decides.
CERTAIN = (0.006, 0.010)
FADE = (0.45, 0.95)  # probabilities between which hair comes down to the skin
LABEL_SCALE = 0.012  # m per unit of probability, a typical width of the labels' transition
LABEL_SPACING = 0.003  # m between the surface points at which the field is asked for labels
DISTANCE_STEP = 3  # cells between the points at which the head distance is computed exactly
# m; lower hair is paint on the skin: a buzz cut, whose mesh would be a cap, and stubble
MINIMUM_HEIGHT = {HAIR: 0.0042, BEARD: 0.0017}
SMOOTHING = 3  # rounds; more would wash out the locks
# Lattice points around a surface vertex that learn its distance.
SPLAT_STEPS = np.array([s for s in product(range(-2, 3), repeat=3) if np.dot(s, s) <= 4])
MARGIN = 0.010  # m of lattice around the hair
RIM = 4  # cells around the lattice
FAR = 0.02  # m, stands for "far outside" in the lattices


@dataclass(frozen=True)
class SurfaceSamples:
    """What the field says at points spread evenly over the head's surface."""

    points: np.ndarray  # (N, 3) metres
    normals: np.ndarray  # (N, 3) unit, outward
    color: np.ndarray  # (N, 3) sRGB
    labels: np.ndarray  # (N, 20) probabilities
    canonical: np.ndarray  # (N, 3) metres


@dataclass(frozen=True)
class HairSurface:
    """A closed triangle mesh and the height (V,) of its vertices above the bare skin, metres."""

    vertices: np.ndarray
    faces: np.ndarray
    height: np.ndarray


def sample_surface(field, vertices: np.ndarray, normals: np.ndarray) -> SurfaceSamples:
    """Query `field` at about one of its surface's `vertices` (V, 3) per `LABEL_SPACING` cube."""
    cells = np.floor(vertices / LABEL_SPACING).astype(np.int64)
    cells -= cells.min(axis=0)
    size = cells.max(axis=0) + 1
    key = (cells[:, 0] * size[1] + cells[:, 1]) * size[2] + cells[:, 2]
    chosen = np.unique(key, return_index=True)[1]
    points = vertices[chosen]
    sample = field.sample(points)
    color = np.clip(sample.color, 0.0, 1.0)
    return SurfaceSamples(points, normals[chosen], color, sample.labels, sample.canonical)


def extract_hair(
    vertices: np.ndarray,
    normals: np.ndarray,
    samples: SurfaceSamples,
    label: int,
    head_distance: Callable[[np.ndarray], np.ndarray],
) -> HairSurface | None:
    """Return the closed surface of the hair with `label`, or None if it is thinner than paint.

    `vertices` and `normals` (V, 3) are the field's surface, metres; `head_distance` maps points
    (N, 3) to signed distances (N,) from the fitted bare head, negative inside.
    """
    probability = samples.labels[:, label]
    if (probability > 0.5).sum() < 20:
        return None
    lattice = _Lattice.around(samples.points[probability > 0.2])
    sdf = _surface_distance(lattice, vertices, normals)
    distance = _head_distance(lattice, head_distance)
    thickness = distance - sdf
    chance = _label_lattice(lattice, samples.points, probability, sdf, distance)
    chance = np.maximum(chance, _certain(label, thickness))
    erosion = EROSION * (1.0 - smoothstep(thickness, THIN, THICK))
    fading = (1.0 - smoothstep(chance, *FADE)) * np.maximum(thickness, 0.0)
    phi = np.maximum(sdf + erosion + fading, -(distance + BURIED))
    phi = np.maximum(phi, (0.5 - chance) * LABEL_SCALE)
    _close_border(phi)
    mesh_vertices, faces = marching_cubes(ndimage.gaussian_filter(phi, 0.4), 0.0)
    if len(faces) == 0:
        return None
    mesh_vertices, faces = _thick_components(
        lattice, mesh_vertices, faces[:, ::-1], distance.astype(np.float32), MINIMUM_HEIGHT[label]
    )
    if len(faces) == 0:
        return None
    height = lattice.interpolate(distance, mesh_vertices)
    positions = smooth(lattice.positions(mesh_vertices), faces, SMOOTHING)
    if not is_closed_manifold(faces):
        raise ValueError("expected marching cubes to give a closed hair surface, got an open one")
    return HairSurface(positions, faces, height)


@dataclass(frozen=True)
class _Lattice:
    """Regular points origin + index * cell."""

    origin: np.ndarray
    cell: float
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, points: np.ndarray) -> _Lattice:
        """Return a lattice around surface samples (N, 3), one per `LABEL_SPACING` square."""
        area = len(points) * LABEL_SPACING**2
        cell = float(np.clip(np.sqrt(area / CELL_BUDGET), FINEST_CELL, COARSEST_CELL))
        low, high = points.min(axis=0) - MARGIN, points.max(axis=0) + MARGIN
        # A whole number of distance steps, so that coarse and fine lattices share their ends.
        steps = np.ceil((high - low) / (cell * DISTANCE_STEP)).astype(int)
        return cls(low, cell, tuple(steps * DISTANCE_STEP + 1))

    def positions(self, index: np.ndarray) -> np.ndarray:
        return self.origin + index * self.cell

    def axes(self, step: int = 1) -> tuple[np.ndarray, ...]:
        return tuple(
            self.origin[axis] + np.arange(0, self.shape[axis], step) * self.cell
            for axis in range(3)
        )

    def index(self, points: np.ndarray) -> np.ndarray:
        return np.rint((points - self.origin) / self.cell).astype(np.int64)

    @staticmethod
    def interpolate(values: np.ndarray, index: np.ndarray) -> np.ndarray:
        return ndimage.map_coordinates(values, index.T, order=1, mode="nearest")


def _certain(label: int, thickness: np.ndarray) -> np.ndarray:
    return smoothstep(thickness, *CERTAIN) if label == HAIR else np.zeros_like(thickness)


def _surface_distance(lattice: _Lattice, vertices, normals) -> np.ndarray:
    """Signed distance near the surface, +-FAR elsewhere.

    Every vertex gives its tangent plane to the lattice points around it, which blend them.
    """
    # The lattice gets a rim, so that the band is whole where the surface leaves the lattice.
    shape = np.array(lattice.shape) + 2 * RIM
    index = lattice.index(vertices) + RIM
    near = ((index >= 2) & (index < shape - 2)).all(axis=1)
    index, vertices, normals = index[near], vertices[near], normals[near]
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    flat = index @ strides
    offset = lattice.positions(index - RIM) - vertices
    total, weights = np.zeros(shape.prod()), np.zeros(shape.prod())
    for step in SPLAT_STEPS:
        reach = offset + step * lattice.cell
        weight = 1.0 / ((reach**2).sum(axis=1) + (0.3 * lattice.cell) ** 2) ** 2
        plane = (reach * normals).sum(axis=1)
        target = flat + step @ strides
        total += np.bincount(target, weight * plane, len(total))
        weights += np.bincount(target, weight, len(total))
    crop = (slice(RIM, -RIM),) * 3
    weights = weights.reshape(shape)[crop]
    total = total.reshape(shape)[crop]
    return _fill_signs(total / np.maximum(weights, 1e-12), weights > 0.0)


def _fill_signs(values: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Keep `values` in `band`; give each connected region outside it the sign of its border."""
    regions, count = ndimage.label(~band)
    votes = np.zeros(count + 1)
    for axis in range(3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        for here, beside in ((tuple(low), tuple(high)), (tuple(high), tuple(low))):
            touching = (regions[here] > 0) & band[beside]
            signs = np.sign(values[beside][touching])
            votes += np.bincount(regions[here][touching], signs, count + 1)
    far = FAR * np.where(votes < 0.0, -1.0, 1.0)
    return np.where(band, values, far[regions])


def _head_distance(lattice: _Lattice, head_distance) -> np.ndarray:
    """Signed head distance on the lattice: exact on a coarse one, linear in between."""
    axes = lattice.axes(DISTANCE_STEP)
    coarse_shape = tuple(len(axis) for axis in axes)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    values = np.asarray(head_distance(points), np.float64).reshape(coarse_shape)
    return _upsample(values, lattice.shape)


def _upsample(values: np.ndarray, shape) -> np.ndarray:
    """Interpolate linearly along each axis to `shape`; the ends of both lattices coincide."""
    for axis, count in enumerate(shape):
        position = np.linspace(0.0, values.shape[axis] - 1, count)
        low = np.minimum(position.astype(int), values.shape[axis] - 2)
        part = (position - low).reshape([-1 if k == axis else 1 for k in range(3)])
        start = np.take(values, low, axis)
        values = start + (np.take(values, low + 1, axis) - start) * part
    return values


def _label_lattice(lattice: _Lattice, points, probability, sdf, distance) -> np.ndarray:
    """Label probability near the skin and the surface, on every third lattice point, upsampled."""
    axes = lattice.axes(DISTANCE_STEP)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    every = (slice(None, None, DISTANCE_STEP),) * 3
    wanted = (np.abs(sdf[every]) < FAR) | (np.abs(distance[every]) < 0.012)
    wanted = ndimage.binary_dilation(wanted, iterations=1)
    away, near = cKDTree(points).query(grid[wanted], 3)
    weight = 1.0 / (away**2 + 1e-6)
    values = np.zeros(wanted.shape)
    values[wanted] = (probability[near] * weight).sum(axis=1) / weight.sum(axis=1)
    return _upsample(values, lattice.shape)


def _close_border(phi: np.ndarray) -> None:
    for axis in range(3):
        view = np.moveaxis(phi, axis, 0)
        view[0] = view[-1] = FAR


def _thick_components(lattice: _Lattice, vertices, faces, distance, minimum: float):
    """Drop cavities, crumbs, and pieces that rise less than `minimum` (m) over the skin."""
    count = len(vertices)
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    links = coo_matrix((np.ones(len(start), np.int8), (start, end)), shape=(count, count))
    pieces, piece = connected_components(links, directed=False)
    height = lattice.interpolate(distance, vertices)
    positions = lattice.positions(vertices)
    keep = np.zeros(pieces, bool)
    for number in np.flatnonzero(np.bincount(piece, minlength=pieces) >= 150):
        own = faces[piece[faces[:, 0]] == number]
        tall = np.percentile(height[piece == number], 98) > minimum
        keep[number] = tall and signed_volume(positions, own) > 0.0
    faces = faces[keep[piece[faces[:, 0]]]]
    used = keep[piece]
    return vertices[used], (np.cumsum(used) - 1)[faces]
