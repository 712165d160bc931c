"""Which conditions a training head keeps: any subset, and nothing, occurs often enough."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..conditions.conditions import Conditions

_NOTHING = 0.1
_WITHOUT = 0.2  # each of photo, label map and attributes, independently
_MOST = 0.3  # heads that keep most attributes, each dropped with _WITHOUT
_FEW_POWER = 0.5  # of a uniform number: how many of the others' attributes are dropped


def drop_conditions(conditions: Conditions, rng: torch.Generator) -> Conditions:
    """Take conditions (B) away at random; what is taken away is masked.

    Users ask for a handful of attributes, which dropping each with one probability hardly ever
    leaves: most heads draw their own share, high ones more often.
    """
    batch = len(conditions)
    nothing = torch.rand(batch, generator=rng) < _NOTHING
    kept = ~nothing & (torch.rand(3, batch, generator=rng) >= _WITHOUT)
    share = torch.rand(batch, 1, generator=rng) ** _FEW_POWER
    share = torch.where(torch.rand(batch, 1, generator=rng) < _MOST, _WITHOUT, share)
    each = torch.rand(conditions.attributes.shape, generator=rng) >= share
    device = conditions.attributes.device
    given = conditions.attributes_given & (each & kept[2][:, None]).to(device)
    return replace(
        conditions,
        attributes_given=given,
        image_mask=_keep(conditions.image_mask, kept[0]),
        labels_mask=_keep(conditions.labels_mask, kept[1]),
    )


def _keep(mask: Tensor | None, kept: Tensor) -> Tensor | None:
    return None if mask is None else mask * kept.to(mask)[:, None, None, None]
