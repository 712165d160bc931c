"""Light from all around, as rooms give it: for held-out photos and for pictures to look at.

Trainings light heads by three wrapped lamps and two hemispheres, with shadows drawn on the picture
(`training/photo_light.py`).  Here light comes from many directions at once, is exact for matt
surfaces, glosses by a lobe about the mirrored view, and is exposed and toned as films are; the
surroundings are the room itself, out of focus.  No training has seen any of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_DIRECTIONS = 400
_GAMMA = 2.2
_GLOSS, _SHARP = 0.03, 24.0  # share of light that skin mirrors, and how sharply
_WHITE = 4.0  # linear light that film shows as white
_TOWARD = (0.0, 0.0, -1.0)  # from the head to the camera, in camera axes: right, down, away


@dataclass(frozen=True)
class Room:
    """Walls that are lighter above (3,) than below (3,), and K lamps: unit directions (K, 3) in
    camera axes, how narrow (K,), and linear colours (K, 3)."""

    above: Tensor
    below: Tensor
    lamps: Tensor
    narrow: Tensor
    colors: Tensor

    def radiance(self, directions: Tensor) -> Tensor:
        """Linear light (..., 3) that comes from unit directions (..., 3)."""
        high = (0.5 - 0.5 * directions[..., 1:2]).clamp(0, 1)
        walls = self.below + high * (self.above - self.below)
        lobes = torch.exp(self.narrow * (directions @ self.lamps.T - 1))
        return walls + lobes @ self.colors


def studio() -> Room:
    """A photographer's room: a large soft light, a weaker one opposite, a rim light behind."""
    lamps = torch.tensor([[0.55, -0.55, -0.65], [-0.8, -0.1, -0.6], [-0.6, -0.5, 0.65]])
    return Room(
        above=torch.tensor([0.40, 0.42, 0.45]),
        below=torch.tensor([0.26, 0.25, 0.24]),
        lamps=F.normalize(lamps, dim=1),
        narrow=torch.tensor([9.0, 5.0, 12.0]),
        colors=torch.tensor([[5.2, 4.9, 4.6], [0.9, 1.0, 1.15], [3.0, 3.1, 3.3]]),
    )


def draw_room(rng: torch.Generator) -> Room:
    """A room with two to four lamps or windows, warm or cold, the first one before the head."""
    count = int(torch.randint(2, 5, (), generator=rng))
    lamps = torch.randn(count, 3, generator=rng)
    lamps[:, 1] = -lamps[:, 1].abs()
    lamps[0, 2] = -lamps[0, 2].abs() - 0.5
    warmth = 0.35 * torch.randn(count, 1, generator=rng)
    tint = torch.exp(warmth * torch.tensor([1.0, 0.0, -1.2]))
    power = torch.rand(count, 1, generator=rng) * torch.tensor([4.0] + [1.6] * (count - 1))[:, None]
    walls = 0.15 + 0.45 * torch.rand(2, 1, generator=rng)
    paint = torch.exp(0.25 * torch.randn(2, 3, generator=rng))
    return Room(
        above=walls[0] * paint[0],
        below=0.6 * walls[1] * paint[1],
        lamps=F.normalize(lamps, dim=1),
        narrow=4 + 36 * torch.rand(count, generator=rng) ** 2,
        colors=(1.0 + power) * tint,
    )


def shade(color: Tensor, normal: Tensor, room: Room) -> Tensor:
    """Linear light (..., 3) off sRGB colours (..., 3) with unit normals (..., 3) in camera axes."""
    directions = _sphere()
    light = (room.radiance(directions) / len(directions)).to(color)
    directions = directions.to(color)
    matt = 4 * (normal @ directions.T).clamp_min(0) @ light
    toward = color.new_tensor(_TOWARD)
    mirrored = 2 * (normal @ toward)[..., None] * normal - toward
    lobe = (mirrored @ directions.T).clamp_min(0) ** _SHARP
    gloss = 2 * (_SHARP + 1) * lobe @ light
    edge = 1 + 4 * (1 - (normal @ toward).clamp(0, 1)[..., None]) ** 4
    return color.clamp(0, 1) ** _GAMMA * matt + _GLOSS * edge * gloss


def develop(light: Tensor, exposure: float | Tensor = 1.0) -> Tensor:
    """sRGB 0..1 of linear light: highlights roll off to white (Reinhard et al. 2002)."""
    exposed = exposure * light.clamp_min(0)
    toned = exposed * (1 + exposed / _WHITE**2) / (1 + exposed)
    return toned.clamp(0, 1) ** (1 / _GAMMA)


def _sphere() -> Tensor:
    """Directions (N, 3) spread evenly."""
    step = torch.arange(_DIRECTIONS, dtype=torch.float32) + 0.5
    height = 1 - 2 * step / _DIRECTIONS
    turn = math.pi * (1 + math.sqrt(5)) * step
    flat = (1 - height**2).sqrt()
    return torch.stack([flat * turn.cos(), height, flat * turn.sin()], 1)
