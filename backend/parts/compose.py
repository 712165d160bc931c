"""All parts of a head as one signed distance with colour and label."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..synthetic.labels import LABEL_INDEX
from .anchors import PartAnchors
from .earrings import COLOR as EARRING_COLOR
from .earrings import earring_distance
from .eyes import eye_distance, seen_eye_color
from .glasses import frame_color, glasses_distance
from .teeth import teeth
from .values import PartValues

_LABELS = tuple(LABEL_INDEX[name] for name in ("l_eye", "r_eye", "mouth", "eye_g", "ear_r"))


@dataclass(frozen=True)
class PartSample:
    """Nearest part: sdf (B, N) metres, color (B, N, 3) sRGB, label (B, N) int64."""

    sdf: Tensor
    color: Tensor
    label: Tensor


def part_distance(points: Tensor, anchors: PartAnchors, values: PartValues) -> Tensor:
    """Signed distance (B, N), metres, of points (B, N, 3) to the nearest part."""
    return _distances(points, anchors, values)[0].amin(0)


def sample_parts(
    points: Tensor, anchors: PartAnchors, values: PartValues, skin_distance: Tensor
) -> PartSample:
    """Parts at points (B, N, 3); skin_distance (B, N) to the lids shades the eyes beside them."""
    distances, teeth_color = _distances(points, anchors, values)
    sdf, part = distances.min(0)
    shape = points.shape
    colors = torch.stack(
        [
            seen_eye_color(points, anchors, values, skin_distance, 0),
            seen_eye_color(points, anchors, values, skin_distance, 1),
            teeth_color,
            frame_color(values)[:, None].expand(shape),
            points.new_tensor(EARRING_COLOR).expand(shape),
        ]
    )
    chosen = part[None, ..., None].expand(1, *shape)
    return PartSample(
        sdf=sdf,
        color=colors.gather(0, chosen)[0],
        label=torch.tensor(_LABELS, device=points.device)[part],
    )


def _distances(points: Tensor, anchors: PartAnchors, values: PartValues) -> tuple[Tensor, Tensor]:
    """Distances (5, B, N) in the order of `_LABELS`, and the colour (B, N, 3) of the teeth."""
    left, right = eye_distance(points, anchors, values).unbind(1)
    tooth, tooth_color = teeth(points, anchors)
    frame = glasses_distance(points, anchors, values)
    ball = earring_distance(points, anchors, values)
    return torch.stack([left, right, tooth, frame, ball]), tooth_color
