"""Inverses of the scalar maps between attributes, quantiles and amounts."""

from __future__ import annotations

import torch
from torch import Tensor

from ..synthetic.latent import LATENT_LIMIT
from ..synthetic.smooth import smoothstep
from .table import AMOUNT_MAP


def inverse_smoothstep(y: Tensor) -> Tensor:
    """The t in 0..1 with t^2 (3 - 2 t) = y, for y in 0..1."""
    return 0.5 - torch.sin(torch.asin(1.0 - 2.0 * y.clamp(0, 1)) / 3.0)


def gaussian_of(quantile: Tensor) -> Tensor:
    """The Gaussian value at a quantile, within the limits that latents are held to."""
    safe = quantile.double().clamp(1e-6, 1 - 1e-6)
    return torch.special.ndtri(safe).clamp(-LATENT_LIMIT, LATENT_LIMIT).to(quantile)


def amount_of(shown: Tensor, attribute: str) -> Tensor:
    """The attribute 0..1 behind an amount shown = smoothstep(quantile, start, 1).

    The table reaches its full effect a little before the last quantile.
    """
    _, start, full = AMOUNT_MAP[attribute]
    quantile = start + (1.0 - start) * inverse_smoothstep(shown)
    return smoothstep(quantile, start, full)
