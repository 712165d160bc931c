"""Learning rates over a run, and the moving average of its weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_LAST = 0.02  # of the rate is left at the end


def cosine_rate(rate: float, step: int, steps: int, warm_up: int, constant: float = 0.0) -> float:
    """Rate at a step: warm-up, full for a share `constant` of the run, then cosine to 2 %."""
    late = max(0.0, (min(1.0, step / steps) - constant) / (1 - constant))
    decay = _LAST + (1 - _LAST) * 0.5 * (1 + math.cos(math.pi * late))
    return rate * min(1.0, (step + 1) / warm_up) * decay


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of an optimiser its rate: `scale` times this one, where it has a scale."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)


def start_average(module: nn.Module) -> dict[str, Tensor]:
    """A moving average that begins with a module's state."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


@torch.no_grad()
def update_average(average: dict[str, Tensor], module: nn.Module, kept: float) -> None:
    """Move an average towards a module's state, keeping a share of what it was."""
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - kept)
        else:
            average[name].copy_(value)
