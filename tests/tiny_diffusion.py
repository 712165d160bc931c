"""A small latent diffusion model with random weights, all of them at work."""

from __future__ import annotations

import torch
from torch import nn

from avatarmmc_blender.backend.conditions.conditions import Conditions, encode_attributes
from avatarmmc_blender.backend.diffusion.denoiser import DenoiserConfig
from avatarmmc_blender.backend.diffusion.model import LatentDiffusion
from avatarmmc_blender.backend.encoders.visual import Seen
from avatarmmc_blender.backend.generator.generator import Generator
from avatarmmc_blender.backend.latent.w_space import WSpace
from avatarmmc_blender.backend.training.latents import sample_training_latents

CONTEXT_WIDTH = 32
CONFIG = DenoiserConfig(width=32, multipliers=(1, 2), head_width=16, context_width=CONTEXT_WIDTH)


class TinyVisual(nn.Module):
    """Two tokens: mean colour and mean class of what is given, or null tokens; and a guess."""

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(4, CONTEXT_WIDTH)
        self.guess = nn.Linear(2 * CONTEXT_WIDTH, 2 * 256)
        self.null = nn.Parameter(torch.randn(1, 2, CONTEXT_WIDTH))

    def unseen(self, batch: int) -> Seen:
        nothing = torch.zeros(batch, 256)
        return Seen(self.null.expand(batch, -1, -1), nothing, nothing)

    def forward(self, conditions: Conditions) -> Seen:
        image, image_mask = conditions.image, conditions.image_mask
        labels, labels_mask = conditions.labels, conditions.labels_mask
        labels = None if labels is None else labels[:, None].float().expand(-1, 3, -1, -1) / 19
        tokens = []
        for i, (value, mask) in enumerate(((image, image_mask), (labels, labels_mask))):
            if value is None:
                tokens.append(self.null[:, i].expand(len(conditions), -1))
                continue
            features = torch.cat([(value * mask).mean((2, 3)), mask.mean((2, 3))], 1)
            given = mask.flatten(1).any(1)[:, None]
            tokens.append(torch.where(given, self.project(features), self.null[:, i]))
        tokens = torch.stack(tokens, 1)
        mean, narrowing = self.guess(tokens.flatten(1)).chunk(2, 1)
        return Seen(tokens, mean, -narrowing.abs())


def tiny_model(visual: bool = True) -> LatentDiffusion:
    """The model, in evaluation mode."""
    torch.manual_seed(0)
    model = LatentDiffusion(WSpace(19, 256), CONFIG, TinyVisual() if visual else None)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval().requires_grad_(False)


def fitted_model(generator: Generator) -> LatentDiffusion:
    """The tiny model with the statistics of a generator's latents."""
    with torch.no_grad():
        ws = generator.mapping(sample_training_latents(600, torch.Generator().manual_seed(0)))
        read = generator.readout(ws)
    model = tiny_model()
    model.space.fit(ws[:, 0], read.betas, read.values)
    return model


def some_conditions(batch: int = 2, size: int = 16) -> Conditions:
    """A photo, a label map and attributes for every head."""
    rng = torch.Generator().manual_seed(1)
    values, given = encode_attributes([{"age": 0.5, "hair_style": "bun", "glasses": "round"}])
    labels = torch.ones(1, size, size, dtype=torch.int64)
    labels[:, :5] = 13
    labels[:, 7, 4:7], labels[:, 7, 9:12] = 4, 5
    labels[:, 12, 6:10] = 12
    conditions = Conditions(
        values,
        given,
        torch.rand(1, 3, size, size, generator=rng),
        torch.ones(1, 1, size, size),
        labels,
        torch.ones(1, 1, size, size),
    )
    return conditions.repeat(batch)
