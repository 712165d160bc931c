"""The values of a head that its parts need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from torch import Tensor


@dataclass(frozen=True)
class PartValues:
    """Values of B heads, (B,) each but iris (B, 3).

    iris: sRGB colour; iris_radius: radians at the eyeball's centre; glass, ear: amounts 0..1 of
    glasses and earrings; glass_shape: 0 round to 1 square; lash: fullness of the lashes 0..1.
    """

    iris: Tensor
    iris_radius: Tensor
    glass: Tensor
    glass_shape: Tensor
    ear: Tensor
    lash: Tensor

    @classmethod
    def collect(cls, value: Callable[[str], Tensor]) -> PartValues:
        """Build from a function that returns the value of a name."""
        return cls(**{field.name: value(field.name) for field in fields(cls)})

    def select(self, index: Tensor | slice) -> PartValues:
        """The values of the heads picked by `index` along the batch."""
        return PartValues.collect(lambda name: getattr(self, name)[index])
