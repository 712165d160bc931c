"""Attributes measured from a latent: the inverse of the attribute table.

Works on what the generator reads off any latent, betas and derived values, so that a sampled or
an edited head can be asked what it became.  Numbers are inverted through their maps, choices are
the nearest one.  An attribute that does not show on a head (the length of no beard) is not seen.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..synthetic.latent import IRIS_STOPS
from ..synthetic.params import from_vector
from ..synthetic.smooth import palette, smoothstep
from .conditions import NUM_ATTRIBUTES
from .inverse import amount_of, gaussian_of, inverse_smoothstep
from .measure_hair import Measured, Read, measure_beard, measure_hair
from .table import ATTRIBUTES, GAUSSIAN_MAP, GLASSES_MAP, SHAPE_MAP

_LEAST_GATE = 0.3  # below, make-up hardly shows on the face shape
_IRIS_STEPS = 513
_WRINKLES = 0.55  # quantile of the latent from which wrinkles show
_HAS_GLASSES = 0.5


def measure_attributes(betas: Tensor, values: Tensor, model: Any) -> tuple[Tensor, Tensor]:
    """Attributes of B heads from betas (B, 64) and derived values (B, VECTOR_DIM).

    Returns (B, A) numbers in the table's units, choices as indices, and (B, A) bool of which
    attributes show.
    """

    def read(name: str) -> Tensor:
        return from_vector(values, name)

    measured = _measure_shape(betas, model) | _measure_skin(read) | _measure_eyes(read)
    measured |= measure_hair(read) | measure_beard(read) | _measure_accessories(read)
    measured["age"] = _measure_age(measured["age"][0], read("age"))
    out = betas.new_zeros(len(betas), NUM_ATTRIBUTES)
    seen = torch.zeros_like(out, dtype=torch.bool)
    for i, attribute in enumerate(ATTRIBUTES):
        value, shows = measured[attribute.name]
        out[:, i] = value.clamp(attribute.minimum, attribute.maximum)
        seen[:, i] = shows
    return out, seen


def _measure_shape(betas: Tensor, model: Any) -> Measured:
    everywhere = torch.ones(len(betas), dtype=torch.bool, device=betas.device)
    measured = {}
    for name in SHAPE_MAP:
        measured[name] = (betas @ shape_slope(name, model).to(betas), everywhere)
    return measured


def shape_slope(name: str, model: Any) -> Tensor:
    """What shape coefficients are multiplied by for an attribute of the shape: (64,)."""
    parts, strength = SHAPE_MAP[name]
    direction = sum(weight * model.directions[part] for part, weight in parts.items())
    length = direction.norm()
    # Masculinity is measured in units of its own direction, see latent.masculinity.
    return direction / length / (length if name == "masculinity" else strength)


def _measure_age(shape: Tensor, wrinkles: Tensor) -> tuple[Tensor, Tensor]:
    """Least squares over the age of the shape (B,) and that of the skin, an amount (B,).

    An amount of 0 only says that the skin is not older than where wrinkles begin; the skin is then
    taken to be as old as the shape, as far as that allows.
    """
    _, scale = GAUSSIAN_MAP["age"]
    skin = gaussian_of(_WRINKLES + (1 - _WRINKLES) * inverse_smoothstep(wrinkles))
    begin = gaussian_of(torch.full_like(shape, _WRINKLES))
    expected = torch.maximum(scale * shape, begin)
    age = shape + scale / (1 + scale**2) * (skin - expected)
    return age, torch.ones_like(age, dtype=torch.bool)


def _measure_skin(read: Read) -> Measured:
    masc = read("masc")
    seen = torch.ones_like(masc, dtype=torch.bool)

    def make_up(value: Tensor, attribute: str, low: float, high: float) -> tuple[Tensor, Tensor]:
        gate = smoothstep(-masc, low, high).clamp_min(_LEAST_GATE)
        return amount_of((value / gate).clamp(0, 1), attribute), seen

    return {
        "skin_tone": (gaussian_of(read("m")) / GAUSSIAN_MAP["skin_tone"][1], seen),
        "skin_undertone": (read("undertone") / GAUSSIAN_MAP["skin_undertone"][1], seen),
        "skin_redness": (read("redness") / GAUSSIAN_MAP["skin_redness"][1], seen),
        "freckles": (amount_of(read("freckles"), "freckles"), seen),
        "lipstick": make_up(read("stick") / 0.9, "lipstick", -0.3, 0.5),
        "eye_shadow": make_up(read("shadow"), "eye_shadow", -0.2, 0.5),
        "blush": make_up(read("blush"), "blush", -0.3, 0.5),
    }


def _measure_eyes(read: Read) -> Measured:
    masc = read("masc")
    seen = torch.ones_like(masc, dtype=torch.bool)
    dark = (read("m") - 0.25).clamp(min=0.0)
    steps = torch.linspace(0, 1, _IRIS_STEPS, device=masc.device)
    hue = steps[torch.cdist(read("iris"), palette(steps, IRIS_STOPS)).argmin(1)]
    gaussians = {
        "iris_hue": gaussian_of((hue + 0.6 * dark) / 1.15),
        "brow_thickness": (read("brow_th") - 0.0050 - 0.0006 * masc) / 0.0010,
        "brow_arch": (read("brow_arch") - 0.0055 + 0.001 * masc) / 0.0018,
        "brow_slope": read("brow_slope") / 0.0012,
    }
    return {name: (value / GAUSSIAN_MAP[name][1], seen) for name, value in gaussians.items()}


def _measure_accessories(read: Read) -> Measured:
    seen = torch.ones_like(read("glass"), dtype=torch.bool)
    round_shape, square_shape = (
        torch.special.ndtr(torch.tensor(GLASSES_MAP[name]["glass_shape"]))
        for name in ("round", "square")
    )
    square = (read("glass_shape") > 0.5 * (round_shape + square_shape)).float()
    worn = (read("glass") > _HAS_GLASSES).float()
    return {
        "glasses": (worn * (1 + square), seen),
        "earrings": ((read("ear") > 0.5).float(), seen),
    }
