"""Photos and label maps of heads for the denoiser's training, out of views made beforehand."""

from __future__ import annotations

import torch
from torch import Tensor

from .pairs import Views
from .photo_augment import augment
from .visual_masks import draw_masks

_NAMES = ("image", "image_mask", "labels", "labels_mask", "landmarks")
_SHIFT = 0.3  # of the frame's jitter: the photo is framed by landmarks
_MISREAD = 0.012  # of the side: deviation of landmarks that are read badly
_COARSE = ((0.3, 2), (0.12, 4))  # share of label maps, pixels a side of what they are painted in


def visuals(views: Views, rng: torch.Generator) -> dict[str, Tensor]:
    """Image (B, 3, S, S), its mask, labels (B, S, S), their mask (B, 1, S, S), 1 = kept, and
    landmarks (B, 68, 2), by their names in `Conditions`.

    All are of one photo, masked each in its own way, as a user's photo and repainted map are.
    """
    photos = augment(views, rng, _SHIFT)
    image_mask = draw_masks(photos.label, rng)
    labels_mask = draw_masks(photos.label, rng)
    labels, landmarks = _painted(photos.label, rng), _read(photos.landmarks, rng)
    values = (photos.image, image_mask, labels, labels_mask, landmarks)
    return dict(zip(_NAMES, values, strict=True))


def _read(landmarks: Tensor, rng: torch.Generator) -> Tensor:
    """Landmarks (B, 68, 2) as a network reads them: each a little off, and all together."""
    batch = len(landmarks)
    amount = _MISREAD * torch.rand(batch, 1, 1, generator=rng)
    each = torch.randn(landmarks.shape, generator=rng)
    return landmarks + amount * (each + torch.randn(batch, 1, 2, generator=rng))


def _painted(labels: Tensor, rng: torch.Generator) -> Tensor:
    """Label maps (B, S, S), some as coarse as people paint and networks see them."""
    draw = torch.rand(len(labels), 1, 1, generator=rng)
    for share, size in _COARSE:
        coarse = labels[:, size // 2 :: size, size // 2 :: size]
        coarse = coarse.repeat_interleave(size, 1).repeat_interleave(size, 2)
        labels = torch.where(draw < share, coarse, labels)
    return labels
