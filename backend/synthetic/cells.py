"""Cellular patterns with fixed centres: curls on the scalp and freckles on the face."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

# Ellipsoid close to the average scalp: curls are cells on its surface.
SCALP_CENTER = (0.0, 0.086, 0.010)
SCALP_RADII = (0.085, 0.118, 0.1226)
CROWN = (0.012, 0.155, 0.11)
_GRID = 40
_GRID_LOW = -1.25
_GRID_CELL = 2.5 / _GRID
_NEIGHBOURS = 6
_ELONGATION = 0.62


@lru_cache(maxsize=8)
def _curl_cells(count: int, seed: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cell data (count, 8) and candidate lists (grid cells, 6) for `count` curls.

    Columns: unit-sphere centre (3), fall direction (3), 1 / radius, random tone. Centres are a
    jittered Fibonacci sphere; the candidates of a lattice cell are the nearest centres.
    """
    generator = torch.Generator().manual_seed(seed)
    i = torch.arange(count) + 0.5
    height = 1.0 - 2.0 * i / count
    angle = math.pi * (1.0 + math.sqrt(5.0)) * i
    ring = torch.sqrt(1.0 - height * height)
    center = torch.stack([ring * torch.cos(angle), ring * torch.sin(angle), height], 1)
    spacing = math.sqrt(4.0 * math.pi / count)
    center = center + 0.30 * spacing * torch.randn(count, 3, generator=generator)
    center = center / center.norm(dim=1, keepdim=True)
    crown = torch.tensor(CROWN) - torch.tensor(SCALP_CENTER)
    crown = crown / torch.tensor(SCALP_RADII)
    away = center - crown / crown.norm() + torch.tensor([0.0, 0.0, -0.5])
    away = away + 0.6 * torch.randn(count, 3, generator=generator)
    away = away - (away * center).sum(1, keepdim=True) * center
    away = away / (away.norm(dim=1, keepdim=True) + 1e-6)
    radius = spacing * (0.62 + 0.34 * torch.rand(count, 1, generator=generator))
    tone = 2.0 * torch.rand(count, 1, generator=generator) - 1.0
    cells = torch.cat([center, away, 1.0 / radius, tone], 1)
    axis = _GRID_LOW + _GRID_CELL * (torch.arange(_GRID) + 0.5)
    lattice = torch.cartesian_prod(axis, axis, axis)
    candidates = torch.zeros(len(lattice), _NEIGHBOURS, dtype=torch.long)
    shell = (lattice.norm(dim=1) - 1.0).abs() < 1.5 * _GRID_CELL
    distance = torch.cdist(lattice[shell], center)
    candidates[shell] = distance.topk(_NEIGHBOURS, dim=1, largest=False).indices
    return cells.to(device), candidates.to(device)


def scalp_direction(p: Tensor) -> Tensor:
    """Project canonical points (..., 3) onto the unit sphere of the scalp ellipsoid."""
    q = (p - p.new_tensor(SCALP_CENTER)) / p.new_tensor(SCALP_RADII)
    return q / (q.norm(dim=-1, keepdim=True) + 1e-6)


def curls(unit: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return profile, twist and tone of overlapping curls at scalp directions (..., 3).

    Profile 0 (between curls) .. 1 (ridge); twist and tone in [-1, 1]: the winding of the strand
    along the curl, and one random value per curl.
    """
    cells, candidates = _curl_cells(count, seed, unit.device)
    flat = unit.reshape(-1, 3)
    index = ((flat - _GRID_LOW) / _GRID_CELL).long().clamp(0, _GRID - 1)
    cell = (index[:, 0] * _GRID + index[:, 1]) * _GRID + index[:, 2]
    best = cells[candidates[cell]]  # (N, 6, 8)
    gap = flat[:, None] - best[..., :3]
    along = (gap * best[..., 3:6]).sum(-1) * best[..., 6]
    squared = gap.square().sum(-1) * best[..., 6].square()
    across = squared - along.square()
    height = 1.0 - 1.18 * across - _ELONGATION * along.square()
    top, winner = height.max(dim=1)
    # Soft union of the curls: shallow crevices instead of cuts.
    profile = torch.logsumexp(8.0 * height, dim=1) / 8.0
    winner = winner[:, None]
    t = along.gather(1, winner)[:, 0]
    tone = best[..., 7].gather(1, winner)[:, 0]
    twist = torch.cos(5.2 * t + 2.6 * top + 3.0 * tone)
    shape = unit.shape[:-1]
    return profile.clamp(0.0, 1.0).reshape(shape), twist.reshape(shape), tone.reshape(shape)


@lru_cache(maxsize=4)
def _freckle_table(device: torch.device) -> Tensor:
    """Return two layers of 64 x 64 freckles: offset u, offset v (m) and 1 / radius (1/m)."""
    generator = torch.Generator().manual_seed(8)
    r = torch.rand(2, 64, 64, 4, generator=generator)
    radius = 0.0008 + 0.0012 * r[..., 0].square()
    room = 0.5 * _FRECKLE_CELL - radius
    inverse = 1.0 / radius * torch.where(r[..., 1] < 0.62, 1.0, 50.0)
    offset = (2.0 * r[..., 2:] - 1.0) * room[..., None]
    return torch.cat([offset, inverse[..., None]], -1).to(device)


_FRECKLE_CELL = 0.0058


def freckles(p: Tensor) -> Tensor:
    """Return freckle spots in [0, 1] at canonical points (..., 3); the caller windows them.

    Two rotated layers of square cells with one spot of random place and radius in each.
    """
    x, y, z = p.unbind(-1)
    u = 0.085 * torch.atan2(x, 0.065 - y)
    table = _freckle_table(p.device)
    spots = torch.zeros_like(u)
    for layer, angle in enumerate((0.45, 1.21)):
        c, s = math.cos(angle), math.sin(angle)
        a = (c * u - s * z) / _FRECKLE_CELL
        b = (s * u + c * z) / _FRECKLE_CELL
        i, j = a.floor(), b.floor()
        spot = table[layer][i.long() % 64, j.long() % 64]
        du = (a - i - 0.5) * _FRECKLE_CELL - spot[..., 0]
        dv = (b - j - 0.5) * _FRECKLE_CELL - spot[..., 1]
        distance = torch.sqrt(du * du + dv * dv) * spot[..., 2]
        t = ((1.0 - distance) / 0.65).clamp(0.0, 1.0)
        spots = torch.maximum(spots, t * t * (3.0 - 2.0 * t))
    return spots
