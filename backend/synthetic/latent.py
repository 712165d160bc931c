"""Latent vectors of synthetic heads and the closed-form values derived from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .params import HeadParams
from .smooth import palette, smoothstep
from .styles import STYLE_NAMES, STYLE_PARAMETERS, STYLE_PRIORS, STYLES

SHAPE_DIM = 64
# Appearance Gaussians, in order after the shape coefficients.
APPEARANCE_NAMES = (
    "melanin", "redness", "undertone", "freckles", "age", "lips_redness", "lipstick", "eyeshadow",
    "blush", "iris_hue", "iris_size", "lash", "brow_thick", "brow_arch", "brow_slope", "brow_dens",
    "hair_light", "hair_red", "grey", "s0", "s1", "s2", "s3", "s4", "volume", "length", "curl",
    "hairline", "part_side", "fringe", "beard", "must", "goatee", "full", "beard_len", "sideburn",
    "lock_depth", "glasses", "glass_shape", "earring",
)  # fmt: skip
APPEARANCE_INDEX = {name: SHAPE_DIM + i for i, name in enumerate(APPEARANCE_NAMES)}
LATENT_DIM = SHAPE_DIM + len(APPEARANCE_NAMES)
LATENT_LIMIT = 2.6
STYLE_SLICE = slice(APPEARANCE_INDEX["s0"], APPEARANCE_INDEX["s4"] + 1)

SKIN_STOPS = (
    (0.945, 0.800, 0.725),
    (0.905, 0.725, 0.625),
    (0.800, 0.600, 0.475),
    (0.665, 0.465, 0.345),
    (0.475, 0.310, 0.225),
    (0.300, 0.195, 0.145),
)
HAIR_STOPS = (
    (0.040, 0.032, 0.030),
    (0.105, 0.068, 0.048),
    (0.220, 0.135, 0.082),
    (0.360, 0.215, 0.115),
    (0.600, 0.420, 0.220),
    (0.800, 0.655, 0.430),
)
IRIS_STOPS = (
    (0.13, 0.07, 0.04),
    (0.27, 0.15, 0.075),
    (0.40, 0.29, 0.12),
    (0.33, 0.40, 0.24),
    (0.27, 0.42, 0.54),
    (0.47, 0.58, 0.66),
)
LIPSTICK_STOPS = ((0.45, 0.10, 0.13), (0.66, 0.13, 0.15), (0.72, 0.30, 0.30))
GREY_HAIR = (0.66, 0.655, 0.65)
STYLE_SHARPNESS = 28.0


def _style_directions() -> Tensor:
    """Spread one unit direction per style over the 4-sphere (seeded; mutual repulsion)."""
    generator = torch.Generator().manual_seed(11)
    d = torch.randn(len(STYLE_NAMES), 5, generator=generator, dtype=torch.float64)
    for _ in range(300):
        d = d / d.norm(dim=1, keepdim=True)
        gap = d[:, None] - d[None]
        d = d + 0.02 * (gap / (gap.norm(dim=2, keepdim=True) ** 3 + 1e-2)).sum(1)
    return (d / d.norm(dim=1, keepdim=True)).float()


STYLE_DIRECTIONS = _style_directions()


@dataclass(frozen=True)
class HeadMeasures:
    """Sizes (B,) of identities in metres, used by hair volumes: half width of the skull `hw`,
    rearmost y `yb`, highest z `zt`, half width over the ears `ew`."""

    hw: Tensor
    yb: Tensor
    zt: Tensor
    ew: Tensor

    def select(self, index: Tensor | slice) -> HeadMeasures:
        """Return the measures of the heads picked by `index` along the batch."""
        return HeadMeasures(self.hw[index], self.yb[index], self.zt[index], self.ew[index])


def sample_latents(n: int, seed: int, truncation: float = 1.0) -> Tensor:
    """Return `n` Gaussian latents (n, LATENT_DIM), clamped to +-2.6, from `seed`."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, LATENT_DIM, generator=generator) * truncation
    return z.clamp(-LATENT_LIMIT, LATENT_LIMIT)


