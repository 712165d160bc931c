"""Which conditions a training head keeps: any subset, and nothing, occurs often enough."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..conditions.conditions import NUM_ATTRIBUTES, Conditions

_NOTHING = 0.1
# Share of heads without photo, label map and attributes, each drawn by itself.  All attributes
# together say nearly everything, so where there are pictures they are often left out.
_WITHOUT, _WITHOUT_BESIDE_PICTURES = (0.2, 0.2, 0.2), (0.35, 0.35, 0.5)
_MOST = 0.3  # heads that keep most attributes,
_LOST = 0.2  # each dropped with this probability
_FEW_POWER = 0.5  # of a uniform number: how many of the others' attributes are dropped


@dataclass(frozen=True)
class Dropout:
    """What B heads keep: photo, labels and attributes (B,) bool, each attribute (B, A) bool."""

    image: Tensor
    labels: Tensor
    attributes: Tensor

    @classmethod
    def draw(
        cls,
        batch: int,
        rng: torch.Generator,
        pictures: bool = False,
        attributes: int = NUM_ATTRIBUTES,
    ) -> Dropout:
        """Draw for `batch` heads of so many attributes, with or without `pictures`.

        Users ask for a handful of attributes, which dropping each with one probability hardly ever
        leaves: most heads draw their own share, high ones more often.
        """
        nothing = torch.rand(batch, generator=rng) < _NOTHING
        without = torch.tensor(_WITHOUT_BESIDE_PICTURES if pictures else _WITHOUT)
        kept = ~nothing & (torch.rand(3, batch, generator=rng) >= without[:, None])
        share = torch.rand(batch, 1, generator=rng) ** _FEW_POWER
        share = torch.where(torch.rand(batch, 1, generator=rng) < _MOST, _LOST, share)
        each = torch.rand(batch, attributes, generator=rng) >= share
        return cls(kept[0], kept[1], each & kept[2][:, None])

    def select(self, index: Tensor | slice) -> Dropout:
        """That of the heads picked by `index`."""
        return Dropout(self.image[index], self.labels[index], self.attributes[index])

    def apply(self, conditions: Conditions) -> Conditions:
        """Conditions (B) with what is not kept masked."""
        kept = self.attributes.to(conditions.attributes.device)
        return replace(
            conditions,
            attributes_given=conditions.attributes_given & kept,
            image_mask=_keep(conditions.image_mask, self.image),
            labels_mask=_keep(conditions.labels_mask, self.labels),
        )


def _keep(mask: Tensor | None, kept: Tensor) -> Tensor | None:
    return None if mask is None else mask * kept.to(mask)[:, None, None, None]
