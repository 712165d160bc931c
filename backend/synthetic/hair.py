"""Scalp hair as thickness, cover and shade over the skin."""

from __future__ import annotations

import torch
from torch import Tensor

from .curves import azimuth, ear_clearance, hairline
from .detail import PARTING_X, column
from .params import HeadParams
from .smooth import fall, gauss, smooth_min, smoothstep


def scalp_hair(p: Tensor, detail: Tensor, params: HeadParams) -> tuple[Tensor, Tensor, Tensor]:
    """Return thickness (m), cover (0..1) and shade (B, N) of short hair at `p` (B, N, 3).

    `detail` is detail_fields(p). Thickness is to be subtracted from the skin distance; cover
    mixes `params.hair * shade` over the skin colour (shade about 0.4..1.2).
    """
    s = _Columns(params)
    x, y, z = p.unbind(-1)
    az = azimuth(x, y)
    inside, cover = _border(x, y, z, az, detail, s)
    length = _length(y, z, az, inside, s)
    ridge, strand = _flow(y, detail, s)
    thickness, crevice = _sculpt(x, y, z, length, ridge, detail, s)
    # The edge is rounded: thickness rises over about 0.4 of itself behind the hairline.
    round_off = 0.0022 + 0.40 * thickness
    thickness = thickness * (1.0 - torch.exp(-inside.clamp(min=0.0) / round_off)) * cover
    shade = _shade(thickness, crevice, strand, detail, s)
    density = _density(thickness, inside, az, strand, detail, s)
    return thickness, cover * density, shade


class _Columns:
    """Params with a trailing point axis: `s.top` is (B, 1) (or (B, 1, 3))."""

    def __init__(self, params: HeadParams) -> None:
        self._params = params

    def __getattr__(self, name: str) -> Tensor:
        value = getattr(self._params, name)[:, None]
        setattr(self, name, value)
        return value


def _border(
    x: Tensor, y: Tensor, z: Tensor, az: Tensor, detail: Tensor, s: _Columns
) -> tuple[Tensor, Tensor]:
    """Return the distance (m) inside the hairline and the soft cover (0..1)."""
    front = fall(az, 0.75, 1.15)
    rough = column(detail, "hairline_noise")
    temple = gauss(az - 0.62, 0.40)
    line = hairline(az) + s.recede * (0.022 * temple + 0.024 * front)
    # Fringe: the line drops over the forehead, its edge broken by locks.
    lock = 0.6 * column(detail, "whorl_mid") + 0.4 * column(detail, "whorl_coarse")
    line = line - s.fringe * 0.034 * front * (1.0 - 0.35 * gauss(az, 0.25) * (1.0 - s.fringe))
    jagged = s.tuft * 0.0055 + 0.0030 * s.fringe
    line = line + front * jagged * (0.5 * column(detail, "tuft") - lock)
    line = line - s.sideburn * 0.012 * gauss(az - 1.43, 0.10)
    inside = z - line + (0.0022 + 0.0016 * s.radial * (1.0 - s.fringe) * front) * rough
    ear = ear_clearance(x.abs(), y, z) + 0.0010 * rough
    inside = smooth_min(inside, ear, 0.008)
    side = smoothstep(az, 0.95, 1.25)
    short = fall(s.side, 0.007, 0.013)
    soft_front = (1.0 - side) * (0.003 + 0.004 * fall(s.front, 0.004, 0.012))
    # Hair that recedes thins out before it ends.
    thinning = 0.055 * s.recede.clamp(0, 1).square() * fall(az, 1.0, 1.45)
    soft = 0.006 + soft_front + side * short * (0.006 + 0.012 * s.fade) + thinning
    cover = smoothstep(inside, -0.0035, soft)
    crown = smoothstep(z - 0.10 * y, 0.055, 0.082) * fall(y, 0.14, 0.185)
    return inside, cover * (1.0 - s.bald * crown)


def _length(y: Tensor, z: Tensor, az: Tensor, inside: Tensor, s: _Columns) -> Tensor:
    """Return the hair length (m): side to top by height, front lift, nape taper, fade."""
    up = smoothstep(z + 0.10 * (y - 0.07), 0.035, 0.095)
    forward = fall(y, -0.01, 0.07) * up
    # Below the crown long hair is a volume (hair_volume.py): only a flat layer lies under it.
    under = s.long * smoothstep(az, 0.85, 1.25) * fall(z, 0.030, 0.095)
    low_back = smoothstep(-z, -0.02, 0.05) * smoothstep(y, 0.08, 0.13)
    # Fade: the sides start almost shaved at the border and reach full length 60 mm above it.
    fade = 1.0 - s.fade * 0.70 * fall(inside, 0.006, 0.060)
    side = s.side * fade
    length = side + (s.top - side) * up
    length = length + (s.front - length) * forward
    length = length + (s.nape * fade - length) * low_back
    return length * (1.0 - 0.50 * under)


