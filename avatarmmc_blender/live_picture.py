"""The head as it is now while it is refined: left by the job's thread, taken by Blender's own."""

from __future__ import annotations

import numpy as np

# The newest picture that was not taken yet; assigning it is one step for all threads.
_newest: np.ndarray | None = None


def put(picture: np.ndarray) -> None:
    """Leave a picture (S, S, 3) uint8 sRGB, row 0 on top; on any thread."""
    global _newest
    _newest = picture


def take() -> np.ndarray | None:
    """Return the newest picture once, or None."""
    global _newest
    picture, _newest = _newest, None
    return picture
