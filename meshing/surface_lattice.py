"""The lattice a surface is extracted on, and counted evaluation of a field at its points."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .field import Field

CHUNK = 1 << 18


class Lattice:
    """Points of a regular lattice over the bounds of a field.

    The longest side has `resolution` cells and the others as many as make the cells nearly cubic.
    Each axis is padded to a multiple of `block` cells with copies of its last coordinate, so that
    cells can be halved down to 1 whatever the resolution; the copies lie on the bounds.
    """

    def __init__(self, field: Field, resolution: int, block: int) -> None:
        self.field = field
        bounds = np.asarray(field.bounds, np.float64)
        extent = bounds[1] - bounds[0]
        if bounds.shape != (2, 3) or not np.isfinite(bounds).all() or not (extent > 0).all():
            raise ValueError(f"expected finite bounds (2, 3), least corner first, got {bounds}")
        cells = np.maximum(np.rint(resolution * extent / extent.max()), 1).astype(np.int64)
        self.cells = cells
        self.padded = -(-cells // block) * block
        self.origin = bounds[0]
        self.spacing = extent / cells
        self.axes = tuple(
            low + step * np.minimum(np.arange(padded + 1), count)
            for low, step, count, padded in zip(
                bounds[0], self.spacing, cells, self.padded, strict=True
            )
        )
        self.evaluated = 0

    def keys(self, index: np.ndarray) -> np.ndarray:
        """Number lattice points index (3, ...) with one int64 each."""
        return np.ravel_multi_index(tuple(index), tuple(self.padded + 1))

    def evaluate(self, keys: np.ndarray, progress: Callable[[], None] | None = None) -> np.ndarray:
        """Return the float32 distances (N,) at the points with the given keys, in metres."""
        values = np.empty(len(keys), np.float32)
        for start in range(0, len(keys), CHUNK):
            chunk = slice(start, start + CHUNK)
            index = np.stack(np.unravel_index(keys[chunk], tuple(self.padded + 1)), axis=-1)
            values[chunk] = self._distances(index)
            if progress is not None:
                progress()
        self.evaluated += len(keys)
        if not np.isfinite(values).all():
            raise ValueError("the field returned values that are not finite")
        return values

    def _distances(self, index: np.ndarray) -> np.ndarray:
        if hasattr(self.field, "sdf_lattice"):
            return self.field.sdf_lattice(self.axes, index)
        points = np.stack([axis[index[:, i]] for i, axis in enumerate(self.axes)], axis=-1)
        return self.field.sdf(points)
