"""Derived values of a head: everything the features and the generator need, one tensor each."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class HeadParams:
    """Values derived from a batch of B latents: (B,) scalars, (B, 3) sRGB colours, (B, 14) `w`.

    Lengths are metres, amounts are 0..1, `masc` is -1 (feminine) .. 1 (masculine).
    """

    # colours
    skin: Tensor
    lipc: Tensor
    iris: Tensor
    hair: Tensor
    browc: Tensor
    # skin
    m: Tensor  # melanin
    redness: Tensor  # about -2..2
    undertone: Tensor  # about -2..2
    freckles: Tensor
    age: Tensor
    masc: Tensor
    stick: Tensor  # lipstick
    shadow: Tensor  # eye shadow
    blush: Tensor
    # hair style, see styles.py
    top: Tensor
    front: Tensor
    side: Tensor
    nape: Tensor
    recede: Tensor
    fringe: Tensor
    part: Tensor
    back: Tensor
    radial: Tensor
    curl: Tensor
    small: Tensor
    long: Tensor
    zend: Tensor
    vol: Tensor
    tail: Tensor
    bun: Tensor
    bald: Tensor
    fade: Tensor
    tuft: Tensor
    ps: Tensor  # parting side: about -1 right, 1 left
    wave: Tensor
    sideburn: Tensor  # -1 short .. 1 long
    lock_depth: Tensor  # strength of the locks, about 1
    grey: Tensor
    # beard: stubble, moustache, goatee, full; length in metres
    b_st: Tensor
    b_mu: Tensor
    b_go: Tensor
    b_fu: Tensor
    b_len: Tensor
    # brows and eyes
    brow_th: Tensor
    brow_arch: Tensor
    brow_slope: Tensor
    brow_dens: Tensor
    lash: Tensor
    iris_radius: Tensor  # angular radius of the iris, radians
    # accessories
    glass: Tensor
    glass_shape: Tensor
    ear: Tensor
    # weights of the hair styles, order of STYLE_NAMES (not part of `vector`)
    w: Tensor

    def vector(self) -> Tensor:
        """Return all values but `w`, scaled to about [-1, 1], as (B, VECTOR_DIM)."""
        columns = []
        for name, (center, scale) in _SCALING.items():
            value = getattr(self, name)
            columns.append(value if value.ndim == 2 else value[:, None])
            columns[-1] = (columns[-1] - center) / scale
        return torch.cat(columns, dim=1)

    def select(self, index: Tensor | slice) -> HeadParams:
        """Return the params of the heads picked by `index` along the batch."""
        return HeadParams(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


_UNIT = (0.5, 0.5)
_COLORS = ("skin", "lipc", "iris", "hair", "browc")
# name -> (value mapped to 0, distance mapped to 1); this order is the order of `vector`
_SCALING: dict[str, tuple[float, float]] = {
    **{name: _UNIT for name in _COLORS},
    **{f.name: _UNIT for f in fields(HeadParams) if f.name not in (*_COLORS, "w")},
    "redness": (0.0, 2.0),
    "undertone": (0.0, 2.0),
    "masc": (0.0, 1.0),
    "top": (0.022, 0.025),
    "front": (0.022, 0.025),
    "side": (0.015, 0.020),
    "nape": (0.012, 0.018),
    "zend": (-0.10, 0.10),
    "ps": (0.0, 1.0),
    "sideburn": (0.0, 1.0),
    "lock_depth": (1.0, 0.5),
    "b_len": (0.006, 0.006),
    "brow_th": (0.005, 0.002),
    "brow_arch": (0.0055, 0.004),
    "brow_slope": (0.0, 0.003),
    "brow_dens": (0.75, 0.25),
    "iris_radius": (0.340, 0.035),
}

VECTOR_NAMES = tuple(
    f"{name}.{channel}" if name in _COLORS else name
    for name in _SCALING
    for channel in ("rgb" if name in _COLORS else "1")
)
VECTOR_DIM = len(VECTOR_NAMES)


def vector_slice(name: str) -> slice:
    """Return where a value lies in `HeadParams.vector`."""
    columns = [i for i, entry in enumerate(VECTOR_NAMES) if entry.split(".")[0] == name]
    if not columns:
        raise ValueError(f"expected one of {tuple(_SCALING)}, got {name!r}")
    return slice(columns[0], columns[-1] + 1)


def from_vector(vector: Tensor, name: str) -> Tensor:
    """Return one value, (B,) or (B, 3), in its own units from vectors (B, VECTOR_DIM)."""
    center, scale = _SCALING[name]
    value = vector[:, vector_slice(name)] * scale + center
    return value if name in _COLORS else value[:, 0]