def _flow(y: Tensor, detail: Tensor, s: _Columns) -> tuple[Tensor, Tensor]:
    """Return lock ridges and fine strands (-1..1), blended over the flows of the style."""
    right = 0.5 - 0.5 * s.ps / (s.ps.abs() + 1e-3)
    parted = s.part * (1.0 - s.long)
    weights = {
        "whorl": s.radial,
        "left": parted * (1.0 - right),
        "right": parted * right,
        "centre": s.part * s.long,
        "back": s.back,
    }
    total = sum(weights.values()) + 1e-6
    coarse, mid, strand = (
        sum(w * column(detail, f"{flow}_{scale}") for flow, w in weights.items()) / total
        for scale in ("coarse", "mid", "strand")
    )
    ridge = 0.58 * coarse + 0.42 * mid
    return ridge, strand


def _sculpt(
    x: Tensor, y: Tensor, z: Tensor, t: Tensor, ridge: Tensor, detail: Tensor, s: _Columns
) -> tuple[Tensor, Tensor]:
    """Return thickness with locks, tufts, parting and curls, and the crevice shade (0..1)."""
    curly = s.curl.clamp(max=1.0)
    smooth = 1.0 - (s.curl + s.small).clamp(0.0, 1.0)
    amount = 0.105 * smooth * s.lock_depth
    crevice = 0.62 + (0.5 * ridge - 0.12) * (0.25 + 0.75 * smoothstep(t, 0.002, 0.006))
    t = t * (1.0 + amount * (1.25 * ridge - 0.1))
    tuft = column(detail, "tuft") * s.tuft * smoothstep(t, 0.004, 0.012)
    t = t * (1.0 + 0.24 * tuft)
    crevice = crevice + 0.30 * tuft
    t = t * (1.0 + 0.11 * column(detail, "slow") * smoothstep(t, 0.004, 0.012))
    # Parting: a groove, less volume beside it, more on the far side.
    dx = x - PARTING_X * s.ps
    top = smoothstep(z + 0.10 * (y - 0.07), 0.035, 0.095)
    groove = gauss(dx, 0.0040) * smoothstep(z, 0.06, 0.09) * fall(y, 0.07, 0.13)
    lean = torch.tanh(-dx * torch.sign(s.ps) / 0.02) * top * (1.0 - 0.75 * s.long)
    t = t * (1.0 - 0.48 * s.part * groove) * (1.0 - 0.30 * s.part * gauss(dx, 0.022) * top)
    t = t * (1.0 + 0.24 * s.part * lean)
    crevice = crevice * (1.0 - 0.6 * s.part * groove)
    # Curls of two sizes, and winding strands on them.
    large, small = column(detail, "curl_large"), column(detail, "curl_small")
    twist = column(detail, "curl_twist")
    curl = 0.5 + 0.5 * (0.66 * large + 0.34 * small)
    deep = 0.78 + 0.22 * fall(t, 0.012, 0.030)
    t = t * (1.0 + curly * deep * (curl - 0.72)) + 0.0006 * curly * twist * (t > 0.004)
    crevice = crevice + curly * (0.16 + 0.70 * curl + 0.14 * twist - crevice)
    t = t + s.small * smoothstep(t, 0.002, 0.010) * (0.0034 * small + 0.0016 * large)
    crevice = crevice + s.small * (0.50 + 0.38 * small + 0.12 * twist - crevice)
    return t, crevice


def _shade(
    thickness: Tensor, crevice: Tensor, strand: Tensor, detail: Tensor, s: _Columns
) -> Tensor:
    """Return the factor on the hair colour: crevices and roots darker, strands, locks vary."""
    longest = torch.maximum(s.top, s.side).clamp(min=1e-4)
    root = 0.74 + 0.26 * smoothstep(thickness / longest, 0.05, 0.60)
    curly = (s.curl + s.small).clamp(0.0, 1.0)
    fine = (0.085 * strand) * (1.0 - 0.8 * curly)
    tone = 0.07 * column(detail, "medium") + 0.06 * curly * column(detail, "curl_tone")
    return (0.64 + 0.42 * crevice + fine) * root * (1.0 + tone)


def _density(
    thickness: Tensor, inside: Tensor, az: Tensor, strand: Tensor, detail: Tensor, s: _Columns
) -> Tensor:
    """Return how much hair colour hides the skin: thin hair lets it through."""
    long_hair = smoothstep(s.top, 0.003, 0.006)
    thin = 0.42 + 0.58 * smoothstep(thickness, 0.0003, 0.0034)
    thin = thin * (1.0 + 0.25 * (1.0 - thin) * strand)
    stubble = 0.80 * (s.side / 0.0016).clamp(0.25, 1.0) * (1.0 + 0.05 * column(detail, "fine"))
    faded = 1.0 - 0.45 * s.fade * smoothstep(az, 0.95, 1.3) * fall(inside, 0.004, 0.036)
    return (stubble + (thin - stubble) * long_hair).clamp(0.0, 1.0) * faded
