"""Heads of an official Next3D for the denoiser's training, out of a pool made beforehand.

Latents are AvatarMMC's: all 73 styles, which follow exactly from the one style w of a head.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..conditions.celeba import CELEBA_ATTRIBUTES
from ..conditions.conditions import Conditions
from ..latent.next3d import next3d_space
from ..latent.style_space import StyleSpace
from .dropout import Dropout
from .heads import Batch, HeldOut, Request
from .next3d_model import Next3DModel, load_next3d
from .next3d_pool import Next3DPool
from .visual_masks import draw_masks

_STATISTICS_HEADS = 2000


class Next3DHeads:
    """Heads of a pool; see `heads.Heads`."""

    table = CELEBA_ATTRIBUTES

    def __init__(self, model: Next3DModel, pool: Next3DPool):
        self.model, self.pool = model, pool
        self._split = HeldOut.of(pool.head)
        self.pictured = len(self._split.training)

    def to(self, device: torch.device) -> None:
        """Move the generator."""
        self.model.generator.to(device)

    @torch.no_grad()
    def fit_space(self) -> StyleSpace:
        """The 73 styles, with statistics of heads from all over the pool."""
        step = -(-len(self.pool) // _STATISTICS_HEADS)
        generator = self.model.generator
        space = next3d_space(generator).to(self.model.device)
        ws = self.model.expand(self.pool.w[::step].to(self.model.device))
        return space.fit(space.pack(space.styles(generator, ws)))

    @torch.no_grad()
    def draw(self, space: StyleSpace, request: Request, rng: torch.Generator) -> Batch:
        """Heads of the pool, with attributes alone or with pictures and holes in them too."""
        device, generator = self.model.device, self.model.generator
        noise, t = request.noise_and_times(space.shape, rng)
        dropout = Dropout.draw(request.count, rng, request.pictures, len(self.table))
        chosen = self._split.draw(request, rng)
        seeds = torch.randint(2**40, (request.count,), generator=rng)[request.own]
        pictures = self._pictures(chosen, seeds) if request.pictures else {}
        attributes = self.pool.attributes[chosen]
        given = torch.ones_like(attributes, dtype=torch.bool)
        conditions = Conditions(attributes, given, **pictures).to(device)
        ws = self.model.expand(self.pool.w[chosen].to(device))
        clean = space.encode(space.styles(generator, ws)).repeat_interleave(request.noises, 0)
        kept = dropout.select(request.own).apply(conditions)
        return Batch(clean, noise.to(device), t.to(device), kept)

    def _pictures(self, chosen: Tensor, seeds: Tensor) -> dict[str, Tensor]:
        """Pictures and label maps of rows of the pool, each with holes of its own from `seeds`, so
        that they are the same whichever process draws them."""
        image, labels = self.pool.pictures(chosen)
        holes = [torch.Generator().manual_seed(seed) for seed in seeds.tolist()]
        return {
            "image": image,
            "image_mask": _masks(labels, holes),
            "labels": labels,
            "labels_mask": _masks(labels, holes),
        }


def _masks(labels: Tensor, holes: list[torch.Generator]) -> Tensor:
    """Masks (B, 1, S, S), 1 = kept, of label maps (B, S, S), each of its own random numbers."""
    drawn = [draw_masks(own[None], rng) for own, rng in zip(labels, holes, strict=True)]
    return torch.cat(drawn)


def open_heads(official: Path, pool: Path | None) -> tuple[Next3DHeads, str]:
    """Heads of a converted Next3D's folder, or its file, and the file's hash; they need a pool."""
    if pool is None:
        raise ValueError(
            "--official needs --pool, a folder of heads with their pictures: make one with "
            "`python -m backend.training.next3d_pairs`"
        )
    model = load_next3d(official)
    return Next3DHeads(model, Next3DPool(pool, model.sha256)), model.sha256
