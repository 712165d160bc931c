"""Attributes as tokens, one each: Fourier features of numbers, an embedding of choices."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..conditions.conditions import NUM_ATTRIBUTES
from ..conditions.table import ATTRIBUTES

_FREQUENCIES = 6


class AttributeEncoder(nn.Module):
    """Attribute values -> tokens (B, A, width); attributes not given become learned null tokens."""

    num_tokens = NUM_ATTRIBUTES

    def __init__(self, width: int):
        super().__init__()
        self.numbers = nn.Linear(1 + 2 * _FREQUENCIES, width)
        self.slots = nn.Parameter(torch.randn(NUM_ATTRIBUTES, width))
        self.null = nn.Parameter(torch.randn(NUM_ATTRIBUTES, width))
        sizes = [len(attribute.choices) for attribute in ATTRIBUTES]
        self.choices = nn.Embedding(sum(sizes), width)
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        first = torch.tensor([sum(sizes[:i]) for i in range(len(sizes))])
        self.register_buffer("first_choice", first, persistent=False)
        self.register_buffer("is_choice", torch.tensor(sizes) > 0, persistent=False)
        self.register_buffer("last_choice", torch.tensor(sizes).sub(1), persistent=False)

    def forward(self, values: Tensor, given: Tensor) -> Tensor:
        """values (B, A) as in Conditions, given (B, A) bool -> tokens (B, A, width)."""
        values = torch.where(given, values, 0.0)
        number = self.numbers(_fourier(values))
        index = values.round().long().clamp(min=0).minimum(self.last_choice.clamp_min(0))
        index = torch.where(self.is_choice, self.first_choice + index, 0)
        token = torch.where(self.is_choice[:, None], self.choices(index), number) + self.slots
        token = token + self.out(F.silu(self.hidden(token)))
        return torch.where(given[..., None], token, self.null)


def _fourier(values: Tensor) -> Tensor:
    """The value itself, sines and cosines of it up to 2^5 half turns: (..., 13)."""
    rates = math.pi * 2.0 ** torch.arange(_FREQUENCIES, device=values.device) / 2
    angle = values[..., None] * rates
    return torch.cat([values[..., None], angle.sin(), angle.cos()], -1)
