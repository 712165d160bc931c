"""Which of a head's derived values an edit of an attribute may change; all others are held.

Narrower than what moves together in heads at large: fair skin goes with fair hair there, but who
asks for other skin keeps the hair.  Attributes of the face change its shape besides.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ..synthetic.params import VECTOR_DIM, vector_slice

_STYLE = ("top", "front", "side", "nape", "recede", "fringe", "part", "back", "radial", "curl",
          "small", "long", "zend", "vol", "tail", "bun", "bald", "fade", "tuft", "ps",
          "wave")  # fmt: skip
_BEARD = ("b_st", "b_mu", "b_go", "b_fu")
EDITED_VALUES: dict[str, tuple[str, ...]] = {
    # a feminine face shows no beard, a masculine one no make-up
    "masculinity": ("lash", "brow_th", "brow_arch", "stick", "lipc", "shadow", "blush", *_BEARD,
                    "b_len"),
    "age": ("age",),  # wrinkles; grey hair is asked for by its own name
    "skin_tone": ("m", "skin", "lipc"),
    "skin_undertone": ("undertone", "skin", "lipc"),
    "skin_redness": ("redness", "skin", "lipc"),
    "freckles": ("freckles",),
    "lipstick": ("stick", "lipc"),
    "eye_shadow": ("shadow",),
    "blush": ("blush",),
    "hair_style": _STYLE,
    "hair_volume": ("top", "front", "side"),
    "hair_length": ("zend",),
    "hairline": ("recede",),
    "hair_curl": ("curl", "wave"),
    "parting": ("ps",),
    "hair_lightness": ("hair", "browc"),
    "hair_red": ("hair", "browc"),
    "hair_grey": ("grey", "hair", "browc"),
    "beard": _BEARD,
    "beard_length": ("b_len",),
    "sideburns": ("sideburn",),
    "iris_hue": ("iris",),
    "brow_thickness": ("brow_th",),
    "brow_arch": ("brow_arch",),
    "brow_slope": ("brow_slope",),
    "glasses": ("glass", "glass_shape"),
    "earrings": ("ear",),
}  # fmt: skip
# what no attribute names, but a picture shows where it shows these
_UNNAMED: dict[str, tuple[str, ...]] = {
    "eye_shadow": ("lash",),
    "iris_hue": ("iris_radius",),
    "brow_thickness": ("brow_dens",),
    "hair_volume": ("lock_depth",),
}


def edited_columns(attributes: Iterable[str], pictured: bool = False) -> Tensor:
    """Columns of the values' vector that an edit of attributes may change: (VECTOR_DIM,) bool.

    pictured: an edit by a picture or a mask, which also tells of values without an attribute.
    """
    free = torch.zeros(VECTOR_DIM, dtype=torch.bool)
    for attribute in attributes:
        names = EDITED_VALUES.get(attribute, ())
        for name in names + (_UNNAMED.get(attribute, ()) if pictured else ()):
            free[vector_slice(name)] = True
    return free
