"""Cheap smooth noise with fixed phase."""

from __future__ import annotations

import torch
from torch import Tensor


def noise(p: Tensor, phase: float, frequency: float) -> Tensor:
    """Return smooth noise in about [-1, 1] at points `p` (..., 3) in metres; shape (...).

    A sum of three frequency-modulated sines; `frequency` is angular, in rad/m, and `phase` picks
    the pattern. The phase is a constant of the feature: latents change amplitudes only, so that a
    network can learn the pattern once.
    """
    x, y, z = p.unbind(-1)
    return noise_xyz(x, y, z, phase, frequency)


def noise_xyz(x: Tensor, y: Tensor, z: Tensor, phase: float, frequency: float) -> Tensor:
    """Return the same noise as `noise` from separate coordinates (...), in metres."""
    f = frequency
    a = torch.sin(f * x + 1.7 * torch.sin(0.6 * f * z + phase) + phase)
    b = torch.sin(1.13 * f * y + 1.3 * torch.sin(0.7 * f * x + 2.0 * phase))
    c = torch.sin(0.9 * f * z + 1.9 * torch.sin(0.5 * f * y - phase))
    return (a + b + c) * (1.0 / 3.0)
