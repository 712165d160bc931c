"""Teeth and gums: two rows along a parabolic arch, in the frame of the average head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..synthetic.smooth import fall, mix, smooth_max, smoothstep, tint
from .anchors import PartAnchors

ENAMEL_COLOR = (0.94, 0.91, 0.845)
GUM_COLOR = (0.70, 0.40, 0.385)
BITE_DEPTH = 0.020  # metres from the cutting edge to the end of the gum


@dataclass(frozen=True)
class ToothRow:
    """One row, metres, sizes as in the head model's own teeth.

    The arch is y = front + curvature x^2, cut at half_width; the cutting edge lies at height
    `edge` and rises by rise tanh(arc x^2 / rise) towards the gum; upwards is +1 for the upper row;
    widths and heights are those of the crowns from the middle backwards.
    """

    front: float
    curvature: float
    half_width: float
    edge: float
    arc: float
    rise: float
    upwards: float
    widths: tuple[float, ...]
    heights: tuple[float, ...]


UPPER = ToothRow(
    front=-0.0262,
    curvature=16.5,
    half_width=0.0290,
    edge=-0.0885,
    arc=8.0,
    rise=0.0042,
    upwards=1.0,
    widths=(0.0100, 0.0079, 0.0091, 0.0083, 0.0081, 0.0114),
    heights=(0.0130, 0.0118, 0.0128, 0.0112, 0.0106, 0.0098),
)
LOWER = ToothRow(
    front=-0.0226,
    curvature=18.5,
    half_width=0.0265,
    edge=-0.0852,
    arc=1.7,
    rise=0.0009,
    upwards=-1.0,
    widths=(0.0065, 0.0072, 0.0083, 0.0084, 0.0086, 0.0120),
    heights=(0.0106, 0.0108, 0.0118, 0.0104, 0.0096, 0.0088),
)


def teeth(points: Tensor, anchors: PartAnchors) -> tuple[Tensor, Tensor]:
    """Signed distance (B, N), metres, and colour (B, N, 3) of both rows at points (B, N, 3)."""
    upper, upper_color = tooth_row(anchors.upper_teeth.to_rest(points), UPPER)
    lower, lower_color = tooth_row(anchors.lower_teeth.to_rest(points), LOWER)
    nearer = (upper < lower).unsqueeze(-1)
    return torch.minimum(upper, lower), torch.where(nearer, upper_color, lower_color)


def tooth_row(points: Tensor, row: ToothRow) -> tuple[Tensor, Tensor]:
    """Signed distance (..., ) and colour (..., 3) of a row at points (..., 3) of the rest frame."""
    x, y, z = points.unbind(-1)
    squared = x * x
    tangent = torch.sqrt(1 + (2 * row.curvature) ** 2 * squared)
    behind = (y - row.front - row.curvature * squared) / tangent
    rise = row.rise * torch.tanh(row.arc / row.rise * squared)
    height = (z - row.edge) * row.upwards - rise
    # Arc length of the parabola, to a few per cent.
    arc = x.abs() * torch.sqrt(1 + (1.15 * row.curvature) ** 2 * squared)
    tooth, across, crown = _tooth(arc, row)
    corner = across.abs() ** 4
    neck = crown - 0.0012 * corner - 0.002 * across * across
    gum = smoothstep(height - neck, -0.0008, 0.0012)
    thickness = 0.0030 - 0.0011 * corner * (1 - gum) + 0.0006 * gum
    slab = (behind - 0.0028).abs() - thickness
    ends = torch.maximum(0.0004 + 0.0010 * corner - height, height - BITE_DEPTH)
    distance = smooth_max(slab, ends, 0.0022)
    distance = smooth_max(distance, x.abs() - row.half_width, 0.004)
    color = mix(points.new_tensor(ENAMEL_COLOR).expand(points.shape), GUM_COLOR, gum)
    gap = 0.26 * smoothstep(across.abs(), 0.82, 1.0) * (1 - gum)
    color = tint(color, gap, (-0.8, -1.0, -1.05))
    color = tint(color, 0.045 * tooth * (1 - gum), (-0.9, -1.0, -1.15))
    color = tint(color, 0.40 * smoothstep(arc, 0.014, 0.042), (-0.85, -1.0, -1.0))
    translucent = 0.05 * fall(height, 0.0005, 0.0030)
    color = tint(color, translucent, (-1.2, -1.0, -0.6))
    return distance, tint(color, 0.25 * smoothstep(behind, 0.0, 0.004), (-0.9, -1.0, -1.0))


def _tooth(arc: Tensor, row: ToothRow) -> tuple[Tensor, Tensor, Tensor]:
    """Index from the middle, position -1..1 across the tooth, and crown height, each (...)."""
    widths = arc.new_tensor(row.widths)
    ends = widths.cumsum(0)
    index = torch.bucketize(arc.contiguous(), ends[:-1], right=True)
    across = (arc - ends[index]) / widths[index] * 2 + 1
    return index.to(arc.dtype), across.clamp(-1, 1), arc.new_tensor(row.heights)[index]
