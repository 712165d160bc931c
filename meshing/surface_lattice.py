"""The lattice a surface is extracted on, and the values of the field known at its points."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .field import Field

CHUNK = 1 << 18
# Values nearer to zero than this part of a step are moved there, so that every sign is known, no
# two vertices of a triangle coincide and the lattice edge of a vertex shows in its position.
LEAST_FRACTION = 1e-4


class Lattice:
    """A regular lattice over the bounds of a field, with the values evaluated so far.

    The longest side has `resolution` cells and the others as many as make the cells nearly cubic.
    Each axis is padded to a multiple of `block` cells with copies of its last coordinate, so that
    blocks can be halved down to 1 whatever the resolution; the copies lie on the bounds.

    Points are numbered by int64 keys. `values` (number of points,) float32 is 0 where nothing is
    known, infinite where only the sign has been assumed, and metres elsewhere. Pages of it that
    are never touched take no memory.
    """

    def __init__(
        self,
        field: Field,
        resolution: int,
        block: int,
        progress: Callable[[], None] | None = None,
    ) -> None:
        bounds = np.asarray(field.bounds, np.float64)
        if (
            bounds.shape != (2, 3)
            or not np.isfinite(bounds).all()
            or (bounds[0] >= bounds[1]).any()
        ):
            raise ValueError(f"expected finite bounds (2, 3), least corner first, got {bounds}")
        extent = bounds[1] - bounds[0]
        self.field = field
        self.progress = progress
        self.cells = np.maximum(np.rint(resolution * extent / extent.max()), 1).astype(np.int64)
        self.padded = -(-self.cells // block) * block
        self.shape = tuple(int(count) + 1 for count in self.padded)
        self.strides = np.array([self.shape[1] * self.shape[2], self.shape[2], 1])
        self.origin = bounds[0]
        self.spacing = extent / self.cells
        self.axes = tuple(
            self.origin[i] + self.spacing[i] * np.minimum(np.arange(self.shape[i]), self.cells[i])
            for i in range(3)
        )
        self.values = np.zeros(self.shape, np.float32).ravel()
        self.evaluated = 0

    def evaluate(self, keys: np.ndarray) -> None:
        """Make the values at the points with the given keys exact."""
        known = self.values[keys]
        keys = np.unique(keys[(known == 0) | np.isinf(known)])
        least = np.float32(LEAST_FRACTION * self.spacing.min())
        for start in range(0, len(keys), CHUNK):
            chunk = keys[start : start + CHUNK]
            distances = self._distances(np.stack(np.unravel_index(chunk, self.shape), axis=-1))
            if not np.isfinite(distances).all():
                raise ValueError("the field returned distances that are not finite")
            tiny = np.abs(distances) < least
            self.values[chunk] = np.where(tiny, np.copysign(least, distances), distances)
            if self.progress is not None:
                self.progress()
        self.evaluated += len(keys)

    def _distances(self, index: np.ndarray) -> np.ndarray:
        if hasattr(self.field, "sdf_lattice"):
            return self.field.sdf_lattice(self.axes, index)
        points = np.stack([axis[index[:, i]] for i, axis in enumerate(self.axes)], axis=-1)
        return self.field.sdf(points)
