"""Which parts of a picture an attribute shows in, for edits and contradictions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..synthetic.labels import LABEL_INDEX

_FACE = ("skin", "neck", "nose", "u_lip", "l_lip", "mouth", "l_ear", "r_ear")
_EYES = ("l_eye", "r_eye")
_BROWS = ("l_brow", "r_brow")
_LIPS = ("u_lip", "l_lip", "mouth")
_EARS = ("l_ear", "r_ear")

# attribute -> classes that it shapes: their outlines follow from it
SHAPES: dict[str, tuple[str, ...]] = {
    "masculinity": ("skin", "neck", "nose", *_LIPS, *_EYES, *_BROWS),
    "age": ("skin", "neck", "nose", *_LIPS),
    "weight": ("skin", "neck"),
    "ancestry_african": ("skin", "nose", *_LIPS, *_EYES),
    "ancestry_asian": ("skin", "nose", *_LIPS, *_EYES),
    "ancestry_european": ("skin", "nose", *_LIPS, *_EYES),
    "face_length": ("skin", "neck"),
    "jaw_width": ("skin", "neck"),
    "chin_height": ("skin", "neck"),
    "cheekbones": ("skin",),
    "nose_width": ("nose",),
    "nose_length": ("nose",),
    "nose_profile": ("nose",),
    "mouth_width": _LIPS,
    "lip_fullness": _LIPS,
    "ear_size": _EARS,
    "hair_style": ("hair",),
    "hair_volume": ("hair",),
    "hair_length": ("hair",),
    "hairline": ("hair",),
    "hair_curl": ("hair",),
    "parting": ("hair",),
    "sideburns": ("hair",),
    "eye_size": _EYES,
    "eye_tilt": _EYES,
    "brow_thickness": _BROWS,
    "brow_arch": _BROWS,
    "brow_slope": _BROWS,
    "glasses": ("eye_g",),
    "earrings": ("ear_r",),
}
# attribute -> classes that it only colours
COLORS: dict[str, tuple[str, ...]] = {
    "age": _FACE,
    "skin_tone": _FACE,
    "skin_undertone": _FACE,
    "skin_redness": _FACE,
    "freckles": ("skin", "nose"),
    "lipstick": _LIPS,
    "eye_shadow": (*_EYES, "skin"),
    "blush": ("skin",),
    "hair_lightness": ("hair", *_BROWS),
    "hair_red": ("hair", *_BROWS),
    "hair_grey": ("hair", *_BROWS),
    "beard": ("skin", *_LIPS),
    "beard_length": ("skin", *_LIPS),
    "iris_hue": _EYES,
}
# What a new thing covers is not yet of its class: these hide more than the class itself.
_WIDER: dict[str, tuple[str, ...]] = {
    "glasses": (*_EYES, *_BROWS),
    "hair_style": (*_EARS, "background", "neck"),
    "hair_length": (*_EARS, "background", "neck"),
    "earrings": _EARS,
}


def class_mask(labels: Tensor, classes: tuple[str, ...]) -> Tensor:
    """Where labels (B, S, S) are one of `classes`: (B, 1, S, S) bool."""
    wanted = torch.tensor([LABEL_INDEX[name] for name in classes], device=labels.device)
    return torch.isin(labels, wanted)[:, None]


def shape_region(labels: Tensor, attribute: str) -> Tensor:
    """Where a change of `attribute` may move outlines: (B, 1, S, S) bool."""
    classes = SHAPES.get(attribute, ()) + _WIDER.get(attribute, ())
    return class_mask(labels, classes)


def color_region(labels: Tensor, attribute: str) -> Tensor:
    """Where a change of `attribute` may change colours: (B, 1, S, S) bool."""
    classes = SHAPES.get(attribute, ()) + _WIDER.get(attribute, ()) + COLORS.get(attribute, ())
    return class_mask(labels, classes)


def attributes_of_classes(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Attributes that repainting `classes` puts in question: those that shape them."""
    return tuple(name for name, shaped in SHAPES.items() if set(shaped) & set(classes))


def dilate(mask: Tensor, radius: int) -> Tensor:
    """Grow a mask (B, 1, S, S) bool by `radius` pixels (a square)."""
    if radius <= 0:
        return mask
    return F.max_pool2d(mask.float(), 2 * radius + 1, stride=1, padding=radius) > 0.5
