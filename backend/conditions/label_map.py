"""Label maps as files: the palette of CelebAMask-HQ's own tools, reading and painting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..perception.photo import MOST_PIXELS, PhotoError
from ..perception.photo_file import open_picture
from .painted import (
    MAP_SIZE,
    SMALLEST,
    LabelMapError,
    read_mask_pixels,
    read_painted,
)
from .palette import PALETTE


@dataclass(frozen=True)
class LabelMap:
    """labels (S, S) int64 of the 19 classes, given (1, S, S) float, 0 where the file is
    transparent; notes about what was changed."""

    labels: Tensor
    given: Tensor
    notes: tuple[str, ...] = ()


def read_label_map(path: Path | str, size: int = MAP_SIZE, snap: bool = False) -> LabelMap:
    """Read a painted map: colours of the palette, or a grey picture of class numbers 0..18.

    With `snap` other colours become the nearest one and the middle square is cut out; without it
    both are refused with a LabelMapError that says so.
    """
    read = read_painted(load_pixels(path), Path(path).name, size, snap)
    given = torch.from_numpy(read.given)[None].float()
    return LabelMap(torch.from_numpy(read.labels), given, read.notes)


def read_mask(path: Path | str, size: int = MAP_SIZE) -> Tensor:
    """Read an edit mask (size, size) bool: white, or opaque in a picture with transparency."""
    return torch.from_numpy(read_mask_pixels(load_pixels(path, "mask"), Path(path).name, size))


def paint_label_map(labels: Tensor) -> np.ndarray:
    """Labels (H, W) as colours of the palette, (H, W, 3) uint8."""
    return np.array(PALETTE, dtype=np.uint8)[labels.cpu().numpy()]


def write_label_map(labels: Tensor, path: Path | str) -> None:
    """Save labels (H, W) as a PNG in the palette, which `read_label_map` reads."""
    Image.fromarray(paint_label_map(labels)).save(path, "PNG")


def load_pixels(path: Path | str, what: str = "map") -> np.ndarray:
    """Pixels (H, W, 4) uint8 of the file of a map or mask; class numbers of 16-bit pictures as they
    are.  Raises LabelMapError for what is no picture, damaged, too small or too large."""
    name = Path(path).name
    try:
        picture = open_picture(path)
    except PhotoError as error:
        raise LabelMapError(f"{what} {error}") from None
    width, height = picture.size
    if min(width, height) < SMALLEST or width * height > MOST_PIXELS:
        raise LabelMapError(
            f"{what} {name} is {width} x {height} pixels; use a square one of {SMALLEST} to "
            f"{int(MOST_PIXELS**0.5)} a side"
        )
    try:
        picture.load()
        if picture.mode.startswith(("I", "F")):
            numbers = np.nan_to_num(np.asarray(picture))
            picture = Image.fromarray(np.clip(numbers, 0, 255).astype(np.uint8))
        return np.asarray(picture.convert("RGBA"))
    except Exception as error:  # decoders raise what they like
        raise LabelMapError(f"{what} {name} is damaged ({error}); save it again") from None
