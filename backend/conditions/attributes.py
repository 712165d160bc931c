"""Attributes to latents: the direct map from panel values to the generator's input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..synthetic.latent import (
    APPEARANCE_INDEX,
    LATENT_DIM,
    LATENT_LIMIT,
    SHAPE_DIM,
    STYLE_DIRECTIONS,
    STYLE_SLICE,
    masculinity,
    style_weights,
)
from ..synthetic.styles import STYLE_NAMES
from .table import (
    AMOUNT_MAP,
    ATTRIBUTES,
    BEARD_MAP,
    GAUSSIAN_MAP,
    GLASSES_MAP,
    MASC_NEEDS,
    SHAPE_MAP,
    Attribute,
)

ATTRIBUTE_BY_NAME: dict[str, Attribute] = {a.name: a for a in ATTRIBUTES}
CHOICE_MAPS = {"beard": BEARD_MAP, "glasses": GLASSES_MAP}
STYLE_STRENGTH = 2.4


def check_value(name: str, value: float | str) -> float | str:
    """Return `value` if it is valid for the attribute `name`.

    Raises ValueError for an unknown name, an unknown choice, or a number out of range.
    """
    if name not in ATTRIBUTE_BY_NAME:
        known = ", ".join(ATTRIBUTE_BY_NAME)
        raise ValueError(f"unknown attribute {name!r}; use one of: {known}")
    attribute = ATTRIBUTE_BY_NAME[name]
    if attribute.choices:
        if value not in attribute.choices:
            choices = ", ".join(attribute.choices)
            raise ValueError(f"attribute {name!r} is {value!r}; use one of: {choices}")
        return value
    low, high = attribute.minimum, attribute.maximum
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"attribute {name!r} is {value!r}; use a number from {low:g} to {high:g}")
    return float(value)


def apply_attributes(z: Tensor, values: Mapping[str, float | str], model: Any) -> Tensor:
    """Return the latent (104,) of head `z` (104,) changed to have the attributes `values`.

    Attributes that are not in `values` keep what `z` gives them. `model.directions` holds the
    semantic directions of the face shape. A beard moves the shape to a masculine one (and make-up
    or earrings to a feminine one) if need be, unless `masculinity` is given.
    Raises ValueError for wrong names or values and when `z` has another shape.
    """
    if z.shape != (LATENT_DIM,):
        raise ValueError(f"expected a latent of shape ({LATENT_DIM},), got {tuple(z.shape)}")
    checked = {name: check_value(name, value) for name, value in values.items()}
    z, original = z.clone(), z
    _apply_shape(z, checked, model)
    for name, value in checked.items():
        for latent, level in _gaussians(name, value).items():
            z[APPEARANCE_INDEX[latent]] = level
    style = _style_to_set(original, z, checked, model)
    if style is not None:
        z[STYLE_SLICE] = STYLE_STRENGTH * STYLE_DIRECTIONS[style].to(z)
    return z.clamp(-LATENT_LIMIT, LATENT_LIMIT)


def _style_to_set(
    before: Tensor, after: Tensor, values: Mapping[str, float | str], model: Any
) -> int | None:
    """Return which hair style to set, or None where the latent may keep its own.

    Make-up or a beard may move masculinity, which weighs the styles; the hair stays what it was.
    """
    if "hair_style" in values:
        return STYLE_NAMES.index(values["hair_style"])
    if "masculinity" in values:
        return None
    old, new = (
        int(style_weights(z[None, STYLE_SLICE], z.new_tensor([_masculinity(z, model)])).argmax())
        for z in (before, after)
    )
    return old if old != new else None


def _apply_shape(z: Tensor, values: Mapping[str, float | str], model: Any) -> None:
    """Move the shape coefficients of `z` so that all given shape attributes hold at once."""
    targets = {name: float(values[name]) for name in SHAPE_MAP if name in values}
    needed = _needed_masculinity(z, values, model)
    if not targets and needed is None:
        return
    # Held where it is not asked for: it weighs hair styles, beard and make-up.
    targets.setdefault("masculinity", _masculinity(z, model) if needed is None else needed)
    directions, wanted = [], []
    for name, value in targets.items():
        parts, strength = SHAPE_MAP[name]
        total = sum(weight * model.directions[part].to(z) for part, weight in parts.items())
        length = total.norm()
        directions.append(total / length)
        # Masculinity is measured in units of its own direction, see latent.masculinity.
        wanted.append(value * (float(length) if name == "masculinity" else strength))
    d = torch.stack(directions)
    error = d.new_tensor(wanted) - d @ z[:SHAPE_DIM]
    # Smallest change that meets all targets; the ridge keeps near-parallel directions tame.
    gram = d @ d.T + 0.01 * torch.eye(len(d)).to(d)
    z[:SHAPE_DIM] += d.T @ torch.linalg.solve(gram, error)


def _needed_masculinity(z: Tensor, values: Mapping[str, float | str], model: Any) -> float | None:
    """Return the masculinity that beard or make-up need, or None if the shape may stay."""
    if "masculinity" in values:
        return None
    current = _masculinity(z, model)
    for name, low, high in MASC_NEEDS:
        wanted = values.get(name)
        if wanted not in (None, "none", 0.0) and not low <= current <= high:
            return low if current < low else high
    return None


def _masculinity(z: Tensor, model: Any) -> float:
    return float(masculinity(z[None, :SHAPE_DIM], model)[0])


def _gaussians(name: str, value: float | str) -> dict[str, float]:
    """Return the appearance Gaussians that the attribute `name` sets at `value`."""
    if name in CHOICE_MAPS:
        return CHOICE_MAPS[name][value]
    if name in AMOUNT_MAP:
        latent, start, full = AMOUNT_MAP[name]
        if value == 0.0:
            return {latent: -1.0}
        # The amount is a smoothstep of the quantile: invert it.
        ramp = 0.5 - math.sin(math.asin(1.0 - 2.0 * value) / 3.0)
        quantile = torch.tensor(start + (full - start) * ramp, dtype=torch.float64)
        return {latent: float(torch.special.ndtri(quantile))}
    if name in GAUSSIAN_MAP:
        latent, scale = GAUSSIAN_MAP[name]
        return {latent: scale * float(value)}
    return {}
