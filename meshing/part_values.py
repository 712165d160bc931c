"""The values of a head's analytic parts that meshing needs, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PartValues:
    """Values read off a head's latent for the parts that are not in its field.

    iris (3,) sRGB; iris_radius: angular radius in radians about the eyeball's centre; glass and
    ear: amounts 0..1 of glasses and earrings, present above one half; glass_shape 0 round..1
    square; lash: fullness of the eyelashes 0..1.
    """

    iris: np.ndarray
    iris_radius: float
    glass: float = 0.0
    glass_shape: float = 0.5
    ear: float = 0.0
    lash: float = 0.5

    @classmethod
    def of(cls, values: object) -> PartValues:
        """Return plain numbers of anything with the same attributes, arrays of one head."""
        return cls(
            iris=np.asarray(values.iris, np.float64).reshape(3),
            iris_radius=_number(values.iris_radius),
            glass=_number(values.glass),
            glass_shape=_number(values.glass_shape),
            ear=_number(values.ear),
            lash=_number(getattr(values, "lash", cls.lash)),
        )


def _number(value) -> float:
    return float(np.asarray(value).reshape(()))
