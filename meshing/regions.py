"""Regions of the average head as soft functions of canonical position (metres)."""

from __future__ import annotations

import numpy as np

from .geometry import smoothstep

HEAD_AXIS_Y = 0.07
# The lowest place hair grows at, over |azimuth| (0 = front, pi = back); generous by design: what
# lies below is certainly hair hanging over skin.
GROWTH_AZIMUTH = (0.0, 0.3, 0.55, 0.85, 1.1, 1.3, 1.45, 1.57, 1.8, 2.0, 2.15, 2.35, 2.75, 3.15)
GROWTH_Z = (
    0.060, 0.060, 0.058, 0.044, 0.018, -0.018, -0.034, -0.022, -0.012, -0.015, -0.040, -0.068,
    -0.092, -0.098,
)  # fmt: skip
EYE_CENTRE_X = 0.0365
LID_HALF_SIZE = (0.026, 0.016)


def scalp_zone(canonical: np.ndarray) -> np.ndarray:
    """Return 0..1 (N,) where hair may grow out of the skin: scalp and sideburns, not ears."""
    x, y, z = canonical.T
    azimuth = np.abs(np.arctan2(x, HEAD_AXIS_Y - y))
    lowest = np.interp(azimuth, GROWTH_AZIMUTH, GROWTH_Z)
    grows = smoothstep(z - lowest, -0.003, 0.005)
    return grows * (1.0 - ear_zone(canonical))


def ear_zone(canonical: np.ndarray) -> np.ndarray:
    """Return 0..1 (N,) on the outer ears."""
    x, y, z = canonical.T
    side = smoothstep(np.abs(x), 0.079, 0.083)
    along = smoothstep(y, 0.050, 0.060) * (1.0 - smoothstep(y, 0.118, 0.128))
    return side * along * (1.0 - smoothstep(z, 0.012, 0.020))


def lid_zone(canonical: np.ndarray) -> np.ndarray:
    """Return 0..1 (N,) on the skin around both eye openings."""
    x, y, z = canonical.T
    across = ((np.abs(x) - EYE_CENTRE_X) / LID_HALF_SIZE[0]) ** 2 + (z / LID_HALF_SIZE[1]) ** 2
    return (1.0 - smoothstep(across, 0.7, 1.0)) * (y < 0.03)