def measure(model: Any, betas: Tensor) -> HeadMeasures:
    """Measure the neutral skin surface of `model` at shape coefficients `betas` (B, 64)."""
    top = (model.part == 0) & (model.v_template[:, 2] > 0.03)
    shapes = model.shapedirs[top]
    upper = model.v_template[top] + torch.einsum("bk,vck->bvc", betas, shapes)
    ears = model.masks["ears"] > 0.5
    ear_x = model.v_template[ears, 0] + betas @ model.shapedirs[ears, 0].T
    x, y, z = upper.unbind(-1)
    return HeadMeasures(hw=x.abs().amax(1), yb=y.amax(1), zt=z.amax(1), ew=ear_x.abs().amax(1))


def masculinity(shape: Tensor, model: Any) -> Tensor:
    """Return how masculine shape coefficients (B, 64) are, -1..1 typical, as (B,)."""
    direction = model.directions["masc"].to(shape)
    return shape @ direction / direction.square().sum()


def style_weights(style: Tensor, masc: Tensor) -> Tensor:
    """Return soft weights (B, 14) of the hair styles from five Gaussians (B, 5) and `masc` (B,).

    A sharp softmax over cosines: most heads are close to one preset, the others are blends.
    """
    prior = style.new_tensor([STYLE_PRIORS[name] for name in STYLE_NAMES])
    unit = style / (style.norm(dim=1, keepdim=True) + 1e-6)
    cosine = unit @ STYLE_DIRECTIONS.to(style).T
    logits = STYLE_SHARPNESS * cosine + prior[:, 0] + prior[:, 1] * masc.clamp(-1, 1)[:, None]
    return torch.softmax(logits, dim=1)


def derive(z: Tensor, model: Any) -> HeadParams:
    """Derive all head values from latents `z` (B, 104); `model` gives the masculinity direction.

    Raises ValueError when `z` has another shape.
    """
    if z.ndim != 2 or z.shape[1] != LATENT_DIM:
        raise ValueError(f"expected latents of shape (B, {LATENT_DIM}), got {tuple(z.shape)}")
    a = {name: z[:, i] for name, i in APPEARANCE_INDEX.items()}
    u = {name: torch.special.ndtr(value) for name, value in a.items()}
    masc = masculinity(z[:, :SHAPE_DIM], model)
    weights = style_weights(z[:, STYLE_SLICE], masc)
    return HeadParams(
        m=u["melanin"],
        redness=a["redness"],
        undertone=a["undertone"],
        freckles=smoothstep(u["freckles"], 0.72, 1.0),
        masc=masc,
        w=weights,
        **_colors(a, u, masc),
        **_hair(a, weights),
        **_beard(u, masc),
        **_face(a, u, masc),
    )


def _colors(a: dict[str, Tensor], u: dict[str, Tensor], masc: Tensor) -> dict[str, Tensor]:
    """Return colours and the amounts coupled to them."""
    new = masc.new_tensor
    dark = (u["melanin"] - 0.25).clamp(min=0.0)
    skin = palette(u["melanin"], SKIN_STOPS)
    flush = 0.025 * a["redness"][:, None] * new([0.6, -0.6, -0.5])
    warm = 0.020 * a["undertone"][:, None] * new([0.3, 0.3, -1.2])
    skin = skin * (1.0 + flush + warm)
    stick = 0.9 * smoothstep(u["lipstick"], 0.70, 1.0) * smoothstep(-masc, -0.3, 0.5)
    natural = skin * new([0.90, 0.67, 0.66]) + new([0.012, 0.0, 0.008])
    natural = natural * (1.0 + 0.05 * a["lips_redness"][:, None] * new([0.5, -0.8, -0.6]))
    lips = torch.lerp(natural, palette(u["lips_redness"], LIPSTICK_STOPS), stick[:, None])
    light = (u["hair_light"] * 1.08 - 0.7 * dark).clamp(0.0, 1.0)
    red = smoothstep(u["hair_red"], 0.6, 1.0) * smoothstep(light, 0.2, 0.5)
    red = red * smoothstep(1.0 - light, 0.05, 0.3)
    hair = palette(light, HAIR_STOPS) * (1.0 + red[:, None] * new([0.35, -0.10, -0.35]))
    age = smoothstep(u["age"], 0.55, 1.0)
    grey = (0.9 * smoothstep(u["grey"], 0.72, 1.0) + 0.35 * age * u["grey"]).clamp(0.0, 0.95)
    hair = torch.lerp(hair, new(GREY_HAIR).expand_as(hair), grey[:, None])
    iris = palette((u["iris_hue"] * 1.15 - 0.6 * dark).clamp(0.0, 1.0), IRIS_STOPS)
    brow = hair * 0.62 + new([0.035, 0.022, 0.016])
    return {
        "skin": skin, "lipc": lips, "iris": iris, "hair": hair, "browc": brow,
        "stick": stick, "age": age, "grey": grey,
    }  # fmt: skip


