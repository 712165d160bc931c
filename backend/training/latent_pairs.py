"""Training pairs of the denoiser: a head's latent, and what is known of that head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..conditions.conditions import Conditions
from ..conditions.measure import measure_attributes
from ..generator.generator import Generator
from ..latent.w_space import WSpace
from .dropout import Dropout
from .latents import sample_training_latents
from .pairs import Views
from .visual_pairs import visuals

_STATISTICS_SAMPLES = 10_000


@dataclass(frozen=True)
class Batch:
    """Conditions kept of B heads; for each head N rows of clean latents (B N, k, d), noise of that
    shape and times (B N,)."""

    clean: Tensor
    noise: Tensor
    t: Tensor
    conditions: Conditions


@torch.no_grad()
def draw_batch(
    generator: Generator,
    space: WSpace,
    count: int,
    rng: torch.Generator,
    views: Views | None = None,
    part: tuple[int, int] = (0, 1),
    noises: int = 1,
) -> Batch:
    """Draw heads with noise, times and conditions; the same `rng` gives the same batch.

    New heads with attributes alone, or, from a pool of `views`, heads with their photos too.
    Each head comes with `noises` draws of noise and time: its photo is encoded but once.
    part = (i, n) returns only every n-th head from i on, of the batch that one process would see.
    """
    device = generator.model.device
    own = slice(part[0], None, part[1])
    noise = torch.randn(count, noises, *space.shape, generator=rng)[own].flatten(0, 1)
    # one time in each of `draws` equal intervals: less noise in the loss than independent times
    draws = count * noises
    t = (torch.randperm(draws, generator=rng) + torch.rand(draws, generator=rng)) / draws
    t = t.view(count, noises)[own].flatten()
    dropout = Dropout.draw(count, rng, pictures=views is not None).select(own)
    if views is None:
        z, pictures = sample_training_latents(count, rng)[own], {}
    else:
        chosen = torch.randint(len(views), (count,), generator=rng)[own]
        seed = int(torch.randint(2**40, (), generator=rng)) + part[0]
        shown = views.select(chosen)
        z, pictures = shown.z, _pictures(shown, torch.Generator().manual_seed(seed))
    ws = generator.mapping(z.to(device))
    read = generator.readout(ws)
    measured = measure_attributes(read.betas, read.values, generator.model)
    pictures = {name: value.to(device) for name, value in pictures.items()}
    conditions = dropout.apply(Conditions(*measured, **pictures))
    clean = space.encode(ws).repeat_interleave(noises, 0)
    return Batch(clean, noise.to(device), t.to(device), conditions)


def _pictures(views: Views, rng: torch.Generator) -> dict[str, Tensor]:
    """Photos and label maps of views, each with holes of its own."""
    names = ("image", "image_mask", "labels", "labels_mask")
    return dict(zip(names, visuals(views, rng), strict=True))


@torch.no_grad()
def fit_space(generator: Generator, seed: int = 0) -> WSpace:
    """The latent space of a generator, its statistics from fresh heads."""
    rng = torch.Generator().manual_seed(seed)
    z = sample_training_latents(_STATISTICS_SAMPLES, rng).to(generator.model.device)
    ws = generator.mapping(z)
    read = generator.readout(ws)
    space = WSpace(generator.num_ws, generator.config.w_dim).to(z.device)
    return space.fit(ws[:, 0], read.betas, read.values)
