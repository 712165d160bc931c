"""Cosine noise schedule in continuous time and the v-parametrisation.

x_t = alpha x_0 + sigma e with alpha = cos(a), sigma = sin(a) and an angle a linear in time (Nichol
and Dhariwal 2021); v = alpha e - sigma x_0 (Salimans and Ho 2022).  The angle keeps a little away
from both ends, so that the log signal-to-noise ratio stays within +-10.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LOG_SNR_LIMIT = 10.0
_FIRST_ANGLE = math.atan(math.exp(-0.5 * _LOG_SNR_LIMIT))
_LAST_ANGLE = math.atan(math.exp(0.5 * _LOG_SNR_LIMIT))


def alpha_sigma(t: Tensor) -> tuple[Tensor, Tensor]:
    """Share of signal and of noise at times t (B,) in 0..1, as (B, 1, 1) each."""
    angle = _FIRST_ANGLE + (_LAST_ANGLE - _FIRST_ANGLE) * t
    angle = angle[:, None, None]
    return torch.cos(angle), torch.sin(angle)


def diffuse(clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """x_t of x_0 (B, k, d) under noise (B, k, d)."""
    alpha, sigma = alpha_sigma(t)
    return alpha * clean + sigma * noise


def velocity(clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """What the denoiser learns to predict, v (B, k, d)."""
    alpha, sigma = alpha_sigma(t)
    return alpha * noise - sigma * clean


def split_velocity(x: Tensor, v: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """x_0 and noise that x_t and a predicted v (B, k, d) stand for."""
    alpha, sigma = alpha_sigma(t)
    return alpha * x - sigma * v, sigma * x + alpha * v
