"""Classifier-free guidance with one scale a modality, and conditions that contradict each other.

With modalities m1, m2, ... in order, and v_i under the first i of them,

    v = v_0 + s_1 (v_1 - v_0) + s_2 (v_2 - v_1) + ...

(Ho and Salimans 2022, composed as by Brooks et al. 2023).  Written as a sum of the v_i, branches of
weight 0 are not evaluated: with all scales at 1 only the conditional model is left, exactly, and a
modality of scale 0 is as if it were not given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..conditions.conditions import MODALITIES, Conditions
from .denoiser import Context
from .model import LatentDiffusion
from .samplers import Predictor


@dataclass(frozen=True)
class Guidance:
    """Scale of each modality: 0 ignores it, 1 is the plain conditional model, more insists."""

    image: float = 2.0
    labels: float = 2.0
    attributes: float = 2.5

    def __post_init__(self) -> None:
        for name in MODALITIES:
            scale = getattr(self, name)
            if not math.isfinite(scale) or scale < 0:
                raise ValueError(f"guidance of {name} is {scale}; use a number from 0 up, say 2")


PLAIN = Guidance(1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Branch:
    """One evaluation of the denoiser: its weight in the sum and the conditions it sees."""

    weight: float
    conditions: Conditions


def branches(conditions: Conditions, guidance: Guidance) -> list[Branch]:
    """The evaluations that guidance needs, those of weight 0 left out."""
    active = [
        name
        for name in MODALITIES
        if getattr(guidance, name) > 0 and bool(conditions.given(name).any())
    ]
    scales = [1.0] + [getattr(guidance, name) for name in active] + [0.0]
    found = []
    for count in range(len(active) + 1):
        weight = scales[count] - scales[count + 1]
        seen = conditions
        for name in MODALITIES:
            if name not in active[:count]:
                seen = seen.without(name)
        if weight != 0.0:
            found.append(Branch(weight, seen))
    return found


@torch.no_grad()
def guided(model: LatentDiffusion, conditions: Conditions, guidance: Guidance) -> Predictor:
    """Predictor of v under guidance; the conditions are encoded here, once.

    It takes latents (B N, k, d): N in a row for each of the B heads of the conditions.
    """
    found = branches(conditions, guidance)
    contexts = model.prepare(Context.join([model.context(b.conditions) for b in found]))
    weights = [branch.weight for branch in found]

    def predict(x: Tensor, t: Tensor) -> Tensor:
        count = len(weights)
        parts = model(x.repeat(count, 1, 1), t.repeat(count), contexts).chunk(count)
        if count == 1:
            return parts[0] if weights[0] == 1.0 else weights[0] * parts[0]
        return sum(weight * part for weight, part in zip(weights, parts, strict=True))

    return predict
