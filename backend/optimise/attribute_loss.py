"""How far a head is from the attributes that are asked of it, with gradients.

Attributes that are measured by smooth maps are compared as measured.  Choices, and amounts that do
not change below a threshold, have no useful gradient; for those the derived values that the table
gives them are the target.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..conditions.attributes import apply_attributes
from ..conditions.conditions import ATTRIBUTE_INDEX, Conditions, decode_attributes
from ..conditions.measure import measure_attributes
from ..conditions.table import ATTRIBUTES
from ..generator.generator import Generator
from ..generator.mapping import HeadValues
from ..synthetic.latent import LATENT_DIM, derive
from ..synthetic.params import VECTOR_DIM, vector_slice

_STYLE = ("top", "front", "side", "nape", "recede", "fringe", "part", "back", "radial", "curl",
          "small", "long", "zend", "vol", "tail", "bun", "bald", "fade", "tuft")  # fmt: skip
_STEEPEST = 10.0
# attribute -> the derived values that stand for it
_VALUES: dict[str, tuple[str, ...]] = {
    "hair_style": _STYLE,
    "beard": ("b_st", "b_mu", "b_go", "b_fu"),
    "beard_length": ("b_len",),
    "glasses": ("glass", "glass_shape"),
    "earrings": ("ear",),
    "freckles": ("freckles",),
    "lipstick": ("stick",),
    "eye_shadow": ("shadow",),
    "blush": ("blush",),
    "hair_lightness": ("hair",),
    "hair_red": ("hair",),
    "hair_grey": ("grey", "hair"),
    "iris_hue": ("iris",),
}


class AttributeLoss:
    """Distance of heads from the attributes of one head's conditions (batch of 1)."""

    def __init__(self, conditions: Conditions, generator: Generator):
        self.model = generator.model
        asked = decode_attributes(conditions.attributes, conditions.attributes_given)[0]
        self.names = tuple(asked)
        device = conditions.attributes.device
        reference = apply_attributes(torch.zeros(LATENT_DIM, device=device), asked, self.model)
        self.values = derive(reference[None], self.model).vector()
        columns = [c for name in self.names for c in _columns(name)]
        self.columns = torch.tensor(sorted(set(columns)), dtype=torch.int64, device=device)
        measured = [name for name in self.names if name not in _VALUES]
        index = torch.tensor([ATTRIBUTE_INDEX[name] for name in measured], dtype=torch.int64)
        self.index = index.to(device)
        self.asked = conditions.attributes[0, self.index]
        span = [ATTRIBUTES[i].maximum - ATTRIBUTES[i].minimum for i in index.tolist()]
        self.half_span = 0.5 * torch.tensor(span, device=device)

    def __call__(self, read: HeadValues) -> Tensor:
        """Mean distance () of what was read off one head, about 1 for the opposite of all."""
        if not self.names:
            return read.betas.new_zeros(())
        stood_for = F.smooth_l1_loss(
            read.values[0, self.columns], self.values[0, self.columns], reduction="sum", beta=0.1
        )
        share = len(self.columns) and 1 / len(self.columns)
        weight = (len(self.names) - len(self.index)) * share
        return (self._measured(read) + weight * stood_for) / len(self.names)

    def _measured(self, read: HeadValues) -> Tensor:
        """Sum over the attributes that are compared as measured."""
        if len(self.index) == 0:
            return read.betas.new_zeros(())
        betas, values = (t.detach().requires_grad_() for t in (read.betas, read.values))
        with torch.enable_grad():
            measured, shows = measure_attributes(betas, values, self.model)
            away = (measured[0, self.index] - self.asked) / self.half_span
            away = torch.where(shows[0, self.index], away, 0.0)
            loss = F.smooth_l1_loss(away, torch.zeros_like(away), reduction="sum", beta=0.1)
            slopes = torch.autograd.grad(loss, (betas, values), allow_unused=True)
        total = loss.detach()
        for tensor, slope in zip((read.betas, read.values), slopes, strict=True):
            if slope is not None:  # the inverse maps have infinite slopes at their ends
                slope = slope.nan_to_num(0.0, 0.0, 0.0).clamp(-_STEEPEST, _STEEPEST)
                total = total + (slope * (tensor - tensor.detach())).sum()
        return total


def _columns(name: str) -> list[int]:
    """Columns of the derived values that stand for an attribute."""
    columns: list[int] = []
    for value in _VALUES.get(name, ()):
        columns += range(VECTOR_DIM)[vector_slice(value)]
    return columns
