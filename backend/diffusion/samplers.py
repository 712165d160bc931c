"""Samplers: DDIM and DPM-Solver++(2M) as free functions of a predictor and the noise to start from.

Both are deterministic: the same noise, steps and predictor give the same latents.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .schedule import alpha_sigma, split_velocity

# x_t (B, k, d), times (B,) -> v (B, k, d)
Predictor = Callable[[Tensor, Tensor], Tensor]
# step from 0 and the clean latents (B, k, d) as now predicted; raising ends the work
Callback = Callable[[int, Tensor], None]
# x_t (B, k, d) and its time, changed before the next step
Adjust = Callable[[Tensor, float], Tensor]


def time_grid(steps: int, start: float = 1.0) -> list[float]:
    """Times of `steps` evaluations from `start` down, and 0 at the end.

    Denser towards both ends, along half a cosine: between even times, which leave the last steps
    too long, and even log signal-to-noise ratios, which spend too many there.
    """
    if steps < 1:
        raise ValueError(f"expected at least 1 step, given {steps}")
    if not 0.0 < start <= 1.0:
        raise ValueError(f"expected a start time above 0 and up to 1, given {start}")
    even = [1 - i / steps for i in range(steps + 1)]
    return [start * 0.5 * (1 - math.cos(math.pi * u)) for u in even]


def draw_noise(count: int, shape: tuple[int, int], seed: int, device="cpu") -> Tensor:
    """Noise (count, k, d) of a seed; head i has the same noise whatever the count."""
    heads = [torch.Generator().manual_seed(seed + i) for i in range(count)]
    return torch.stack([torch.randn(shape, generator=head) for head in heads]).to(device)


@torch.no_grad()
def ddim(
    predict: Predictor,
    x: Tensor,
    times: list[float],
    callback: Callback | None = None,
    adjust: Adjust | None = None,
) -> Tensor:
    """Denoise x (B, k, d) at times[0] along `times` (Song et al. 2021, eta = 0)."""
    for step, (now, then) in enumerate(zip(times[:-1], times[1:], strict=True)):
        clean, noise = split_velocity(x, predict(x, _batch(now, x)), _batch(now, x))
        if callback is not None:
            callback(step, clean)
        x = _move(clean, noise, then)
        if adjust is not None:
            x = adjust(x, then)
    return x


@torch.no_grad()
def dpm_solver_2m(
    predict: Predictor,
    x: Tensor,
    times: list[float],
    callback: Callback | None = None,
    adjust: Adjust | None = None,
) -> Tensor:
    """Denoise x (B, k, d) along `times` by DPM-Solver++(2M) (Lu et al. 2022, algorithm 2).

    The first step and the last one are of first order.
    """
    previous, previous_gap = None, 0.0
    for step, (now, then) in enumerate(zip(times[:-1], times[1:], strict=True)):
        clean, noise = split_velocity(x, predict(x, _batch(now, x)), _batch(now, x))
        if callback is not None:
            callback(step, clean)
        gap = _half_log_snr(then) - _half_log_snr(now)
        first_order = previous is None or then <= 0.0
        if first_order:
            x = _move(clean, noise, then)
        else:
            ratio = previous_gap / gap
            corrected = clean + (clean - previous) / (2 * ratio)
            x = _solver_step(x, corrected, now, then, gap)
        previous, previous_gap = clean, gap
        if adjust is not None:
            x = adjust(x, then)
    return x


def _batch(t: float, x: Tensor) -> Tensor:
    return x.new_full((len(x),), t)


def _move(clean: Tensor, noise: Tensor, then: float) -> Tensor:
    """x at time `then`, on the straight way of predicted x_0 and noise; x_0 itself at time 0."""
    if then <= 0.0:
        return clean
    alpha, sigma = alpha_sigma(_batch(then, clean))
    return alpha * clean + sigma * noise


def _solver_step(x: Tensor, clean: Tensor, now: float, then: float, gap: float) -> Tensor:
    _, sigma_now = alpha_sigma(_batch(now, x))
    alpha, sigma = alpha_sigma(_batch(then, x))
    return sigma / sigma_now * x - alpha * math.expm1(-gap) * clean


def _half_log_snr(t: float) -> float:
    """log(alpha / sigma) at time t."""
    alpha, sigma = (float(value) for value in alpha_sigma(torch.tensor([t], dtype=torch.float64)))
    return math.log(alpha / sigma)
