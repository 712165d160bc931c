"""Teeth and gums: two rows along a parabolic arch, in the frame of the average head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..synthetic.smooth import fall, mix, smooth_max, smoothstep, tint
from .anchors import PartAnchors

# Arc length (m) at which each tooth of one side ends, and the heights (m) of the crowns.
TOOTH_ENDS = (0.0098, 0.0175, 0.0262, 0.0345, 0.0430, 0.0540)
CROWN_HEIGHTS = (0.0130, 0.0121, 0.0128, 0.0115, 0.0110, 0.0105)
ARCH_CURVATURE = 16.0  # 1/m: the arch is y = front + 16 x^2
ARCH_HALF_WIDTH = 0.0265
SMILE_ARC = 8.0  # 1/m: the cutting edge rises by 8 x^2 towards the corners
ENAMEL_COLOR = (0.94, 0.91, 0.845)
GUM_COLOR = (0.70, 0.40, 0.385)


@dataclass(frozen=True)
class ToothRow:
    """One row: front (y, m), cutting edge (z, m), +1 crowns upwards or -1 down, and its scales."""

    front: float
    edge: float
    upwards: float
    narrowing: float
    crown_scale: float


UPPER = ToothRow(front=-0.0264, edge=-0.0891, upwards=1.0, narrowing=1.0, crown_scale=1.0)
LOWER = ToothRow(front=-0.0238, edge=-0.0855, upwards=-1.0, narrowing=1.18, crown_scale=0.82)


def teeth(points: Tensor, anchors: PartAnchors) -> tuple[Tensor, Tensor]:
    """Signed distance (B, N), metres, and colour (B, N, 3) of both rows at points (B, N, 3)."""
    upper, upper_color = tooth_row(anchors.upper_teeth.to_rest(points), UPPER)
    lower, lower_color = tooth_row(anchors.lower_teeth.to_rest(points), LOWER)
    nearer = (upper < lower).unsqueeze(-1)
    return torch.minimum(upper, lower), torch.where(nearer, upper_color, lower_color)


def tooth_row(points: Tensor, row: ToothRow) -> tuple[Tensor, Tensor]:
    """Signed distance (..., ) and colour (..., 3) of a row at points (..., 3) of the rest frame."""
    x, y, z = points.unbind(-1)
    side = x.abs()
    tangent = torch.sqrt(1 + (2 * ARCH_CURVATURE * x) ** 2)
    behind = (y - row.front - ARCH_CURVATURE * x * x) / tangent
    height = (z - row.edge - SMILE_ARC * x * x) * row.upwards
    arc = side * torch.sqrt(1 + (1.15 * ARCH_CURVATURE * x) ** 2) * row.narrowing
    tooth, across, crown = _tooth(arc)
    corner = across.abs() ** 4
    neck = crown * row.crown_scale - 0.0012 * corner - 0.002 * across * across
    gum = smoothstep(height - neck, -0.0008, 0.0012)
    thickness = 0.0030 - 0.0011 * corner * (1 - gum) + 0.0006 * gum
    slab = (behind - 0.0028).abs() - thickness
    ends = torch.maximum(0.0004 + 0.0010 * corner - height, height - 0.020)
    distance = smooth_max(slab, ends, 0.0022)
    distance = smooth_max(distance, side - ARCH_HALF_WIDTH, 0.004)
    color = mix(points.new_tensor(ENAMEL_COLOR).expand(points.shape), GUM_COLOR, gum)
    gap = 0.26 * smoothstep(across.abs(), 0.82, 1.0) * (1 - gum)
    color = tint(color, gap, (-0.8, -1.0, -1.05))
    color = tint(color, 0.045 * tooth * (1 - gum), (-0.9, -1.0, -1.15))
    color = tint(color, 0.40 * smoothstep(arc, 0.014, 0.042), (-0.85, -1.0, -1.0))
    translucent = 0.05 * fall(height, 0.0005, 0.0030)
    color = tint(color, translucent, (-1.2, -1.0, -0.6))
    return distance, tint(color, 0.25 * smoothstep(behind, 0.0, 0.004), (-0.9, -1.0, -1.0))


def _tooth(arc: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Index from the middle, position -1..1 across the tooth, and crown height, each (...)."""
    ends = arc.new_tensor(TOOTH_ENDS)
    starts = arc.new_tensor((0.0, *TOOTH_ENDS[:-1]))
    index = torch.bucketize(arc.contiguous(), ends[:-1], right=True)
    across = (arc - starts[index]) / (ends - starts)[index] * 2 - 1
    return index.to(arc.dtype), across.clamp(-1, 1), arc.new_tensor(CROWN_HEIGHTS)[index]