def _hair(a: dict[str, Tensor], weights: Tensor) -> dict[str, Tensor]:
    """Blend the style rows by `weights` (B, 14), then jitter lengths and amounts."""
    rows = weights @ weights.new_tensor([STYLES[name] for name in STYLE_NAMES])
    h = dict(zip(STYLE_PARAMETERS, rows.unbind(1), strict=True))
    gain = 1.0 + 0.18 * a["volume"]
    h["top"] = h["top"] * gain
    h["front"] = h["front"] * gain
    h["side"] = h["side"] * (1.0 + 0.12 * a["volume"])
    h["zend"] = h["zend"] + 0.012 * a["length"] * h["long"]
    curly = smoothstep(h["curl"], 0.15, 0.3)
    h["curl"] = (h["curl"] + 0.12 * a["curl"] * curly).clamp(0.0, 1.2)
    h["recede"] = (h["recede"] + 0.10 * a["hairline"]).clamp(0.0, 1.1)
    has_fringe = smoothstep(h["fringe"], 0.15, 0.3)
    h["fringe"] = (h["fringe"] + 0.15 * a["fringe"] * has_fringe).clamp(0.0, 1.0)
    h["ps"] = torch.tanh(20.0 * a["part_side"]) * (1.0 - 0.55 * h["long"])
    h["wave"] = (0.25 + 0.35 * a["curl"] + smoothstep(h["vol"], 0.7, 1.0)).clamp(0.0, 1.2)
    h["sideburn"] = torch.tanh(0.8 * a["sideburn"])
    h["lock_depth"] = 1.0 + 0.18 * a["lock_depth"]
    return h


def _beard(u: dict[str, Tensor], masc: Tensor) -> dict[str, Tensor]:
    """Return beard amounts; beards need a masculine shape."""
    beard = smoothstep(u["beard"], 0.45, 0.75) * smoothstep(masc, -0.1, 0.5)
    return {
        "b_st": beard,
        "b_mu": beard * smoothstep(u["must"], 0.55, 0.75),
        "b_go": beard * smoothstep(u["goatee"], 0.6, 0.8),
        "b_fu": beard * smoothstep(u["full"], 0.62, 0.82),
        "b_len": 0.002 + 0.010 * u["beard_len"].square(),
    }


def _face(a: dict[str, Tensor], u: dict[str, Tensor], masc: Tensor) -> dict[str, Tensor]:
    """Return brows, eyes, make-up and accessories."""
    return {
        "brow_th": 0.0050 + 0.0010 * a["brow_thick"] + 0.0006 * masc,
        "brow_arch": 0.0055 + 0.0018 * a["brow_arch"] - 0.001 * masc,
        "brow_slope": 0.0012 * a["brow_slope"],
        "brow_dens": (0.80 + 0.10 * a["brow_dens"]).clamp(0.5, 0.98),
        "lash": (0.55 + 0.2 * a["lash"] - 0.35 * masc).clamp(0.15, 1.0),
        "shadow": smoothstep(u["eyeshadow"], 0.65, 1.0) * smoothstep(-masc, -0.2, 0.5),
        "blush": smoothstep(u["blush"], 0.5, 1.0) * smoothstep(-masc, -0.3, 0.5),
        "iris_radius": math.radians(1.0) * (19.5 + 1.0 * a["iris_size"]),
        "glass": smoothstep(a["glasses"], 0.95, 1.05),
        "glass_shape": u["glass_shape"],
        "ear": smoothstep(a["earring"], 0.75, 0.85) * smoothstep(-masc, -0.2, 0.2),
    }
