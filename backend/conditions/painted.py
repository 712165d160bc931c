"""Painted pixels read as labels: exact colours, soft edges of brushes, and what is foreign.

NumPy alone, for pictures from files and from Blender alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .palette import PALETTE, TITLES

NUM_LABELS = len(PALETTE)
MAP_SIZE = 128  # pixels a side of what conditions hold
SMALLEST = 32
OPAQUE = 128
_LARGEST = 1024  # pixels a side that are looked at; of larger maps every n-th
_ROUNDING = 2  # of a colour's components, on their way through a program's colour management
# Of the side: how far from the pure colours the soft edge of a stroke may reach, first the nearest.
_SOFT_EDGES = (0.02, 0.08)
_CHUNK = 1 << 20


class LabelMapError(ValueError):
    """A label map or mask cannot be used as it is; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class PaintedMap:
    """labels (S, S) int64 of the 19 classes, given (S, S) bool, False where the picture is
    transparent; notes about what was changed."""

    labels: np.ndarray
    given: np.ndarray
    notes: tuple[str, ...] = ()


def read_painted(
    pixels: np.ndarray, name: str, size: int = MAP_SIZE, snap: bool = False
) -> PaintedMap:
    """Labels of a picture (H, W, 4) uint8 in the palette, or grey with class numbers 1..18.

    Pixels between two labels, as brushes leave them, take the nearer of the labels beside them.
    With `snap` all other colours become the nearest label's too and the middle square is cut out;
    without it both are refused with a LabelMapError that says so.
    """
    pixels, notes = _square(pixels, name, snap)
    given = pixels[..., 3] >= OPAQUE
    if not given.any():
        raise LabelMapError(f"map {name} is transparent all over; paint at least one label")
    labels, more = _labels(pixels, given, name, snap)
    if not labels[given].any():
        raise LabelMapError(f"map {name} shows background only; paint at least one label")
    resized = resize_labels(np.where(given, labels, NUM_LABELS), size)
    inside = resized < NUM_LABELS
    return PaintedMap(np.where(inside, resized, 0), inside, (*notes, *more))


def read_mask_pixels(pixels: np.ndarray, name: str, size: int = MAP_SIZE) -> np.ndarray:
    """A mask (size, size) bool of a picture (H, W, 4) uint8: white, or opaque where parts of it
    are transparent."""
    height, width = pixels.shape[:2]
    if height != width or height < SMALLEST:
        raise LabelMapError(
            f"mask {name} is {width} x {height} pixels; use a square one of at least {SMALLEST} "
            "or one of the photo's proportions"
        )
    pixels, _ = _square(pixels, name, snap=False)
    opaque = pixels[..., 3] >= OPAQUE
    mask = pixels[..., :3].mean(2) >= 128 if opaque.all() else opaque
    resized = resize_labels(mask.astype(np.int64), size) > 0
    if not resized.any():
        raise LabelMapError(f"mask {name} is empty; paint some of it white")
    return resized


def resize_labels(labels: np.ndarray, size: int) -> np.ndarray:
    """The class that fills most of each new pixel, (size, size), of labels (H, H)."""
    side = len(labels)
    if side == size:
        return labels
    line = np.arange(size)
    if side < size:
        nearest = line * side // size
        return labels[nearest[:, None], nearest]
    low, high = line * side // size, -((line + 1) * side // -size)
    area = ((high - low)[:, None] * (high - low)).astype(np.float64)
    best, chosen = np.zeros((size, size)), np.zeros((size, size), np.int64)
    for index in np.unique(labels):
        share = _window_sums(labels == index, low, high) / area
        chosen = np.where(share > best, index, chosen)
        best = np.maximum(best, share)
    return chosen


