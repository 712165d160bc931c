"""Earrings: a small ball on each lobe."""

from __future__ import annotations

from torch import Tensor

from .anchors import PartAnchors
from .values import PartValues

RADIUS = 0.0042
OFFSET = (0.004, -0.002, -0.003)  # outwards, then y and z, from the lobe
COLOR = (0.85, 0.66, 0.32)


def earring_distance(points: Tensor, anchors: PartAnchors, values: PartValues) -> Tensor:
    """Signed distance (B, N), metres, to the nearer ball; without earrings it is 50 mm away."""
    offset = anchors.lobe.new_tensor(OFFSET).repeat(2, 1)
    offset[1, 0] *= -1
    centre = anchors.lobe + offset
    distance = (points[:, :, None] - centre[:, None]).norm(dim=-1).amin(-1)
    amount = values.ear[:, None]
    return distance - RADIUS * amount + 0.05 * (1 - amount)
