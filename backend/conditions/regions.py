"""Which parts of a picture an attribute shows in, for edits and contradictions."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..synthetic.labels import LABEL_INDEX, LABELS
from .table import ATTRIBUTES

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
    "beard": ("skin", "neck", *_LIPS),
    "beard_length": ("skin", "neck", *_LIPS),
    "iris_hue": _EYES,
}
# What lies before what: of two classes that meet in a changed pixel, the one in front has changed.
_LAYERS: tuple[tuple[str, ...], ...] = (
    ("background",),
    ("skin", "neck"),
    ("nose", *_LIPS, *_EYES, *_BROWS, *_EARS),
    ("hair", "cloth"),
    ("eye_g", "ear_r", "hat", "neck_l"),
)
_LAYER = {name: layer for layer, names in enumerate(_LAYERS) for name in names}
# What a new thing covers is not yet of its class: these hide more than the class itself.
_WIDER: dict[str, tuple[str, ...]] = {
    "glasses": (*_EYES, *_BROWS),
    "hair_style": (*_EARS, "background", "neck"),
    "hair_length": (*_EARS, "background", "neck"),
    "hair_volume": (*_EARS, "background"),
    "hair_curl": (*_EARS, "background", "neck"),
    "sideburns": _EARS,
    "earrings": _EARS,
}

# class -> what its presence and its absence in a map say of an attribute
_WORN: dict[str, tuple[str, float | str, float | str]] = {
    "eye_g": ("glasses", "round", "none"),
    "ear_r": ("earrings", 1.0, 0.0),
}
_OF_MASK, _OF_CLASS = 0.1, 0.25  # shares from which a mask is about a class


def class_mask(labels: Tensor, classes: tuple[str, ...]) -> Tensor:
    """Where labels (B, S, S) are one of `classes`: (B, 1, S, S) bool."""
    wanted = torch.tensor([LABEL_INDEX[name] for name in classes], device=labels.device)
    return torch.isin(labels, wanted)[:, None]


def shaped_classes(attributes: Iterable[str]) -> tuple[str, ...]:
    """Classes whose outlines follow from some attributes."""
    return tuple({name for attribute in attributes for name in SHAPES.get(attribute, ())})


def shown_classes(attributes: Iterable[str]) -> tuple[str, ...]:
    """Classes whose outlines or colours follow from some attributes, or that they cover."""
    tables = (SHAPES, _WIDER, COLORS)
    return tuple({name for a in attributes for table in tables for name in table.get(a, ())})


def shape_region(labels: Tensor, attribute: str) -> Tensor:
    """Where a change of `attribute` may move outlines: (B, 1, S, S) bool."""
    classes = SHAPES.get(attribute, ()) + _WIDER.get(attribute, ())
    return class_mask(labels, classes)


def color_region(labels: Tensor, attribute: str) -> Tensor:
    """Where a change of `attribute` may change colours: (B, 1, S, S) bool."""
    classes = SHAPES.get(attribute, ()) + _WIDER.get(attribute, ()) + COLORS.get(attribute, ())
    return class_mask(labels, classes)


def repainted_classes(before: Tensor, after: Tensor) -> tuple[str, ...]:
    """Classes that were changed by painting labels `after` over labels `before`, both (B, S, S).

    Hair painted over skin changes the hair: what is behind stays what it was.
    """
    changed = before != after
    pairs = torch.stack([before[changed], after[changed]], 1).unique(dim=0).tolist()
    touched: set[str] = set()
    for pair in pairs:
        names = [LABELS[i] for i in pair]
        front = max(_LAYER[name] for name in names)
        touched |= {name for name in names if _LAYER[name] == front}
    return tuple(name for name in LABELS if name in touched)


def put_on(before: Tensor, after: Tensor) -> dict[str, float | str]:
    """Attributes that follow from labels `after` painted over labels `before`, both (B, S, S): of
    what was put on or taken off.  Rims are too thin to be left to the picture alone."""
    found = {}
    for name, (attribute, worn, bare) in _WORN.items():
        was, now = (bool(class_mask(labels, (name,)).any()) for labels in (before, after))
        if was != now:
            found[attribute] = worn if now else bare
    return found


def masked_classes(labels: Tensor, mask: Tensor) -> tuple[str, ...]:
    """Classes of labels (B, S, S) that a mask (B, 1, S, S) bool is about: much of the mask or of
    the class lies within."""
    found = []
    for index in labels[mask[:, 0]].unique().tolist():
        own = (labels == index)[:, None]
        within = int((own & mask).sum())
        if within > _OF_MASK * int(mask.sum()) or within > _OF_CLASS * int(own.sum()):
            found.append(LABELS[index])
    return tuple(found)


def attributes_of_classes(classes: tuple[str, ...], colors: bool = False) -> tuple[str, ...]:
    """Attributes that changing `classes` puts in question: those that shape them, and those that
    colour them if `colors`.

    What shapes the whole face is put in question by the skin only, not by a nose.
    """

    def about(touched: tuple[str, ...]) -> bool:
        return bool({"skin"} & set(classes) if "skin" in touched else set(touched) & set(classes))

    found = {name for name, shaped in SHAPES.items() if about(shaped)}
    if colors:
        found |= {name for name, colored in COLORS.items() if about(colored)}
    return tuple(a.name for a in ATTRIBUTES if a.name in found)


def dilate(mask: Tensor, radius: int) -> Tensor:
    """Grow a mask (B, 1, S, S) bool by `radius` pixels (a square)."""
    if radius <= 0:
        return mask
    return F.max_pool2d(mask.float(), 2 * radius + 1, stride=1, padding=radius) > 0.5
