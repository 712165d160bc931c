"""What pictures say without any learning: where each class and each landmark lies.

Sums over pixels and places, which a linear map turns into a good part of a head's proportions and
colours, far sooner than convolutions find them; they hardly change between renders and photos.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

GRID = 8  # cells across in which shares of the classes are counted
NUM_LANDMARKS = 68
PLACES, _COLOR = 11, 5  # numbers of each class
_LEAST = 1e-4  # of the picture: smaller classes count as absent


def layout_width(classes: int) -> int:
    """Length of `layout` for a number of classes."""
    return classes * (PLACES + GRID**2 + _COLOR) + 2 * NUM_LANDMARKS


def layout(
    image: Tensor,
    image_mask: Tensor,
    one_hot: Tensor,
    labels_mask: Tensor,
    landmarks: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Statistics (B, layout_width) of pictures, and which of them are known, likewise, 0 or 1.

    From images (B, 3, S, S) sRGB 0..1, classes (B, C, S, S), masks (B, 1, S, S) and landmarks
    (B, 68, 2) in units of the side.  Of every class: whether and how much there is, its middle,
    spread and outline, its share in each cell of a grid, mean colour and deviation of its
    brightness; then the landmarks.  Pixels and landmarks under a mask have no part in it.
    """
    image = torch.where(image_mask > 0, image, 0.0)
    kept = one_hot * labels_mask
    places = torch.cat([class_places(kept), F.adaptive_avg_pool2d(kept, GRID).flatten(2)], 2)
    colors, colored = _colors(image, kept * image_mask)
    points, shown = _points(landmarks, image_mask)
    mapped = (labels_mask.flatten(1).amax(1) > 0).to(image)[:, None, None]
    known = [mapped.expand_as(places), colored.expand_as(colors), shown]
    parts = [places, colors, points]
    return tuple(torch.cat([p.flatten(1) for p in each], 1) for each in (parts, known))


def _points(landmarks: Tensor | None, image_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Landmarks about the picture's middle and whether their places are given: (B, 68, 2) both."""
    if landmarks is None:
        nothing = image_mask.new_zeros(len(image_mask), NUM_LANDMARKS, 2)
        return nothing, nothing
    size = image_mask.shape[-1]
    x, y = (landmarks * size).long().clamp(0, size - 1).unbind(-1)
    inside = ((landmarks > 0) & (landmarks < 1)).all(-1)
    shown = inside & (image_mask[:, 0].flatten(1).gather(1, y * size + x) > 0)
    shown = shown[..., None].to(image_mask)
    return (landmarks - 0.5) * shown, shown.expand(-1, -1, 2)


def class_places(kept: Tensor) -> Tensor:
    """Presence, size, middle, covariance and outline of classes (B, C, S, S): (B, C, 11)."""
    size = kept.shape[-1]
    line = (torch.arange(size, device=kept.device, dtype=kept.dtype) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    terms = torch.stack([torch.ones_like(x), x, y, x * x, y * y, x * y])
    sums = torch.einsum("bcp,fp->bcf", kept.flatten(2), terms.flatten(1)) / size**2
    there = (sums[..., :1] > _LEAST).to(kept)
    mean_x, mean_y, xx, yy, xy = (sums[..., 1:] / sums[..., :1].clamp_min(_LEAST)).unbind(-1)
    spread = [(xx - mean_x**2).clamp_min(0).sqrt(), (yy - mean_y**2).clamp_min(0).sqrt()]
    rows = [there[..., 0], sums[..., 0].sqrt(), mean_x, mean_y, *spread, xy - mean_x * mean_y]
    for axis in (2, 3):
        touched = kept.amax(axis) > 0
        rows.append(torch.where(touched, line, 1.0).amin(-1))
        rows.append(torch.where(touched, line, -1.0).amax(-1))
    return torch.stack(rows, -1) * there


def _colors(image: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Presence, mean colour and deviation of the brightness of classes (B, C, 5), and of which
    classes there is a colour (B, C, 1)."""
    bright = image.mean(1, keepdim=True)
    values = torch.cat([torch.ones_like(bright), image, bright * bright], 1)
    sums = torch.einsum("bcp,bfp->bcf", kept.flatten(2), values.flatten(2)) / kept[0, 0].numel()
    there = (sums[..., :1] > _LEAST).to(kept)
    means = sums[..., 1:] / sums[..., :1].clamp_min(_LEAST)
    color, square = means[..., :3], means[..., 3:]
    deviation = (square - color.mean(-1, keepdim=True) ** 2).clamp_min(0).sqrt()
    return torch.cat([there, 2 * color - 1, 4 * deviation], -1) * there, there
