"""Photos and label maps of heads for the denoiser's training, out of views made beforehand."""

from __future__ import annotations

import torch
from torch import Tensor

from .pairs import Views
from .photo_augment import augment
from .visual_masks import draw_masks

Visuals = tuple[Tensor, Tensor, Tensor, Tensor]
_SHIFT = 0.3  # of the frame's jitter: the photo is framed by landmarks


def visuals(views: Views, rng: torch.Generator) -> Visuals:
    """Image (B, 3, S, S), its mask, labels (B, S, S) and their mask (B, 1, S, S), 1 = kept.

    Both are of one photo, masked each in its own way, as a user's photo and repainted map are.
    """
    photos = augment(views, rng, _SHIFT)
    image_mask = draw_masks(photos.label, rng)
    return photos.image, image_mask, photos.label, draw_masks(photos.label, rng)
