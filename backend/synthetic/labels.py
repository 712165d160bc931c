"""Label classes: the 19 of CelebAMask-HQ in the order of its tools, and an internal beard class.

`l_` is the subject's left (x > 0).  hat, necklace and cloth never occur here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .face import FaceCoordinates

LABELS = (
    "background",
    "skin",
    "nose",
    "eye_g",
    "l_eye",
    "r_eye",
    "l_brow",
    "r_brow",
    "l_ear",
    "r_ear",
    "mouth",
    "u_lip",
    "l_lip",
    "hair",
    "hat",
    "ear_r",
    "neck_l",
    "neck",
    "cloth",
    "beard",
)
LABEL_INDEX = {name: index for index, name in enumerate(LABELS)}
BACKGROUND_DISTANCE = 0.020

_JAW_Y = (-0.03, 0.0, 0.035, 0.07, 0.10, 0.13)
_JAW_Z = (-0.146, -0.139, -0.131, -0.112, -0.070, -0.045)


def surface_labels(
    face: FaceCoordinates,
    covers: dict[str, Tensor],
    sdf: Tensor,
) -> Tensor:
    """Class index (B, N) int64 of the field without parts.

    `covers` holds (B, N) covers 0..1 named upper_lip, lower_lip, brow, mouth, hair and beard.
    Points farther than 20 mm outside the surface are background.
    """
    left = face.x > 0
    labels = torch.full_like(face.x, LABEL_INDEX["skin"], dtype=torch.int64)

    def paint(mask: Tensor, left_name: str, right_name: str | None = None) -> None:
        labels[mask & left] = LABEL_INDEX[left_name]
        labels[mask & ~left] = LABEL_INDEX[right_name or left_name]

    paint(face.z < _jaw_height(face.y), "neck")
    paint(_nose(face), "nose")
    paint(_ear(face), "l_ear", "r_ear")
    paint(covers["beard"] > 0.5, "beard")
    paint(covers["upper_lip"] > 0.5, "u_lip")
    paint(covers["lower_lip"] > 0.5, "l_lip")
    paint(covers["brow"] > 0.35, "l_brow", "r_brow")
    paint(covers["mouth"] > 0.5, "mouth")
    paint(covers["hair"] > 0.45, "hair")
    paint(sdf > BACKGROUND_DISTANCE, "background")
    return labels


def official_labels(labels: Tensor) -> Tensor:
    """Fold the internal beard class into skin, leaving the 19 classes of CelebAMask-HQ."""
    skin = torch.full_like(labels, LABEL_INDEX["skin"])
    return torch.where(labels == LABEL_INDEX["beard"], skin, labels)


def _nose(face: FaceCoordinates) -> Tensor:
    width = 0.010 + 0.013 * ((-face.z - 0.008) / 0.032).clamp(0, 1)
    return (face.side < width) & (face.z < 0) & (face.z > -0.0575) & (face.y < -0.019)


def _ear(face: FaceCoordinates) -> Tensor:
    beside = (face.side > 0.0845) & (face.y > 0.055) & (face.y < 0.13)
    return beside & (face.z < 0.018) & (face.z > -0.066)


def _jaw_height(y: Tensor) -> Tensor:
    """Height (B, N) of the border between face and neck, a table over canonical y."""
    height = torch.full_like(y, _JAW_Z[0])
    segments = zip(_JAW_Y[:-1], _JAW_Y[1:], _JAW_Z[:-1], _JAW_Z[1:], strict=True)
    for y0, y1, z0, z1 in segments:
        height = height + (z1 - z0) * ((y - y0) / (y1 - y0)).clamp(0, 1)
    return height
