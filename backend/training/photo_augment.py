"""Rendered views made into something like photos: frame, light, surroundings, camera, file.

Everything is drawn from one generator of random numbers, so that a run can be repeated.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .pairs import Views
from .photo_light import GAMMA, light, smooth_noise, uniform, unit_vectors
from .photo_scene import CLOTH, HAIR, HAT, clothes, hats, occluders, pattern

_OVERLAP = 0.6  # of the hair before the shoulders stays before them


@dataclass(frozen=True)
class Photos:
    """B photos: image (B, 3, S, S) sRGB 0..1, label (B, S, S) int64 of the 19 classes, landmarks
    (B, 68, 2) in units of the side, seen (B, 68) bool, rotation (B, 3, 3) head to camera."""

    image: Tensor
    label: Tensor
    landmarks: Tensor
    seen: Tensor
    rotation: Tensor


@dataclass(frozen=True)
class _Layers:
    """Views after the frame was moved, all float but label."""

    color: Tensor  # (B, 3, S, S) weighted by coverage
    coverage: Tensor  # (B, 1, S, S)
    normal: Tensor  # (B, 3, S, S)
    label: Tensor  # (B, S, S)
    landmarks: Tensor
    rotation: Tensor


def augment(views: Views, rng: torch.Generator, shift: float = 1.0) -> Photos:
    """Photos of views; `shift` scales how far the frame is moved, turned and resized."""
    layers = _reframe(views, shift, rng)
    image, label, hidden = _compose(layers, rng)
    image = _camera(image, rng)
    size = image.shape[-1]
    at = (layers.landmarks * size).long()
    inside = ((at >= 0) & (at < size)).all(-1)
    at = at.clamp(0, size - 1)
    covered = hidden.flatten(1).gather(1, at[..., 1] * size + at[..., 0]) > 0.5
    seen = views.seen & inside & ~covered
    return Photos(image, label, layers.landmarks, seen, layers.rotation)


def _reframe(views: Views, shift: float, rng: torch.Generator) -> _Layers:
    """Move, turn and resize the frame a little."""
    batch = len(views)
    angle = shift * math.radians(9.0) * torch.randn(batch, generator=rng)
    scale = torch.exp(shift * 0.11 * torch.randn(batch, generator=rng))
    move = shift * 0.045 * torch.randn(batch, 2, generator=rng)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).view(batch, 2, 2)
    # output place o is read at: scale * turn^T (o - 1/2) + 1/2 + move
    read = scale[:, None, None] * turn.mT
    theta = torch.cat([read, 2 * move[:, :, None]], 2)
    coverage = views.coverage[:, None].float() / 255
    color = views.color.float() / 255 * coverage
    normal = views.normal.float() / 127
    grid = F.affine_grid(theta, [batch, 1, *views.label.shape[1:]], align_corners=False)
    stack = torch.cat([color, coverage, normal], 1)
    stack = F.grid_sample(stack, grid, align_corners=False)
    label = F.grid_sample(views.label[:, None].float(), grid, mode="nearest", align_corners=False)
    landmarks = (views.landmarks - 0.5 - move[:, None]) / scale[:, None, None]
    landmarks = landmarks @ turn.mT + 0.5
    spin = torch.eye(3).repeat(batch, 1, 1)
    spin[:, :2, :2] = turn
    normal = unit_vectors(torch.einsum("bij,bjhw->bihw", spin, stack[:, 4:]))
    return _Layers(
        stack[:, :3], stack[:, 3:4], normal, label[:, 0].long(), landmarks, spin @ views.rotation
    )


def _compose(layers: _Layers, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Light, background, clothes, hats and occluders -> image, labels, hidden (B, S, S)."""
    batch, size = len(layers.color), layers.color.shape[-1]
    albedo = layers.color / layers.coverage.clamp_min(1e-3)
    lit = light(albedo, layers.normal, layers.label, rng)
    background = pattern(rng, batch, size)
    borrowed = (torch.rand(batch, generator=rng) < 0.15).nonzero()[:, 0]
    if len(borrowed):  # somebody else, out of focus
        background[borrowed] = _blur(lit[borrowed - 1], 2.5)
    image = background + layers.coverage * (lit - background)
    label = layers.label
    worn = clothes(layers.landmarks, size, rng)
    before = (label == HAIR) & (uniform(rng, batch, 1, 1) < _OVERLAP)
    worn = worn * ~before
    hat = hats(layers.landmarks, size, rng)
    hidden = occluders(batch, size, rng)
    things = pattern(rng, batch, size) * _folds(rng, batch, size)
    for turn, (mask, index) in enumerate(((worn, CLOTH), (hat, HAT), (hidden, 0))):
        picture = things.roll(turn, 0)
        image = image + mask[:, None] * (picture - image)
        label = torch.where(mask > 0.5, index, label)
    return image, label, torch.maximum(hidden, hat)


