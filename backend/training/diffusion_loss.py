"""What the denoiser's training minimises, and what its log says of it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from ..diffusion.model import LatentDiffusion
from .heads import Batch

_TIME_BANDS = 4
_GUESS_WEIGHT = 0.5  # of what pictures say at once, beside the denoised latents


class TrainingLoss(nn.Module):
    """The model as a function to its loss, which is what several processes have to share."""

    def __init__(self, model: LatentDiffusion):
        super().__init__()
        self.model = model

    def forward(self, batches: list[Batch]) -> Tensor:
        """Squared errors of all rows of some batches, (sum of B N,), with what else is learned."""
        return torch.cat([self._loss(batch) for batch in batches])

    def _loss(self, batch: Batch) -> Tensor:
        """Squared errors (B N,) of one batch."""
        shown = batch.conditions.image is not None
        with torch.autocast(batch.clean.device.type, torch.bfloat16, enabled=shown):
            context = self.model.context(batch.conditions)
        known = replace(
            context,
            tokens=context.tokens.float(),
            mean=context.mean.detach(),
            narrowing=context.narrowing.detach(),
        )
        loss = self.model.loss(batch.clean, batch.noise, batch.t, known)
        if not shown:
            return loss
        noises = len(loss) // len(context)
        guess = self.model.guess_loss(batch.clean[::noises], context)
        return loss + _GUESS_WEIGHT * guess.repeat_interleave(noises)


def loss_report(losses: Tensor, t: Tensor) -> dict[str, float]:
    """Mean of losses (M,), and of each quarter of their times t (M,), from little noise (1) to
    much (4)."""
    report = {"loss": float(losses.mean())}
    band = (t * _TIME_BANDS).long().clamp(max=_TIME_BANDS - 1)
    for i in range(_TIME_BANDS):
        inside = losses[band == i]
        if len(inside):
            report[f"loss{i + 1}"] = float(inside.mean())
    return report
