"""Glasses: two superellipse rims, a bridge and temples, as one smooth wire frame."""

from __future__ import annotations

import torch
from torch import Tensor

from ..synthetic.smooth import palette, smooth_min, smoothstep
from .anchors import PartAnchors
from .values import PartValues

WIRE_RADIUS = 0.0017
LENS_HALF_WIDTH = 0.0275
TEMPLE_START, TEMPLE_END = -0.022, 0.088
# Frame colour from round to square.
FRAME_STOPS = ((0.05, 0.045, 0.045), (0.22, 0.12, 0.07), (0.05, 0.05, 0.06), (0.62, 0.50, 0.30))


def frame_color(values: PartValues) -> Tensor:
    """Colour (B, 3) sRGB of the frames."""
    return palette(values.glass_shape, FRAME_STOPS)


def glasses_distance(points: Tensor, anchors: PartAnchors, values: PartValues) -> Tensor:
    """Signed distance (B, N), metres; a head without glasses keeps them 50 mm away."""
    left, right = anchors.eye_centre.unbind(1)
    middle = 0.5 * (left + right)
    lens_x = 0.51 * (left - right)[:, :1]
    plane_y = torch.minimum(
        anchors.bridge[:, 1] - 0.002, left[:, 1] - anchors.eye_radius[:, 0] - 0.011
    )
    x = (points[..., 0] - middle[:, :1]).abs()
    z = points[..., 2] - middle[:, 2:] + 0.002
    forward = points[..., 1] - plane_y[:, None] - 0.10 * (x - 0.02).clamp(min=0)
    square = values.glass_shape[:, None]
    rims = torch.hypot(_rim(x - lens_x, z, square), forward) - WIRE_RADIUS
    inner_edge = lens_x - LENS_HALF_WIDTH
    arch = torch.hypot(forward, z - 0.006 - 0.0025 * torch.cos(120 * x))
    bridge = torch.hypot(arch, (x - inner_edge).clamp(min=0)) - 0.0016
    frame = smooth_min(rims, bridge, 0.0015)
    frame = smooth_min(frame, _temple(x, points[..., 1], z, lens_x, anchors), 0.002)
    return frame + 0.05 * (1 - values.glass[:, None])


def _rim(x: Tensor, z: Tensor, square: Tensor) -> Tensor:
    """Distance-like value across a superellipse of exponent 2.3 (round) to 4.5 (square)."""
    half_height = 0.0215 + 0.004 * (1 - square)
    exponent = 2.3 + 2.2 * square
    across, up = (x / LENS_HALF_WIDTH).abs(), (z / half_height).abs()
    return ((across**exponent + up**exponent + 1e-9) ** (1 / exponent) - 1) * half_height


def _temple(x: Tensor, y: Tensor, z: Tensor, lens_x: Tensor, anchors: PartAnchors) -> Tensor:
    """The arms from the outer rim edge back to the ears, straight beside the head."""
    hinge = lens_x + LENS_HALF_WIDTH
    beside = torch.maximum(anchors.temple[:, None], hinge) + 0.002
    back = ((y + 0.02) / 0.105).clamp(0, 1)
    path = hinge + (beside - hinge) * smoothstep(back, 0, 0.55)
    arm = torch.hypot(x - path, z - 0.008) - WIRE_RADIUS
    return torch.maximum(arm, torch.maximum(TEMPLE_START - y, y - TEMPLE_END))
