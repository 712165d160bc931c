"""What a label map and the colours under it say without any learning: where each class lies.

Sums over pixels, which a small network can turn into a face's proportions and colours far sooner
than convolutions find them; they hardly change between rendered pictures and photos.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

GRID = 8  # cells across in which shares of the classes are counted
_STATISTICS = 16  # numbers of each class
_LEAST = 1e-4  # of the picture: smaller classes count as absent


def layout_width(classes: int) -> int:
    """Length of `layout` for a number of classes."""
    return classes * (_STATISTICS + GRID**2)


def layout(image: Tensor, image_mask: Tensor, one_hot: Tensor, labels_mask: Tensor) -> Tensor:
    """Statistics (B, layout_width) of images (B, 3, S, S) sRGB 0..1, classes (B, C, S, S) and masks
    (B, 1, S, S): of every class whether and how much there is, its middle, spread and outline,
    mean colour, deviation of its brightness, and its share in each cell of a grid.

    Pixels under a mask have no part in it; what is not there is 0.
    """
    image = torch.where(image_mask > 0, image, 0.0)
    kept = one_hot * labels_mask
    places = _places(kept)
    colors = _colors(image, kept * image_mask)
    cells = F.adaptive_avg_pool2d(kept, GRID).flatten(2)
    return torch.cat([places, colors, cells], 2).flatten(1)


def _places(kept: Tensor) -> Tensor:
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


def _colors(image: Tensor, kept: Tensor) -> Tensor:
    """Presence, mean colour and deviation of the brightness of classes: (B, C, 5)."""
    bright = image.mean(1, keepdim=True)
    values = torch.cat([torch.ones_like(bright), image, bright * bright], 1)
    sums = torch.einsum("bcp,bfp->bcf", kept.flatten(2), values.flatten(2)) / kept[0, 0].numel()
    there = (sums[..., :1] > _LEAST).to(kept)
    means = sums[..., 1:] / sums[..., :1].clamp_min(_LEAST)
    color, square = means[..., :3], means[..., 3:]
    deviation = (square - color.mean(-1, keepdim=True) ** 2).clamp_min(0).sqrt()
    return torch.cat([there, 2 * color - 1, 4 * deviation], -1) * there
