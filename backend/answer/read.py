"""From what a user gives to evidence: photo, label map and mask as files or as pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..perception.framing import Frame
from ..perception.network import FaceNetwork
from .evidence import Evidence

# a file, or pixels (H, W, 3 or 4) uint8 sRGB, row 0 on top
Picture = Path | np.ndarray


def read_evidence(
    image: Picture | None = None,
    segmentation: Picture | None = None,
    mask: Picture | None = None,
    attributes: Mapping[str, float | str] | None = None,
    network: FaceNetwork | None = None,
    crop: Frame | None = None,
    snap: bool = False,
    tick: Callable[[], None] | None = None,
) -> Evidence:
    """What a photo, a label map, a mask and attributes say about one head.

    The face of the photo is found (or `crop` says where it is), cut out and read by `network`; a
    `segmentation` takes the place of the labels read off it.  Where the `mask` is white neither
    photo nor map is used.  `snap` lets colours that are no label's become the nearest one.
    tick() is called between the steps; what it raises ends the work.  Raises ValueError with one
    sentence.
    """
    raise NotImplementedError
