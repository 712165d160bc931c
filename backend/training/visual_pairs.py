"""Photos and label maps of heads for the denoiser's training, out of views made beforehand."""

from __future__ import annotations

import torch
from torch import Tensor

from .pairs import Views
from .photo_augment import augment
from .visual_masks import draw_masks

Visuals = tuple[Tensor, Tensor, Tensor, Tensor]
_SHIFT = 0.3  # of the frame's jitter: the photo is framed by landmarks
_COARSE = ((0.3, 2), (0.12, 4))  # share of label maps, pixels a side of what they are painted in


def visuals(views: Views, rng: torch.Generator) -> Visuals:
    """Image (B, 3, S, S), its mask, labels (B, S, S) and their mask (B, 1, S, S), 1 = kept.

    Both are of one photo, masked each in its own way, as a user's photo and repainted map are.
    """
    photos = augment(views, rng, _SHIFT)
    image_mask = draw_masks(photos.label, rng)
    labels_mask = draw_masks(photos.label, rng)
    return photos.image, image_mask, _painted(photos.label, rng), labels_mask


def _painted(labels: Tensor, rng: torch.Generator) -> Tensor:
    """Label maps (B, S, S), some as coarse as people paint and networks see them."""
    draw = torch.rand(len(labels), 1, 1, generator=rng)
    for share, size in _COARSE:
        coarse = labels[:, size // 2 :: size, size // 2 :: size]
        coarse = coarse.repeat_interleave(size, 1).repeat_interleave(size, 2)
        labels = torch.where(draw < share, coarse, labels)
    return labels
