"""Light on rendered views: lamps, sky and shadows, so that shading tells nothing of the domain."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

GAMMA = 2.2
SKIN_LABELS = (1, 2, 8, 9, 17)
_LAMPS = 3


def uniform(rng: torch.Generator, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Random numbers low..high of a shape."""
    return low + (high - low) * torch.rand(*shape, generator=rng)


def smooth_noise(rng: torch.Generator, batch: int, channels: int, cells: int, size: int) -> Tensor:
    """Gaussian noise (B, C, size, size) that varies over size / cells pixels."""
    coarse = torch.randn(batch, channels, cells, cells, generator=rng)
    rows = _cubic_rows(cells, size)
    return rows @ coarse @ rows.T


@lru_cache
def _cubic_rows(cells: int, size: int) -> Tensor:
    """Weights (size, cells) of cubic interpolation along one axis: as products far faster."""
    unit = torch.eye(cells)[:, None, None]
    rows = F.interpolate(unit, size=(1, size), mode="bicubic", align_corners=False)
    return rows[:, 0, 0].T.contiguous()


def unit_vectors(values: Tensor) -> Tensor:
    """Vectors (B, 3, S, S) at length 1, zero where they are zero."""
    return values * torch.rsqrt(values.square().sum(1, keepdim=True).clamp_min(1e-8))


def light(color: Tensor, normal: Tensor, label: Tensor, rng: torch.Generator) -> Tensor:
    """Lit sRGB (B, 3, S, S) of colours (B, 3, S, S), camera-axes normals and labels (B, S, S)."""
    batch, size = len(color), color.shape[-1]
    albedo = _textured(color, label, rng).clamp(1e-4, 1) ** GAMMA
    strength = uniform(rng, batch, 1, 1, 1, low=0.25, high=0.95)
    sky = _hemisphere(normal, rng)
    shine = torch.zeros_like(sky[:, :1])
    lamps = torch.zeros_like(sky)
    for number in range(_LAMPS):
        direction = _direction(rng, batch, frontal=number == 0)
        wrap = uniform(rng, batch, 1, 1, low=0.0, high=0.45)
        facing = torch.einsum("bchw,bc->bhw", normal, direction)
        share = (
            1.0 if number == 0 else uniform(rng, batch, 1, 1, 1, low=-0.6, high=0.7).clamp_min(0)
        )
        lit = ((facing + wrap) / (1 + wrap)).clamp_min(0)[:, None]
        lamps = lamps + share * lit * _tone(rng, batch, 0.10)
        half = F.normalize(direction + direction.new_tensor([0.0, 0.0, -1.0]), dim=-1)
        glint = torch.einsum("bchw,bc->bhw", normal, half).clamp_min(0)[:, None] ** 22
        shine = shine + share * glint
    shadow = torch.sigmoid(3 * smooth_noise(rng, batch, 1, 4, size) + 3.0)
    shadow = 1 - (1 - shadow) * (uniform(rng, batch, 1, 1, 1) < 0.35)
    irradiance = (1 - strength) * sky + 1.1 * strength * lamps * shadow
    shine = (
        shine * shadow * strength * uniform(rng, batch, 1, 1, 1, low=-0.05, high=0.22).clamp_min(0)
    )
    exposure = torch.exp2(0.35 * torch.randn(batch, 1, 1, 1, generator=rng))
    return ((albedo * irradiance + 0.5 * shine) * exposure).clamp(0, 1) ** (1 / GAMMA)


def _textured(color: Tensor, label: Tensor, rng: torch.Generator) -> Tensor:
    """Colours with blotches, pores and strands that the domain lacks, and another tone of skin."""
    batch, size = len(color), color.shape[-1]
    amount = 0.05 * uniform(rng, batch, 1, 1, 1)
    noise = smooth_noise(rng, batch, 1, 12, size) + 0.7 * smooth_noise(rng, batch, 1, 40, size)
    noise = noise + 0.5 * torch.randn(batch, 1, size, size, generator=rng)
    skin = torch.isin(label, label.new_tensor(SKIN_LABELS))[:, None]
    tone = torch.exp(0.06 * torch.randn(batch, 3, 1, 1, generator=rng))
    hair = (label == 13)[:, None]
    dye = torch.exp(0.15 * torch.randn(batch, 3, 1, 1, generator=rng))
    tint = torch.where(skin, tone, torch.where(hair, dye, torch.ones_like(dye)))
    amount = torch.where(hair, 3 * amount, amount)
    return color * tint * torch.exp(amount * noise)


def _hemisphere(normal: Tensor, rng: torch.Generator) -> Tensor:
    """Light (B, 3, S, S) of a bright side and a dim one."""
    batch = len(normal)
    toward = _direction(rng, batch, frontal=False)
    share = 0.5 + 0.5 * torch.einsum("bchw,bc->bhw", normal, toward)[:, None]
    floor = uniform(rng, batch, 1, 1, 1, low=0.15, high=0.8)
    return (floor + (1 - floor) * share) * _tone(rng, batch, 0.10)


def _direction(rng: torch.Generator, batch: int, frontal: bool) -> Tensor:
    """Unit directions (B, 3) to a light in camera axes: x right, y down, z away."""
    direction = torch.randn(batch, 3, generator=rng)
    if frontal:
        direction[:, 1] = -direction[:, 1].abs()
        direction[:, 2] = -direction[:, 2].abs() - 0.2
    return F.normalize(direction, dim=-1)


def _tone(rng: torch.Generator, batch: int, spread: float) -> Tensor:
    """Colours of light (B, 3, 1, 1) from warm to cold."""
    warm = spread * torch.randn(batch, 1, 1, 1, generator=rng)
    red, blue = torch.exp(warm), torch.exp(-1.3 * warm)
    return torch.cat([red, torch.ones_like(red), blue], 1)
