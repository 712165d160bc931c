"""The photo and the map that a head was made from, as images to look at and to ask for again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bpy
import numpy as np

from .backend.answer.packed import EvidenceError, unpack
from .backend.conditions.palette import PALETTE
from .paint_map import new_map_image
from .pictures import new_image


def evidence_images(
    stored: Mapping[str, Any], head: str
) -> tuple[bpy.types.Image | None, bpy.types.Image | None]:
    """Return new images of the photo and of the label map in `stored`, None for what is not there.

    stored: what `Evidence.encode` gave for the head called `head`.  Raises ValueError if it is
    damaged; then no image is made.
    """
    photo = labels = None
    if "image" in stored:
        alpha = _alpha(unpack(stored["image_given"], "image_given"))
        photo = np.dstack([unpack(stored["image"], "image"), alpha])
    if "labels" in stored:
        labels = unpack(stored["labels"], "labels")
        if labels.max() >= len(PALETTE):
            raise EvidenceError(f"labels: expected classes below {len(PALETTE)}")
        alpha = _alpha(unpack(stored["labels_given"], "labels_given"))
    return (
        None if photo is None else new_image(f"{head} Photo", photo),
        None if labels is None else new_map_image(head, labels, alpha),
    )


def _alpha(given: np.ndarray) -> np.ndarray:
    return np.where(given, np.uint8(255), np.uint8(0))
