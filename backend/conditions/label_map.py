"""Label maps as pictures: the palette of CelebAMask-HQ's own tools, reading and painting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..perception.photo import MOST_PIXELS, PhotoError, open_picture
from ..synthetic.labels import LABELS

NUM_LABELS = 19
LABEL_NAMES = LABELS[:NUM_LABELS]
MAP_SIZE = 128  # pixels a side of what conditions hold
SMALLEST = 32
# sRGB of each class, in the order of LABEL_NAMES
PALETTE = (
    (0, 0, 0), (204, 0, 0), (76, 153, 0), (204, 204, 0), (51, 51, 255), (204, 0, 204),
    (0, 255, 255), (255, 204, 204), (102, 51, 0), (255, 0, 0), (102, 204, 0), (255, 255, 0),
    (0, 0, 153), (0, 0, 204), (255, 51, 153), (0, 204, 204), (0, 51, 0), (255, 153, 51),
    (0, 204, 0),
)  # fmt: skip
_CHUNK = 1 << 20


class LabelMapError(ValueError):
    """A label map or mask cannot be used as it is; the message says why and what to do."""


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
    name = Path(path).name
    picture = _load(path)
    picture, notes = _squared(picture, name, snap)
    alpha = picture.convert("RGBA").getchannel("A") if _is_transparent(picture) else None
    labels, snapped = _classes(picture, name, snap)
    given = np.ones_like(labels, dtype=bool) if alpha is None else np.asarray(alpha) >= 128
    if snapped:
        share = 100 * snapped / labels.size
        notes.append(f"map {name}: {share:.1f} % of the pixels took the nearest label's colour")
    if not given.any():
        raise LabelMapError(f"map {name} is transparent all over; paint at least one label")
    if not labels[given].any():
        raise LabelMapError(f"map {name} shows background only; paint at least one label")
    known = torch.from_numpy(np.where(given, labels, NUM_LABELS))
    resized = _resize(known, size)
    inside = resized < NUM_LABELS
    return LabelMap(torch.where(inside, resized, 0), inside[None].float(), tuple(notes))


def read_mask(path: Path | str, size: int = MAP_SIZE) -> Tensor:
    """Read an edit mask (size, size) bool: white, or opaque in a picture with transparency."""
    name = Path(path).name
    picture, _ = _squared(_load(path), name, snap=False)
    if _is_transparent(picture):
        values = np.asarray(picture.convert("RGBA").getchannel("A"))
    else:
        values = np.asarray(picture.convert("L"))
    mask = _resize(torch.from_numpy((values >= 128).astype(np.int64)), size) > 0
    if not bool(mask.any()):
        raise LabelMapError(f"mask {name} is empty; paint what may change in white")
    return mask


def paint_label_map(labels: Tensor) -> np.ndarray:
    """Labels (H, W) as colours of the palette, (H, W, 3) uint8."""
    return np.array(PALETTE, dtype=np.uint8)[labels.cpu().numpy()]


def write_label_map(labels: Tensor, path: Path | str) -> None:
    """Save labels (H, W) as a PNG in the palette, which `read_label_map` reads."""
    Image.fromarray(paint_label_map(labels)).save(path, "PNG")


def _load(path: Path | str) -> Image.Image:
    name = Path(path).name
    try:
        picture = open_picture(path)
    except PhotoError as error:
        raise LabelMapError(f"label map {error}") from None
    width, height = picture.size
    if min(width, height) < SMALLEST or width * height > MOST_PIXELS:
        raise LabelMapError(
            f"map {name} is {width} x {height} pixels; use a square one of {SMALLEST} to "
            f"{int(MOST_PIXELS**0.5)} a side"
        )
    try:
        picture.load()
    except Exception as error:  # decoders raise what they like
        raise LabelMapError(f"map {name} is damaged ({error}); save it again") from None
    return picture


def _squared(picture: Image.Image, name: str, snap: bool) -> tuple[Image.Image, list[str]]:
    width, height = picture.size
    if width == height:
        return picture, []
    if not snap:
        raise LabelMapError(
            f"map {name} is {width} x {height} pixels, expected a square; "
            "crop it, or snap it to its middle square"
        )
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    return square, [f"map {name}: its middle {side} x {side} pixels are used"]


def _is_transparent(picture: Image.Image) -> bool:
    return picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info


def _classes(picture: Image.Image, name: str, snap: bool) -> tuple[np.ndarray, int]:
    """Class numbers (H, W) int64, and how many pixels were snapped."""
    if picture.mode in ("L", "I;16", "I"):
        numbers = np.asarray(picture).astype(np.int64)
        if 0 < numbers.max() < NUM_LABELS:
            return numbers, 0
    colors = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    codes = (colors.astype(np.int64) * (65536, 256, 1)).sum(1)
    distinct, index = np.unique(codes, return_inverse=True)
    found = np.stack([distinct >> 16, (distinct >> 8) & 255, distinct & 255], 1)
    label, exact = _nearest(found)
    wrong = ~exact[index]
    count = int(wrong.sum())
    if count and not snap:
        at = int(wrong.argmax())
        color, nearest = found[index[at]], LABEL_NAMES[label[index[at]]]
        x, y = at % picture.size[0], at // picture.size[0]
        raise LabelMapError(
            f"map {name} has {count} pixels in {int((~exact).sum())} colours of no label, first "
            f"#{color[0]:02x}{color[1]:02x}{color[2]:02x} at ({x}, {y}), nearest to {nearest}: "
            "use the palette, or snap colours to the nearest label"
        )
    return label[index].reshape(picture.size[1], picture.size[0]), count


def _nearest(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest class (N,) of colours (N, 3), and whether each is that class's own colour."""
    palette = np.array(PALETTE, dtype=np.int64)
    label, exact = np.zeros(len(colors), np.int64), np.zeros(len(colors), bool)
    for start in range(0, len(colors), _CHUNK):
        part = slice(start, start + _CHUNK)
        distance = np.square(colors[part, None] - palette).sum(2)
        label[part] = distance.argmin(1)
        exact[part] = distance.min(1) == 0
    return label, exact


def _resize(labels: Tensor, size: int) -> Tensor:
    """The class that fills most of each new pixel, (size, size)."""
    if len(labels) == size:
        return labels
    if len(labels) < size:
        return F.interpolate(labels[None, None].double(), size=size)[0, 0].long()
    best = torch.zeros(size, size)
    chosen = torch.zeros(size, size, dtype=torch.int64)
    for index in labels.unique().tolist():
        share = F.adaptive_avg_pool2d((labels == index)[None].float(), size)[0]
        chosen = torch.where(share > best, index, chosen)
        best = torch.maximum(best, share)
    return chosen
