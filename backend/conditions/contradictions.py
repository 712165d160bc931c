"""Conditions that cannot hold together: the modality with the stronger guidance wins, and is named.

Only what the label map really shows counts: pixels that are masked contradict nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .conditions import ATTRIBUTE_INDEX, Conditions, decode_attributes
from .regions import class_mask, dilate, shape_region

_FEW_PIXELS = 12  # of 128 x 128; fewer are slips of the brush
_MUCH_HAIR = 300
_RIM = 3  # pixels around a hidden region that the photo may show of it
_NEARLY_ALL = 0.95  # share of the map that must be given to say that something is absent
_HAIRLESS = ("bald", "horseshoe")
_MALE, _FEMALE = -0.1, 0.2  # masculinity below which no beard shows, above which no earrings


@dataclass(frozen=True)
class _Rule:
    attribute: str
    wrong: Callable[[float | str, Callable[[str], int], bool], bool]
    text: str


_RULES = (
    _Rule(
        "glasses",
        lambda value, pixels, whole: value == "none" and pixels("eye_g") > _FEW_PIXELS,
        "the label map shows glasses, the attributes ask for none",
    ),
    _Rule(
        "glasses",
        lambda value, pixels, whole: (
            value != "none"
            and not pixels("eye_g")
            and pixels("l_eye") + pixels("r_eye") > _FEW_PIXELS
        ),
        "the attributes ask for glasses, the label map shows eyes without",
    ),
    _Rule(
        "hair_style",
        lambda value, pixels, whole: value == "bald" and pixels("hair") > _MUCH_HAIR,
        "the label map shows hair, the attributes ask for a bald head",
    ),
    _Rule(
        "hair_style",
        lambda value, pixels, whole: value not in _HAIRLESS and whole and not pixels("hair"),
        "the attributes ask for hair, the label map shows none",
    ),
    _Rule(
        "earrings",
        lambda value, pixels, whole: value < 0.5 and pixels("ear_r") > _FEW_PIXELS,
        "the label map shows earrings, the attributes ask for none",
    ),
)


def settle(
    conditions: Conditions, labels_scale: float, attributes_scale: float
) -> tuple[Conditions, list[str]]:
    """Conditions without contradictions, and a sentence for each that was found.

    The scales are those of guidance; where they are equal the label map wins.  Where it loses, the
    photo is hidden too.
    """
    notes: list[str] = []
    if conditions.attributes.shape[1] != len(ATTRIBUTE_INDEX):
        return conditions, notes  # of an official generator: no rules are known
    given = conditions.attributes_given.clone()
    mask = None if conditions.labels_mask is None else conditions.labels_mask.clone()
    photo = None if conditions.image_mask is None else conditions.image_mask.clone()
    for i, attributes in enumerate(decode_attributes(conditions.attributes, given)):
        notes += _within_attributes(attributes, i, len(conditions))
        if mask is None or not labels_scale or not attributes_scale:
            continue
        for rule in _broken(conditions.select(slice(i, i + 1)), attributes):
            if labels_scale >= attributes_scale:
                given[i, ATTRIBUTE_INDEX[rule.attribute]] = False
                winner = "the label map"
            else:
                region = shape_region(conditions.labels[i : i + 1], rule.attribute)[0]
                mask[i] = torch.where(region, 0.0, mask[i])
                if photo is not None:  # shows what its labels show
                    photo[i] = torch.where(dilate(region[None], _RIM)[0], 0.0, photo[i])
                winner = "the attribute"
            notes.append(_name(i, len(conditions)) + f"{rule.text}; {winner} wins")
    settled = replace(conditions, attributes_given=given, labels_mask=mask, image_mask=photo)
    return settled, notes


def _broken(conditions: Conditions, attributes: dict[str, float | str]) -> list[_Rule]:
    shown: Tensor = conditions.labels_mask > 0.5

    def pixels(name: str) -> int:
        return int((class_mask(conditions.labels, (name,)) & shown).sum())

    whole = bool(shown.float().mean() > _NEARLY_ALL)
    return [
        rule
        for rule in _RULES
        if rule.attribute in attributes and rule.wrong(attributes[rule.attribute], pixels, whole)
    ]


def _within_attributes(attributes: dict[str, float | str], head: int, heads: int) -> list[str]:
    """Attributes of one head of which only one can show."""
    masculinity = attributes.get("masculinity")
    if masculinity is None:
        return []
    notes = []
    if attributes.get("beard", "none") != "none" and masculinity < _MALE:
        notes.append("a beard does not show on a feminine face; one of both will be missed")
    if attributes.get("earrings", 0.0) >= 0.5 and masculinity > _FEMALE:
        notes.append("earrings do not show on a masculine face; one of both will be missed")
    return [_name(head, heads) + note for note in notes]


def _name(head: int, heads: int) -> str:
    return f"head {head + 1}: " if heads > 1 else ""
