"""Photos and label maps of heads for the denoiser's training, drawn on the fly or from a pool."""

from __future__ import annotations

import torch
from torch import Tensor

from ..generator.fast_images import FastImages
from ..synthetic.expressions import sample_expressions
from .pairs import Views, draw_view
from .photo_augment import augment
from .visual_masks import draw_masks

Visuals = tuple[Tensor, Tensor, Tensor, Tensor]
_EXPRESSION = 0.6  # of the full strength: photos for a likeness are calm
_SHIFT = 0.3  # of the frame's jitter: the photo is framed by landmarks


def visuals(views: Views, rng: torch.Generator) -> Visuals:
    """Image (B, 3, S, S), its mask, labels (B, S, S) and their mask (B, 1, S, S), 1 = kept.

    Both are of one photo, masked each in its own way, as a user's photo and repainted map are.
    """
    photos = augment(views, rng, _SHIFT)
    image_mask = draw_masks(photos.label, rng)
    return photos.image, image_mask, photos.label, draw_masks(photos.label, rng)


class RenderedPairs:
    """Renders every head anew: 0.2 s each on one core."""

    def __init__(self, images: FastImages):
        self.images = images

    def draw(self, ws: Tensor, z: Tensor, rng: torch.Generator) -> Visuals:
        """Photos and maps of heads ws (B, R, W) of z (B, 104), on their device."""
        rows = []
        for number in range(len(z)):
            seed = int(torch.randint(2**31, (1,), generator=rng))
            expression = _EXPRESSION * sample_expressions(1, seed)
            own = slice(number, number + 1)
            rows.append(draw_view(self.images, ws[own], z[own], expression, number, rng))
        image, image_mask, labels, labels_mask = visuals(Views.join(rows), rng)
        return tuple(v.to(ws.device) for v in (image, image_mask, labels, labels_mask))


class PooledPairs:
    """Draws heads from a pool made beforehand; only the photo's looks are drawn anew."""

    def __init__(self, pool: Views):
        self.pool = pool

    def draw_heads(self, count: int, rng: torch.Generator) -> tuple[Tensor, Visuals]:
        """Latents z (B, 104) of `count` views, and their photos and maps."""
        views = self.pool.select(torch.randint(len(self.pool), (count,), generator=rng))
        return views.z, visuals(views, rng)
