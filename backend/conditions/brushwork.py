"""What a map says that was painted on with brushes: soft, faint and crossing strokes as labels.

NumPy alone, for Blender's own thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from .painted import near_labels, nearest_labels, resize_labels
from .palette import PALETTE

_REACH = 0.08  # of the side: how far from a stroke's core its soft edge may reach
# Worse than an edge of one of the labels beside it that lies over what the map showed before (in
# steps of 255 of colour): an edge between two of them, and a stroke so faint that it has no core.
_CROSSING, _FAINT = 2.0, 10.0


def settle_strokes(pixels: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The map (H, H, 4) uint8 in nothing but the palette's colours, and as opaque as it is.

    before: the labels (S, S) that it showed before it was painted on.  A pixel between two colours
    is the label of the one that is nearer: of the stroke where it covers half of what was there.
    """
    colors = pixels[..., :3]
    labels, exact = nearest_labels(colors)
    soft = ~exact
    if soft.any():
        before = resize_labels(before.astype(np.int64), len(labels))
        labels[soft] = _unmixed(
            colors[soft], before[soft], near_labels(labels, exact, soft, _REACH)
        )
    return np.dstack([np.array(PALETTE, np.uint8)[labels], pixels[..., 3]])


def _unmixed(colors: np.ndarray, before: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Labels (N,) of mixed colors (N, 3); before (N,); near (19, N): which labels are beside it."""
    here, palette = colors.astype(np.float64), np.array(PALETTE, np.float64)
    best, label = np.full(len(here), np.inf), before.copy()
    for one, other, extra in _mixtures(before, near):
        start = palette[one]
        way = palette[other] - start
        length = np.maximum(np.square(way).sum(-1), 1.0)
        along = np.clip(((here - start) * way).sum(1) / length, 0.0, 1.0)
        away = np.sqrt(np.square(here - start - along[:, None] * way).sum(1)) + extra
        label = np.where(away < best, np.where(along < 0.5, one, other), label)
        best = np.minimum(best, away)
    return label


def _mixtures(
    before: np.ndarray, near: np.ndarray
) -> Iterator[tuple[np.ndarray | int, int, np.ndarray]]:
    """Pairs of labels that pixels may be mixed of, and how much worse (N,) each is than the best
    kind."""
    for label in range(len(near)):
        yield before, label, np.where(near[label], 0.0, _FAINT)
    present = np.nonzero(near.any(1))[0]
    for one, other in combinations(present.tolist(), 2):
        yield one, other, np.where(near[one] & near[other], _CROSSING, np.inf)
