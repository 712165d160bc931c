"""Heads of the bundled generator for the denoiser's training, and what is known of them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..conditions.conditions import Conditions
from ..conditions.measure import measure_attributes
from ..conditions.table import ATTRIBUTES
from ..generator.generator import Generator
from ..generator.weights import load_bundled, weights_hash
from ..latent.w_space import WSpace
from .dropout import Dropout
from .heads import TOGETHER, Batch, HeldOut, Request
from .latents import sample_training_latents
from .pairs import Views, read_pool
from .visual_pairs import visuals

_STATISTICS_SAMPLES = 10_000


class GeneratedHeads:
    """New heads, or with pictures those of a pool of `views`; see `heads.Heads`."""

    table = ATTRIBUTES

    def __init__(self, generator: Generator, views: Views | None = None):
        self.generator, self.views = generator, views
        self._split = None if views is None else HeldOut.of(views.head)
        self.pictured = 0 if self._split is None else len(self._split.training)

    def to(self, device: torch.device) -> None:
        """Move the generator."""
        self.generator.to(device)

    def fit_space(self) -> WSpace:
        """W, its statistics from fresh heads."""
        return fit_space(self.generator)

    @torch.no_grad()
    def draw(self, space: WSpace, request: Request, rng: torch.Generator) -> Batch:
        """New heads with attributes alone, or heads of the pool with their photos too."""
        device, own = self.generator.model.device, request.own
        noise, t = request.noise_and_times(space.shape, rng)
        dropout = Dropout.draw(request.count, rng, request.pictures).select(own)
        if request.pictures:
            chosen = self._split.draw(request, rng)
            seeds = torch.randint(2**40, (request.count,), generator=rng)[own]
            shown = self.views.select(chosen)
            z, pictures = shown.z, _pictures(shown, seeds)
        else:
            z, pictures = sample_training_latents(request.count, rng)[own], {}
        ws = self.generator.mapping(z.to(device))
        read = self.generator.readout(ws)
        measured = measure_attributes(read.betas, read.values, self.generator.model)
        pictures = {name: value.to(device) for name, value in pictures.items()}
        conditions = dropout.apply(Conditions(*measured, **pictures))
        clean = space.encode(ws).repeat_interleave(request.noises, 0)
        return Batch(clean, noise.to(device), t.to(device), conditions)


def open_heads(weights: Path, pool: Path | None) -> tuple[GeneratedHeads, str]:
    """Heads of a weights file, with the pictures of a pool if given, and the file's hash."""
    views = None if pool is None else read_pool(pool)
    return GeneratedHeads(load_bundled(path=weights), views), weights_hash(weights)


def _pictures(views: Views, seeds: Tensor) -> dict[str, Tensor]:
    """Photos, label maps and landmarks of views (B), each with holes of its own, from seeds (B,).

    Photos are made in groups (one may stand in another's background), each from a seed of its
    own: so a photo is the same whichever process makes it.
    """
    parts = []
    for start in range(0, len(views), TOGETHER):
        rng = torch.Generator().manual_seed(int(seeds[start]))
        parts.append(visuals(views.select(slice(start, start + TOGETHER)), rng))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


@torch.no_grad()
def fit_space(generator: Generator, seed: int = 0) -> WSpace:
    """The latent space of a generator, its statistics from fresh heads."""
    rng = torch.Generator().manual_seed(seed)
    z = sample_training_latents(_STATISTICS_SAMPLES, rng).to(generator.model.device)
    ws = generator.mapping(z)
    read = generator.readout(ws)
    space = WSpace(generator.num_ws, generator.config.w_dim).to(z.device)
    return space.fit(ws[:, 0], read.betas, read.values)
