"""Latents by optimisation: the baseline from the mean head, and refinement of a given head.

Each step draws the head and follows the losses' gradient (Adam).  What pixels see is found anew
every few steps, and made up for in between.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..diffusion.samplers import draw_noise
from ..generator.fast_images import FastImages
from ..head_model.arkit import EXPRESSIONS
from ..latent.w_space import WSpace
from ..perception.network import FaceNetwork
from .losses import Losses, LossWeights, Target
from .picture import draw
from .visible import find_visible

log = logging.getLogger("avatarmmc.optimise")

# step from 0, latent (1, k, d) as it is now, losses by name; raising ends the work
Progress = Callable[[int, Tensor, dict[str, float]], None]


@dataclass(frozen=True)
class Search:
    """How latents are searched: `size` pixels a side are compared, what they see is found anew
    every `refresh` steps, the rate falls to a tenth of itself."""

    steps: int = 400
    rate: float = 0.06
    size: int = 64
    refresh: int = 8

    def __post_init__(self) -> None:
        if self.steps < 1 or self.refresh < 1:
            raise ValueError(
                f"expected at least 1 step and 1 step between refreshes, given {self.steps} "
                f"and {self.refresh}"
            )


class SearchError(ValueError):
    """A search that has lost its direction: its losses have no finite gradient."""


_LOST = 5  # steps in a row without a finite gradient that end a search
_SPREAD = 0.5  # deviations from the mean of random starts
REFINEMENT = Search(steps=60, rate=0.02, refresh=6)
# a refined head may differ from the one it was: the pull is to that head, not to the mean
_REFINEMENT_WEIGHTS = LossWeights(prior=1e-3)


def optimise(
    images: FastImages,
    space: WSpace,
    target: Target,
    network: FaceNetwork | None = None,
    search: Search | None = None,
    seed: int = 0,
    expression: Tensor | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Latent (1, k, d) of a head that meets a target, searched from the mean head.

    Other seeds than 0 start from a random head near it; the prior stays that of the mean.
    """
    device = images.generator.model.device
    centre = torch.zeros(1, *space.shape, device=device)
    start = centre if seed == 0 else _SPREAD * draw_noise(1, space.shape, seed, device)
    return search_latent(
        images, space, target, start, search or Search(), LossWeights(), network, expression,
        progress, centre,
    )  # fmt: skip


def personalise(
    images: FastImages,
    space: WSpace,
    latent: Tensor,
    target: Target,
    network: FaceNetwork | None = None,
    search: Search = REFINEMENT,
    expression: Tensor | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """A latent (1, k, d) drawn nearer to its photo by a short search from where it is."""
    if tuple(latent.shape) != (1, *space.shape):
        raise ValueError(f"expected a latent (1, k, d) of one head, given {tuple(latent.shape)}")
    return search_latent(
        images, space, target, latent, search, _REFINEMENT_WEIGHTS, network, expression, progress
    )


def search_latent(
    images: FastImages,
    space: WSpace,
    target: Target,
    start: Tensor,
    search: Search,
    weights: LossWeights,
    network: FaceNetwork | None = None,
    expression: Tensor | None = None,
    progress: Progress | None = None,
    centre: Tensor | None = None,
) -> Tensor:
    """Follow the losses of a target from latent `start` (1, k, d); the prior pulls to `centre`, to
    the start by default.

    A step whose gradient is not finite is left out and logged; raises SearchError when that does
    not end.
    """
    centre = start if centre is None else centre
    generator = images.generator
    if expression is None:
        expression = start.new_zeros(1, len(EXPRESSIONS))
    losses = Losses(target, generator, weights, search.size, network)
    latent = start.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([latent], lr=search.rate, betas=(0.9, 0.99))
    visible, lost = None, 0
    with torch.enable_grad():
        for step in range(search.steps):
            ws = space.decode(latent)
            read = generator.readout(ws)
            picture = None
            if losses.needs_picture:
                if step % search.refresh == 0:
                    visible = find_visible(images, ws, expression, target.camera, search.size)
                picture = draw(generator, ws, read, expression, visible)
            found = losses(latent, centre, read, picture)
            if progress is not None:
                named = {name: float(value.detach()) for name, value in found.items()}
                progress(step, latent.detach().clone(), named)
            optimizer.param_groups[0]["lr"] = _rate(search, step)
            optimizer.zero_grad(set_to_none=True)
            sum(found.values()).backward()
            if bool(latent.grad.isfinite().all()):
                optimizer.step()
                lost = 0
                continue
            lost += 1
            log.warning("step %d of the search has no finite gradient; left out", step)
            if lost == _LOST:
                odd = [name for name, value in found.items() if not bool(value.isfinite())]
                raise SearchError(
                    f"the search has had no finite gradient since step {step + 1 - _LOST} "
                    f"({', '.join(odd) or 'all losses are finite'}); check that photo, map and "
                    "latent hold finite numbers"
                )
    return latent.detach()


def _rate(search: Search, step: int) -> float:
    falling = 0.5 * (1 + math.cos(math.pi * step / search.steps))
    return search.rate * (0.1 + 0.9 * falling)
