"""What meshing needs to know about a head: a signed-distance field with colour and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class FieldSample:
    """Values of a field at N points.

    sdf (N,) metres, negative inside; color (N, 3) sRGB 0..1; labels (N, 20) probabilities of the
    classes; canonical (N, 3) metres, where the point lies on the average head.
    """

    sdf: np.ndarray
    color: np.ndarray
    labels: np.ndarray
    canonical: np.ndarray


class Field(Protocol):
    """A head as a function of space, in the model frame (metres).

    bounds (2, 3) are the least and greatest corner of the box the field is defined in. A field
    may offer `sdf_lattice(axes, index)` as well: axes are the coordinates (n,) of a lattice along
    x, y and z, index (N, 3) picks points of it, the result is what `sdf` returns there. A field
    read off feature planes can then resample them on the axes once and look up the rest.
    """

    bounds: np.ndarray

    def sdf(self, points: np.ndarray) -> np.ndarray:
        """Return signed distances (N,) in metres, negative inside, at points (N, 3)."""
        ...

    def sample(self, points: np.ndarray) -> FieldSample:
        """Return everything the field knows at points (N, 3)."""
        ...
