"""Small smooth functions of tensors shared by all synthetic features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def smoothstep(x: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
    """Return the cubic ramp that is 0 at `low` and 1 at `high` (same shape as `x`)."""
    t = ((x - low) / (high - low)).clamp(0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def fall(x: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
    """Return the cubic ramp that is 1 at `low` and 0 at `high` (same shape as `x`)."""
    return 1.0 - smoothstep(x, low, high)


def gauss(x: Tensor, width: float | Tensor) -> Tensor:
    """Return the Gaussian bump exp(-(x / width)^2) (same shape as `x`)."""
    u = x / width
    return torch.exp(-u * u)


def smooth_min(a: Tensor, b: Tensor, radius: float) -> Tensor:
    """Return the polynomial smooth minimum of two distances (m) with a fillet of `radius` m.

    Formula: Inigo Quilez, "smooth minimum" (quadratic).
    """
    h = (0.5 + 0.5 * (b - a) / radius).clamp(0.0, 1.0)
    return b + (a - b) * h - radius * h * (1.0 - h)


def smooth_max(a: Tensor, b: Tensor, radius: float) -> Tensor:
    """Return the polynomial smooth maximum of two distances (m) with a fillet of `radius` m."""
    return -smooth_min(-a, -b, radius)


def mix(color: Tensor, other: Tensor | Sequence[float], weight: Tensor) -> Tensor:
    """Blend colours (..., 3) towards `other` (..., 3) by `weight` (...)."""
    other = torch.as_tensor(other, dtype=color.dtype, device=color.device)
    return color + (other - color) * weight[..., None]


def tint(color: Tensor, weight: Tensor, gain: Sequence[float]) -> Tensor:
    """Multiply colours (..., 3) by 1 + weight * gain, with `weight` (...) and `gain` (3,)."""
    gain = torch.as_tensor(gain, dtype=color.dtype, device=color.device)
    return color * (1.0 + weight[..., None] * gain)


def palette(t: Tensor, stops: Sequence[Sequence[float]]) -> Tensor:
    """Interpolate evenly spaced colour `stops` (K, 3) at `t` (...) in 0..1; returns (..., 3)."""
    colors = torch.as_tensor(stops, dtype=t.dtype, device=t.device)
    x = t.clamp(0.0, 1.0) * (len(colors) - 1)
    i = x.long().clamp(max=len(colors) - 2)
    f = (x - i)[..., None]
    return colors[i] * (1.0 - f) + colors[i + 1] * f


def polyline(x: Tensor, knots: Sequence[float], values: Sequence[float]) -> Tensor:
    """Interpolate `values` piecewise linearly over increasing `knots` (constant outside)."""
    k = torch.as_tensor(knots, dtype=x.dtype, device=x.device)
    v = torch.as_tensor(values, dtype=x.dtype, device=x.device)
    x = x.clamp(float(knots[0]), float(knots[-1])).contiguous()
    i = torch.bucketize(x, k[1:-1])
    slope = (v[1:] - v[:-1]) / (k[1:] - k[:-1])
    return (v[:-1] - slope * k[:-1])[i] + slope[i] * x
