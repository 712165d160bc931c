"""What photos have around a head and the domain has not: backgrounds, clothes, things before it."""

from __future__ import annotations

import torch
from torch import Tensor

from .photo_light import smooth_noise, uniform

CLOTH, HAIR, HAT = 18, 13, 14
_PLAIN = 0.35  # of the patterns are no more than a gradient, as walls and skies are
_JAW, _CHIN, _BROWS = slice(0, 17), 8, slice(17, 27)


def pixel_grid(size: int) -> Tensor:
    """Coordinates (2, size, size) of the pixels' middles, x and y in 0..1."""
    line = (torch.arange(size) + 0.5) / size
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y])


def pattern(rng: torch.Generator, batch: int, size: int) -> Tensor:
    """Coloured patterns (B, 3, size, size): plain, gradient, blurred shapes, stripes or clutter."""
    x, y = pixel_grid(size)
    base = uniform(rng, batch, 3, 1, 1)
    grey = uniform(rng, batch, 1, 1, 1)
    base = base + (base.mean(1, keepdim=True) - base) * grey
    slope = 0.5 * torch.randn(batch, 3, 2, 1, 1, generator=rng)
    calm = base + 0.5 * (slope[:, :, 0] * (x - 0.5) + slope[:, :, 1] * (y - 0.5))
    picture = calm
    for cells, share in ((3, 0.6), (7, 0.5), (20, 0.35), (60, 0.2)):
        amount = 0.35 * uniform(rng, batch, 1, 1, 1) * (uniform(rng, batch, 1, 1, 1) < share)
        picture = picture + amount * smooth_noise(rng, batch, 3, cells, size)
    for _ in range(4):
        picture = _box(picture, rng, (x, y))
    angle = uniform(rng, batch, 1, 1, high=torch.pi)
    phase = (x * angle.cos() + y * angle.sin()) * uniform(rng, batch, 1, 1, low=10, high=90)
    stripes = torch.sign(phase.sin())[:, None] * (uniform(rng, batch, 1, 1, 1) < 0.15)
    picture = picture + 0.12 * stripes * torch.randn(batch, 3, 1, 1, generator=rng)
    plain = uniform(rng, batch, 1, 1, 1) < _PLAIN
    return torch.where(plain, calm, picture).clamp(0, 1)


def _box(picture: Tensor, rng: torch.Generator, grid: tuple[Tensor, Tensor]) -> Tensor:
    """One rectangle of another colour on half of the pictures: windows, shelves, doors."""
    batch = len(picture)
    centre, half = uniform(rng, batch, 2, 1, 1), uniform(rng, batch, 2, 1, 1, low=0.03, high=0.4)
    inside = ((grid[0] - centre[:, 0]).abs() < half[:, 0]) & (
        (grid[1] - centre[:, 1]).abs() < half[:, 1]
    )
    on = (uniform(rng, batch, 1, 1, 1) < 0.4) & inside[:, None]
    return torch.where(on, uniform(rng, batch, 3, 1, 1), picture)


def clothes(landmarks: Tensor, size: int, rng: torch.Generator) -> Tensor:
    """Where clothes are, (B, size, size) 0..1: shoulders below chins of landmarks (B, 68, 2)."""
    batch = len(landmarks)
    x, y = pixel_grid(size)
    face = face_size(landmarks)[:, None, None]
    chin = landmarks[:, _CHIN]
    middle = chin[:, 0] + 0.35 * (landmarks[:, _JAW, 0].mean(1) - chin[:, 0])
    middle = middle[:, None, None] + 0.08 * face * torch.randn(batch, 1, 1, generator=rng)
    collar = chin[:, 1, None, None] + face * uniform(rng, batch, 1, 1, low=0.18, high=0.5)
    across = (x - middle) / face
    neck = uniform(rng, batch, 1, 1, low=0.32, high=0.6)
    fall = uniform(rng, batch, 1, 1, low=0.15, high=0.9)
    dip = uniform(rng, batch, 1, 1, low=-0.1, high=0.6) * (1 - (across / neck).abs()).clamp_min(0)
    edge = collar + face * (fall * (across.abs() - neck).clamp_min(0) + dip)
    width = uniform(rng, batch, 1, 1, low=1.2, high=2.2)
    inside = torch.sigmoid((y - edge) * size) * torch.sigmoid((width - across.abs()) * 40)
    return inside * (uniform(rng, batch, 1, 1) < 0.85)


def hats(landmarks: Tensor, size: int, rng: torch.Generator) -> Tensor:
    """Where hats are, (B, size, size) 0..1: a cap above the brows of a few of the heads."""
    batch = len(landmarks)
    x, y = pixel_grid(size)
    face = face_size(landmarks)[:, None, None]
    jaw, brow = landmarks[:, _JAW], landmarks[:, _BROWS].mean(1)
    middle = 0.5 * (jaw[:, :1, 0] + jaw[:, -1:, 0])[:, :, None]
    rim = brow[:, 1, None, None] - face * uniform(rng, batch, 1, 1, low=0.12, high=0.35)
    across = (x - middle) / (face * uniform(rng, batch, 1, 1, low=0.75, high=1.0))
    above = (rim - y) / (face * uniform(rng, batch, 1, 1, low=0.65, high=1.0))
    inside = (across**2 + above.clamp_min(0) ** 2 < 1) & (above > 0)
    return inside.float() * (uniform(rng, batch, 1, 1) < 0.05)


def face_size(landmarks: Tensor) -> Tensor:
    """Size (B,) of faces with landmarks (B, 68, 2), whichever way they look."""
    jaw = landmarks[:, _JAW]
    width = (jaw[:, 0] - jaw[:, -1]).norm(dim=-1)
    height = (landmarks[:, _CHIN] - landmarks[:, 27]).norm(dim=-1)
    return torch.maximum(width, 1.15 * height)


def occluders(batch: int, size: int, rng: torch.Generator) -> Tensor:
    """Where things before the face are, (B, size, size) 0 or 1: bars, discs and blobs."""
    x, y = pixel_grid(size)
    centre = uniform(rng, batch, 2, 1, 1, low=0.05, high=0.95)
    angle = uniform(rng, batch, 1, 1, high=torch.pi)
    half = uniform(rng, batch, 2, 1, 1, low=0.03, high=0.2)
    dx, dy = x - centre[:, 0], y - centre[:, 1]
    along, across = dx * angle.cos() + dy * angle.sin(), dy * angle.cos() - dx * angle.sin()
    along, across = (along / half[:, 0]).abs(), (across / half[:, 1]).abs()
    bent = smooth_noise(rng, batch, 1, 6, size)[:, 0] * 0.4
    power = torch.where(uniform(rng, batch, 1, 1) < 0.5, 2.0, 6.0)
    inside = along**power + across**power < (1 + bent).clamp_min(0.1)
    return (inside & (uniform(rng, batch, 1, 1) < 0.25)).float()
