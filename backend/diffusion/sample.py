"""From conditions to style rows: several different heads that meet the same conditions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from ..conditions.conditions import Conditions
from ..conditions.contradictions import settle
from .guidance import Guidance, guided
from .model import LatentDiffusion
from .samplers import Callback, ddim, dpm_solver_2m, draw_noise, time_grid

Sampler = Literal["dpm", "ddim"]


@dataclass(frozen=True)
class SampleSettings:
    """How to sample: evaluations of the denoiser, seed of the first variant, how many variants,
    and the share of the noise to start from: less than 1 draws nearer to the average answer."""

    steps: int = 20
    seed: int = 0
    variants: int = 1
    guidance: Guidance = field(default_factory=Guidance)
    sampler: Sampler = "dpm"
    truncation: float = 1.0


@dataclass(frozen=True)
class Samples:
    """Heads found: latents (B, k, d), style rows ws (B, R, w_dim), and what contradicted what."""

    latents: Tensor
    ws: Tensor
    notes: list[str]


@torch.no_grad()
def sample(
    model: LatentDiffusion,
    conditions: Conditions,
    settings: SampleSettings,
    callback: Callback | None = None,
) -> Samples:
    """Heads for `conditions`, the variants of each in a row, all in one pass.

    callback(step, latents as now predicted) hears of progress; what it raises ends the work.
    """
    guidance = settings.guidance
    conditions, notes = settle(conditions, guidance.labels, guidance.attributes)
    latents = sample_latents(model, conditions, settings, callback)
    return Samples(latents, model.space.decode(latents), notes)


@torch.no_grad()
def sample_latents(
    model: LatentDiffusion,
    conditions: Conditions,
    settings: SampleSettings,
    callback: Callback | None = None,
) -> Tensor:
    """Latents (B variants, k, d) for conditions as they are, of whichever generator and table."""
    if settings.variants < 1:
        raise ValueError(f"expected at least 1 variant, given {settings.variants}")
    noise = draw_noise(settings.variants, model.space.shape, settings.seed)
    noise = noise.repeat(len(conditions), 1, 1)
    noise = settings.truncation * noise.to(conditions.attributes)
    predict = guided(model, conditions, settings.guidance)
    walk = {"dpm": dpm_solver_2m, "ddim": ddim}[settings.sampler]
    return walk(predict, noise, time_grid(settings.steps), callback)
