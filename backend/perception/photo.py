"""Photos as numbers, and what is asked of any: size, shape, something opaque."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 32  # pixels of the shorter side
LARGEST = 2048  # pixels of the longer side that are kept
MOST_PIXELS = 120_000_000  # that are looked at
_OPAQUE = 128


class PhotoError(ValueError):
    """A photo cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Photo:
    """image (3, H, W) sRGB 0..1; given (1, H, W) float, 0 where the photo is transparent; notes
    about what was changed while reading; scale: its pixels for each pixel of what it was read
    from."""

    image: Tensor
    given: Tensor
    notes: tuple[str, ...] = ()
    scale: float = 1.0


def photo_of_pixels(pixels: np.ndarray, name: str = "in memory") -> Photo:
    """The photo of pixels (H, W, 3 or 4) uint8 sRGB that are in memory already.

    Shrunk to at most 2048 pixels a side; raises PhotoError for what is too small or transparent.
    """
    pixels = as_rgba(pixels, f"photo {name}")
    height, width = pixels.shape[:2]
    if min(width, height) < SMALLEST:
        raise PhotoError(
            f"photo {name} is {width} x {height} pixels; it needs at least {SMALLEST} a side"
        )
    notes = ()
    rgba = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    scale = LARGEST / max(width, height)
    if scale < 1.0:
        size = tuple(max(1, round(scale * side)) for side in (height, width))
        if min(size) < SMALLEST:
            raise PhotoError(
                f"photo {name} is too narrow to show a face; crop it to about as wide as high"
            )
        rgba = F.interpolate(rgba.float(), size=size, mode="area")
        notes = (f"photo {name} is {width} x {height} pixels and was read smaller",)
    given = (rgba[0, 3:] >= _OPAQUE).float()
    if not bool(given.any()):
        raise PhotoError(f"photo {name} is transparent all over; choose one that shows a face")
    return Photo(rgba[0, :3].float() / 255, given, notes, min(scale, 1.0))


def as_rgba(pixels: np.ndarray, name: str) -> np.ndarray:
    """Pixels (H, W, 4) uint8 of pixels with or without opacity; PhotoError for anything else."""
    shape = pixels.shape
    if pixels.dtype != np.uint8 or len(shape) != 3 or shape[2] not in (3, 4) or 0 in shape:
        raise PhotoError(
            f"{name}: expected pixels (height, width, 3 or 4) of 8 bits, "
            f"given {pixels.dtype} {tuple(shape)}"
        )
    if shape[0] * shape[1] > MOST_PIXELS:
        raise PhotoError(
            f"{name} is {shape[1]} x {shape[0]} pixels; make it smaller than "
            f"{MOST_PIXELS // 1_000_000} million pixels"
        )
    if shape[2] == 4:
        return np.ascontiguousarray(pixels)
    return np.dstack([pixels, np.full(shape[:2], 255, np.uint8)])