def _folds(rng: torch.Generator, batch: int, size: int) -> Tensor:
    return torch.exp(0.25 * smooth_noise(rng, batch, 1, 8, size))


def _camera(image: Tensor, rng: torch.Generator) -> Tensor:
    """What lens, sensor and file do to images (B, 3, S, S)."""
    batch = len(image)
    image = image.clamp(0, 1)
    image = image ** torch.exp(0.18 * torch.randn(batch, 1, 1, 1, generator=rng))
    middle = image.mean((1, 2, 3), keepdim=True)
    image = middle + (image - middle) * torch.exp(0.15 * torch.randn(batch, 1, 1, 1, generator=rng))
    grey = image.mean(1, keepdim=True)
    saturation = torch.exp(0.22 * torch.randn(batch, 1, 1, 1, generator=rng))
    saturation = saturation * (uniform(rng, batch, 1, 1, 1) > 0.06)
    image = grey + (image - grey) * saturation
    image = image * torch.exp(0.05 * torch.randn(batch, 3, 1, 1, generator=rng))
    image = image.clamp(0, 1)
    out = []
    for picture in image[:, None]:
        kind = float(torch.rand((), generator=rng))
        amount = float(torch.rand((), generator=rng))
        if kind < 0.3:
            picture = _blur(picture, 0.3 + 1.3 * amount)
        elif kind < 0.5:
            picture = _coarsen(picture, 1 + 2 * amount)
        out.append(picture)
    image = torch.cat(out)
    noise = 0.05 * uniform(rng, batch, 1, 1, 1) * (uniform(rng, batch, 1, 1, 1) < 0.6)
    grain = torch.randn(image.shape, generator=rng)
    image = (image + noise * grain * (0.4 + image ** (1 / GAMMA))).clamp(0, 1)
    quality = torch.randint(25, 96, (batch,), generator=rng).tolist()
    on = (torch.rand(batch, generator=rng) < 0.5).tolist()
    pictures = [
        _compress(picture, q) if compressed else picture
        for picture, q, compressed in zip(image, quality, on, strict=True)
    ]
    return torch.stack(pictures)


def _blur(image: Tensor, deviation: float) -> Tensor:
    """Gaussian blur of images (B, C, H, W) by pixels."""
    reach = max(1, math.ceil(2.5 * deviation))
    line = torch.arange(-reach, reach + 1, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (line / deviation) ** 2)
    kernel = (kernel / kernel.sum()).expand(image.shape[1], 1, -1)
    padded = F.pad(image, (reach, reach, reach, reach), mode="replicate")
    across = F.conv2d(padded, kernel[:, :, None, :], groups=image.shape[1])
    return F.conv2d(across, kernel[:, :, :, None], groups=image.shape[1])


def _coarsen(image: Tensor, factor: float) -> Tensor:
    """Shrink and enlarge again, as small pictures of the web are."""
    size = image.shape[-1]
    small = F.interpolate(image, size=int(size / factor), mode="bilinear", antialias=True)
    return F.interpolate(small, size=(size, size), mode="bicubic").clamp(0, 1)


def _compress(image: Tensor, quality: int) -> Tensor:
    """JPEG and back, (3, S, S)."""
    pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as again:
        values = np.asarray(again.convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(values).permute(2, 0, 1)


def plain(views: Views, background: float = 0.55) -> Photos:
    """Views as they are, softly lit before a plain background."""
    coverage = views.coverage[:, None].float() / 255
    toward = F.normalize(torch.tensor([0.3, -0.5, -0.8]), dim=0)
    facing = torch.einsum("bchw,c->bhw", views.normal.float() / 127, toward)[:, None]
    color = views.color.float() / 255 * (0.5 + 0.55 * (0.7 * facing + 0.3).clamp_min(0))
    image = (background + coverage * (color - background)).clamp(0, 1)
    return Photos(image, views.label.long(), views.landmarks, views.seen, views.rotation)