def _square(pixels: np.ndarray, name: str, snap: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """The picture, or its middle square, at most _LARGEST a side."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    if side < SMALLEST:
        raise LabelMapError(
            f"map {name} is {width} x {height} pixels; use a square one of at least {SMALLEST}"
        )
    if height != width and not snap:
        raise LabelMapError(
            f"map {name} is {width} x {height} pixels, expected a square; "
            "crop it, or snap it to its middle square"
        )
    left, top = (width - side) // 2, (height - side) // 2
    step = -(side // -_LARGEST)
    square = pixels[top : top + side : step, left : left + side : step]
    if height == width:
        return square, ()
    return square, (f"map {name}: its middle {side} x {side} pixels are used",)


def _labels(
    pixels: np.ndarray, given: np.ndarray, name: str, snap: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    colors = pixels[..., :3]
    if (colors == colors[..., :1]).all() and 0 < colors[given].max() < NUM_LABELS:
        return colors[..., 0].astype(np.int64), ()
    labels, exact = nearest_labels(colors)
    between = _between(colors, labels, exact, given)
    foreign = given & ~exact & (between < 0)
    if foreign.any() and not snap:
        raise LabelMapError(_foreign_colors(colors, labels, foreign, name))
    notes = []
    soft = given & ~exact & ~foreign
    for found, text in ((soft, "label beside them"), (foreign, "label's colour")):
        if found.any():
            share = 100 * found.sum() / given.sum()
            notes.append(f"map {name}: {share:.1f} % of the pixels took the nearest {text}")
    return np.where(soft, between, labels), tuple(notes)


def nearest_labels(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The class whose colour is nearest to each of colors (..., 3) uint8, int64, and whether it is
    that class's own colour."""
    flat = colors.reshape(-1, 3).astype(np.int64)
    distinct, index = np.unique(flat @ np.array((65536, 256, 1)), return_inverse=True)
    found = np.stack([distinct >> 16, (distinct >> 8) & 255, distinct & 255], 1)
    palette = np.array(PALETTE, dtype=np.int64)
    label, exact = np.zeros(len(found), np.int64), np.zeros(len(found), bool)
    for start in range(0, len(found), _CHUNK):
        part = slice(start, start + _CHUNK)
        difference = found[part, None] - palette
        label[part] = np.square(difference).sum(2).argmin(1)
        exact[part] = (np.abs(difference).max(2) <= _ROUNDING).any(1)
    shape, index = colors.shape[:-1], index.reshape(-1)
    return label[index].reshape(shape), exact[index].reshape(shape)


def _between(
    colors: np.ndarray, labels: np.ndarray, exact: np.ndarray, given: np.ndarray
) -> np.ndarray:
    """For pixels that mix the colours of labels beside them, the nearer of the two; else -1.

    The nearest colour of the whole palette would be wrong: halfway from skin to hair lies another
    class altogether.
    """
    result = np.full(labels.shape, -1, np.int64)
    present = np.unique(labels[given & exact])
    for share in _SOFT_EDGES:
        rows, columns = np.nonzero(given & ~exact & (result < 0))
        if not len(rows):
            break
        beside = near_labels(labels, given & exact, given & ~exact & (result < 0), share)[present]
        result[rows, columns] = _mixed_labels(colors[rows, columns], present, beside)
    return result


def near_labels(
    labels: np.ndarray, sure: np.ndarray, asked: np.ndarray, share: float
) -> np.ndarray:
    """Which labels are beside each of the N pixels `asked` for, (19, N) bool: those of pixels that
    are `sure`, up to a share of the side away.  labels, sure and asked are (H, H)."""
    reach, line = max(2, round(share * len(labels))), np.arange(len(labels))
    low, high = np.maximum(line - reach, 0), np.minimum(line + reach + 1, len(labels))
    near = np.zeros((NUM_LABELS, asked.sum()), bool)
    for index in np.unique(labels[sure]):
        near[index] = _window_sums(sure & (labels == index), low, high)[asked] > 0
    return near


def _mixed_labels(colors: np.ndarray, present: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """Which of the labels `present` is the larger part of each of colors (N, 3), -1 for none.

    beside: (len(present), N) bool, where each may be a part.  Two colours mix on the line between
    them; where strokes cross it may be more, so a colour must only lie in the box around all.
    """
    here = colors.astype(np.float64)
    palette = np.array(PALETTE, dtype=np.float64)[present]
    low, high = np.full(here.shape, np.inf), np.full(here.shape, -np.inf)
    for color, near in zip(palette, beside, strict=True):
        low = np.where(near[:, None], np.minimum(low, color), low)
        high = np.where(near[:, None], np.maximum(high, color), high)
    best, label = np.full(len(here), np.inf), np.full(len(here), -1)
    for one, other in combinations(range(len(present)), 2):
        way = palette[other] - palette[one]
        along = np.clip((here - palette[one]) @ way / (way @ way), 0.0, 1.0)
        away = np.square(here - palette[one] - along[:, None] * way).sum(1)
        nearer = beside[one] & beside[other] & (away < best)
        best = np.where(nearer, away, best)
        label = np.where(nearer, np.where(along < 0.5, present[one], present[other]), label)
    inside = ((here >= low - _ROUNDING) & (here <= high + _ROUNDING)).all(1)
    return np.where(inside, label, -1)


def _window_sums(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Sums of values (H, H) bool over the windows from low[i] to high[i] in both directions."""
    sums = np.pad(values.astype(np.int32), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    down = sums[high] - sums[low]
    return down[:, high] - down[:, low]


def _foreign_colors(colors: np.ndarray, labels: np.ndarray, foreign: np.ndarray, name: str) -> str:
    y, x = np.unravel_index(foreign.argmax(), foreign.shape)
    color, count = colors[y, x], len(np.unique(colors[foreign], axis=0))
    return (
        f"map {name} has {foreign.sum()} pixels in {count} colours of no label, first "
        f"#{color[0]:02x}{color[1]:02x}{color[2]:02x} at ({x}, {y}), nearest to "
        f"{TITLES[labels[y, x]].lower()}: use the palette, or snap colours to the nearest label"
    )
