"""What a head is asked to be: any subset of a photo, a label map and attributes, as a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor

from .attributes import check_value
from .table import ATTRIBUTES

Modality = Literal["image", "labels", "attributes"]
MODALITIES: tuple[Modality, ...] = ("image", "labels", "attributes")
CONDITION_SIZE = 128  # pixels a side of images and label maps
NUM_LABELS = 19  # classes of CelebAMask-HQ, the first of synthetic.labels.LABELS
NUM_ATTRIBUTES = len(ATTRIBUTES)
ATTRIBUTE_INDEX = {attribute.name: i for i, attribute in enumerate(ATTRIBUTES)}


@dataclass(frozen=True)
class Conditions:
    """Conditions of B heads; S is CONDITION_SIZE, A is NUM_ATTRIBUTES for the bundled generator.

    image: (B, 3, S, S) sRGB 0..1, image_mask: (B, 1, S, S) float, 1 where the photo is given;
    labels: (B, S, S) int64, one of the 19 classes, labels_mask: (B, 1, S, S) float;
    landmarks: (B, 68, 2) in units of the photo's side, as read from it; one whose place is not
    given in image_mask counts as not given;
    attributes: (B, A), numbers as in the table and choices as their index,
    attributes_given: (B, A) bool.
    What is not given is masked, never guessed: its values must not reach the answer.
    """

    attributes: Tensor
    attributes_given: Tensor
    image: Tensor | None = None
    image_mask: Tensor | None = None
    labels: Tensor | None = None
    labels_mask: Tensor | None = None
    landmarks: Tensor | None = None

    def __post_init__(self) -> None:
        if self.attributes.ndim != 2:
            raise ValueError(
                f"attributes: expected shape (B, A), given {tuple(self.attributes.shape)}"
            )
        batch = len(self.attributes)
        shapes = {"attributes_given": tuple(self.attributes.shape)}
        for name, channels in (("image", (3,)), ("labels", ())):
            value, mask = getattr(self, name), getattr(self, f"{name}_mask")
            if (value is None) != (mask is None):
                raise ValueError(f"{name} and {name}_mask belong together; only one is given")
            if value is not None:
                size = tuple(value.shape[-2:])
                shapes |= {name: (batch, *channels, *size), f"{name}_mask": (batch, 1, *size)}
        if self.landmarks is not None:
            if self.image is None:
                raise ValueError("landmarks are those of a photo, and there is no image")
            shapes["landmarks"] = (batch, 68, 2)
        for name, expected in shapes.items():
            given = tuple(getattr(self, name).shape)
            if given != expected:
                raise ValueError(f"{name}: expected shape {expected}, given {given}")

    def __len__(self) -> int:
        return len(self.attributes)

    @classmethod
    def none(
        cls, batch: int, device: torch.device | str = "cpu", attributes: int = NUM_ATTRIBUTES
    ) -> Conditions:
        """Conditions of `batch` heads of which nothing is asked; `attributes` is A."""
        values = torch.zeros(batch, attributes, device=device)
        return cls(values, torch.zeros_like(values, dtype=torch.bool))

    def given(self, modality: Modality) -> Tensor:
        """Which heads have anything of `modality`: (B,) bool."""
        if modality == "attributes":
            return self.attributes_given.any(1)
        mask = getattr(self, f"{modality}_mask")
        if mask is None:
            return torch.zeros(len(self), dtype=torch.bool, device=self.attributes.device)
        return mask.flatten(1).any(1)

    def without(self, modality: Modality) -> Conditions:
        """The same conditions with all of `modality` taken away."""
        if modality == "attributes":
            return replace(self, attributes_given=torch.zeros_like(self.attributes_given))
        if modality == "image":
            return replace(self, image=None, image_mask=None, landmarks=None)
        return replace(self, **{modality: None, f"{modality}_mask": None})

    def select(self, index: Tensor | slice) -> Conditions:
        """The conditions of the heads picked by `index` along the batch."""
        return self._map(lambda value: value[index])

    def repeat(self, count: int) -> Conditions:
        """Each head's conditions `count` times in a row."""
        return self._map(lambda value: value.repeat_interleave(count, 0))

    def to(self, device: torch.device | str) -> Conditions:
        """The same conditions on a device."""
        return self._map(lambda value: value.to(device))

    def _map(self, change) -> Conditions:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Conditions(**{k: None if v is None else change(v) for k, v in values.items()})


def given_names(conditions: Conditions) -> tuple[str, ...]:
    """Names of the attributes that are given of one head (batch of 1)."""
    given = conditions.attributes_given[0].tolist()
    return tuple(a.name for a, own in zip(ATTRIBUTES, given, strict=True) if own)


def encode_attributes(heads: Sequence[Mapping[str, float | str]]) -> tuple[Tensor, Tensor]:
    """Attribute values of B heads as (B, A) numbers and (B, A) bool of which are given.

    Raises ValueError for unknown names and values out of range.
    """
    values = torch.zeros(len(heads), NUM_ATTRIBUTES)
    given = torch.zeros(len(heads), NUM_ATTRIBUTES, dtype=torch.bool)
    for row, head in enumerate(heads):
        for name, value in head.items():
            checked = check_value(name, value)
            column = ATTRIBUTE_INDEX[name]
            choices = ATTRIBUTES[column].choices
            values[row, column] = choices.index(checked) if choices else checked
            given[row, column] = True
    return values, given


def decode_attributes(values: Tensor, given: Tensor) -> list[dict[str, float | str]]:
    """Back from `encode_attributes`: the given attributes of every head by name."""
    heads = []
    for row, mask in zip(values.tolist(), given.tolist(), strict=True):
        head: dict[str, float | str] = {}
        for attribute, value, is_given in zip(ATTRIBUTES, row, mask, strict=True):
            if is_given:
                choices = attribute.choices
                head[attribute.name] = choices[round(value)] if choices else value
        heads.append(head)
    return heads
