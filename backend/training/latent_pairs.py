"""Training pairs of the denoiser: a head's latent, and what is measured on that head."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from ..conditions.conditions import Conditions
from ..conditions.measure import measure_attributes
from ..generator.generator import Generator
from ..latent.w_space import WSpace
from .dropout import drop_conditions
from .latents import sample_training_latents

_STATISTICS_SAMPLES = 10_000


class VisualPairs(Protocol):
    """Renders heads for their photos and label maps."""

    def draw(
        self, ws: Tensor, z: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Image, its mask, labels, their mask (see Conditions) of heads ws (B, R, W), z (B, D)."""
        ...


@dataclass(frozen=True)
class Batch:
    """Clean latents (B, k, d), noise of that shape, times (B,), and the conditions kept."""

    clean: Tensor
    noise: Tensor
    t: Tensor
    conditions: Conditions

    def share(self, rank: int, count: int) -> Batch:
        """Every `count`-th head from `rank` on: the part of one of several processes."""
        own = slice(rank, None, count)
        return Batch(self.clean[own], self.noise[own], self.t[own], self.conditions.select(own))


@torch.no_grad()
def draw_batch(
    generator: Generator,
    space: WSpace,
    count: int,
    rng: torch.Generator,
    visual: VisualPairs | None = None,
) -> Batch:
    """Draw `count` heads with noise, times and conditions; the same `rng` gives the same batch."""
    device = generator.model.device
    z = sample_training_latents(count, rng).to(device)
    ws = generator.mapping(z)
    read = generator.readout(ws)
    conditions = Conditions(*measure_attributes(read.betas, read.values, generator.model))
    noise = torch.randn(count, *space.shape, generator=rng).to(device)
    # one time in each of `count` equal intervals: less noise in the loss than independent times
    t = (torch.randperm(count, generator=rng) + torch.rand(count, generator=rng)) / count
    if visual is not None:
        image, image_mask, labels, labels_mask = visual.draw(ws, z, rng)
        conditions = replace(
            conditions,
            image=image,
            image_mask=image_mask,
            labels=labels,
            labels_mask=labels_mask,
        )
    return Batch(space.encode(ws), noise, t.to(device), drop_conditions(conditions, rng))


@torch.no_grad()
def fit_space(generator: Generator, seed: int = 0) -> WSpace:
    """The latent space of a generator, its statistics from fresh heads."""
    rng = torch.Generator().manual_seed(seed)
    z = sample_training_latents(_STATISTICS_SAMPLES, rng).to(generator.model.device)
    ws = generator.mapping(z)
    read = generator.readout(ws)
    space = WSpace(generator.num_ws, generator.config.w_dim).to(z.device)
    return space.fit(ws[:, 0], read.betas, read.values)
