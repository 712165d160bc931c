"""Fixed curves on the canonical head: lid margins, lip outline, brow line, hairline.

All coordinates are canonical positions in metres (x = subject's left, -y = forward, z = up);
`ax` is |x|. The lid opening was measured on the average head by ray casting.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .smooth import gauss, polyline

MOUTH_HALF_WIDTH = 0.0295
LIP_LINE_Z = -0.0826
BROW_INNER = 0.0125
BROW_LENGTH = 0.0470

# Height of the hairline over the azimuth (0 = front, pi = back of the head). It runs down the
# temple to the point of the sideburn at 1.45; from there to the nape it lies under the ear, and
# `ear_clearance` carves the round border around the ear.
HAIRLINE_AZIMUTH = (
    0.0, 0.3, 0.55, 0.72, 0.85, 1.0, 1.12, 1.22, 1.30, 1.38, 1.46, 1.56, 2.0, 2.2, 2.5, 3.15,
)  # fmt: skip
HAIRLINE_Z = (
    0.0800, 0.0802, 0.0785, 0.0725, 0.0640, 0.0510, 0.0365, 0.0220, 0.0090, -0.0080, -0.0240,
    -0.0300, -0.0450, -0.0570, -0.0680, -0.0760,
)  # fmt: skip
EAR_CENTER = (0.0940, -0.0220)
EAR_RADII = (0.0285, 0.0420)
HEAD_AXIS_Y = 0.07


def lid_u(ax: Tensor) -> Tensor:
    """Return the coordinate along the lid opening: -1 inner corner, 1 outer corner."""
    return (ax - 0.0376) / 0.0130


def lid_upper(u: Tensor) -> Tensor:
    """Return the height z (m) of the upper lid margin at lid coordinate `u`."""
    return 0.0030 - 0.0042 * u * u + 0.0006 * u


def lid_lower(u: Tensor) -> Tensor:
    """Return the height z (m) of the lower lid margin at lid coordinate `u`."""
    return -0.0068 + 0.0033 * u * u + 0.0009 * u


def lip_outline(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return r (0 centre, 1 corner) and the heights of lip line, upper and lower outline (m)."""
    r = (x.abs() / MOUTH_HALF_WIDTH).clamp(0.0, 1.0)
    middle = LIP_LINE_Z + 0.0014 * r * r
    upper = middle + 0.0122 * (1.0 - r**1.7) ** 0.8 - 0.0017 * gauss(x, 0.0036)
    lower = middle - 0.0165 * (1.0 - r**2.2) ** 0.85
    return r, middle, upper, lower


def brow_q(ax: Tensor) -> Tensor:
    """Return the coordinate along the brow: 0 inner end, 1 tail (not clamped)."""
    return (ax - BROW_INNER) / BROW_LENGTH


def brow_center(q: Tensor, arch: float | Tensor = 0.0055, slope: float | Tensor = 0.0) -> Tensor:
    """Return the height z (m) of the brow's middle at brow coordinate `q`."""
    inside = q.clamp(0.0, 1.0)
    tail = ((q - 0.7) / 0.35).clamp(0.0, 1.0)
    drop = 0.0035 * tail * tail * (3.0 - 2.0 * tail)
    bow = torch.sin(inside**1.15 * (0.80 * torch.pi))
    return 0.0188 + slope * (4.0 * inside - 2.0) + arch * bow - drop


def azimuth(x: Tensor, y: Tensor) -> Tensor:
    """Return |azimuth| about the head's vertical axis in radians: 0 front, pi back."""
    return torch.atan2(x, HEAD_AXIS_Y - y).abs()


def hairline(az: Tensor) -> Tensor:
    """Return the height z (m) of the average hairline at azimuth `az` (radians, >= 0)."""
    return polyline(az, HAIRLINE_AZIMUTH, HAIRLINE_Z)


def ear_clearance(ax: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Return the distance (m, about) to an ellipse round the ear, negative on the ear."""
    u = (y - EAR_CENTER[0]) / EAR_RADII[0]
    v = (z - EAR_CENTER[1]) / EAR_RADII[1]
    distance = 0.034 * (torch.sqrt(u * u + v * v + 1e-8) - 1.0)
    # The ellipse is a cylinder along x: it counts on the sides of the head only.
    return distance + 0.2 * (0.066 - ax).clamp(min=0.0)
