"""Attributes as tokens, one each: Fourier features of numbers, an embedding of choices.

Every attribute has its own map from features to token.  With a shared map and a slot embedding
added, the sum of the tokens would not say which number belongs to which attribute, and training
takes very long to tell them apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..conditions.table import ATTRIBUTES, Attribute

_FREQUENCIES = 4
_FEATURES = 1 + 2 * _FREQUENCIES


class AttributeEncoder(nn.Module):
    """Values of a table's A attributes -> tokens (B, A, width); those not given become learned
    null tokens."""

    def __init__(self, width: int, table: Sequence[Attribute] = ATTRIBUTES):
        super().__init__()
        self.table = tuple(table)
        count = len(self.table)
        self.numbers = nn.Parameter(0.5 * torch.randn(count, _FEATURES, width))
        self.slots = nn.Parameter(torch.randn(count, width))
        self.null = nn.Parameter(torch.randn(count, width))
        sizes = [len(attribute.choices) for attribute in self.table]
        # a table without choices has one that it ignores
        self.choices = nn.Embedding(max(1, sum(sizes)), width)
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        first = torch.tensor([sum(sizes[:i]) for i in range(len(sizes))])
        self.register_buffer("first_choice", first, persistent=False)
        self.register_buffer("is_choice", torch.tensor(sizes) > 0, persistent=False)
        self.register_buffer("last_choice", torch.tensor(sizes).sub(1), persistent=False)

    def forward(self, values: Tensor, given: Tensor) -> Tensor:
        """values (B, A) as in Conditions, given (B, A) bool -> tokens (B, A, width)."""
        if values.shape[1] != len(self.table):
            raise ValueError(
                f"expected {len(self.table)} attributes, given {values.shape[1]}; "
                "use those of the table that the model was trained with"
            )
        values = torch.where(given, values, 0.0)
        number = torch.einsum("baf,afw->baw", _fourier(values), self.numbers)
        index = values.round().long().clamp(min=0).minimum(self.last_choice.clamp_min(0))
        index = torch.where(self.is_choice, self.first_choice + index, 0)
        token = torch.where(self.is_choice[:, None], self.choices(index), number) + self.slots
        token = token + self.out(F.silu(self.hidden(token)))
        return torch.where(given[..., None], token, self.null)


def _fourier(values: Tensor) -> Tensor:
    """The value itself, sines and cosines of up to 4 half turns, the fast ones weaker: (..., 9)."""
    rates = 2.0 ** torch.arange(_FREQUENCIES, device=values.device)
    angle = 0.5 * math.pi * values[..., None] * rates
    return torch.cat([values[..., None], angle.sin() / rates, angle.cos() / rates], -1)
