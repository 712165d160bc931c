"""What an edit of known heads means: conditions before and after, and where it shows.

`edit_walk` carries it out, `edit_lock` holds what it has no part in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

from ..conditions.conditions import ATTRIBUTE_INDEX, Conditions, encode_attributes
from ..conditions.regions import (
    attributes_of_classes,
    color_region,
    dilate,
    masked_classes,
    put_on,
    repainted_classes,
    shape_region,
)
from ..conditions.table import ATTRIBUTES

DILATION = 5  # pixels
_SAME = 1e-3  # of the range: numbers asked for that a head has already
# what another choice of an attribute makes meaningless
_FOLLOWS = {
    "hair_style": ("hair_volume", "hair_length", "hairline", "hair_curl", "parting"),
    "beard": ("beard_length",),
}


@dataclass(frozen=True)
class Edit:
    """Conditions before and after, the region (B, 1, S, S) bool that changes (None: no picture),
    the names of the attributes that were asked to be otherwise and of those released for it, the
    attributes that the painted map leaves no doubt about, and the part of the region (B, 1, S, S)
    that was repainted, marked or shown anew (None: nothing was)."""

    source: Conditions
    edited: Conditions
    region: Tensor | None
    asked: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    implied: Mapping[str, float | str] = field(default_factory=dict)
    painted: Tensor | None = None

    @property
    def changed(self) -> tuple[str, ...]:
        """Attributes that the edit may change."""
        return (*self.asked, *self.released, *self.implied)

    @property
    def is_nothing(self) -> bool:
        """Whether the conditions are the same before and after."""
        return _equal(self.source, self.edited)


@dataclass(frozen=True)
class Picture:
    """Another picture of heads: image (B, 3, S, S) and image_mask, labels (B, S, S) and
    labels_mask as in `Conditions`; labels may be None."""

    image: Tensor
    image_mask: Tensor
    labels: Tensor | None = None
    labels_mask: Tensor | None = None


def make_edit(
    source: Conditions,
    labels: Tensor | None = None,
    mask: Tensor | None = None,
    attributes: Mapping[str, float | str] | None = None,
    picture: Picture | None = None,
) -> Edit:
    """Edited conditions: `source` with a repainted map, an erased region, other attributes.

    labels: (B, S, S) int64; mask: (B, 1, S, S) bool, where what is not repainted is free;
    attributes by name, the same for all heads; picture: seen within the mask, or everywhere, in
    place of the source's.  Photo and labels are hidden where the edit may change them, attributes
    that the painted or marked classes put in question are released.
    """
    if source.labels is None and (labels is not None or mask is not None or picture is not None):
        raise ValueError("an edit of the picture needs the head's own label map to compare with")
    attributes = attributes or {}
    asked = _asked_otherwise(source, attributes)
    new, region, released = source, None, set()
    painted = None if labels is None else (labels != source.labels)[:, None]
    if picture is not None:
        new, region = _show(source, picture, mask)
        inside = torch.ones_like(region) if mask is None else mask
        seen = [source.labels] + ([] if new.labels is None else [new.labels])
        classes = {name for one in seen for name in masked_classes(one, inside)}
        released |= set(attributes_of_classes(tuple(classes), colors=True))
    elif mask is not None:
        region = dilate(mask, DILATION)
        free = region if painted is None else region & ~painted
        new = _hide(_hide(new, free, hide_labels=True), region, hide_labels=False)
        released |= set(attributes_of_classes(masked_classes(source.labels, mask), colors=True))
    if painted is not None and bool(painted.any()):
        around = dilate(painted, DILATION)
        new = replace(_hide(new, around, hide_labels=False), labels=labels)
        region = _join(region, around)
        released |= set(attributes_of_classes(repainted_classes(source.labels, labels)))
    for name in asked:
        released |= set(_FOLLOWS.get(name, ()))
    shown = region
    new, region = _hide_for_attributes(new, source, asked, region)
    implied = {} if labels is None else put_on(source.labels, labels)
    implied = {name: value for name, value in implied.items() if name not in attributes}
    lost = released - set(attributes) - set(implied)
    new, released = _with_attributes(new, {**asked, **implied}, lost)
    return Edit(source, new, region, tuple(asked), released, implied, shown)


def _asked_otherwise(
    source: Conditions, attributes: Mapping[str, float | str]
) -> dict[str, float | str]:
    """Those of the attributes that not every head has already."""
    wanted, _ = encode_attributes([attributes])
    found = {}
    for name, value in attributes.items():
        column = ATTRIBUTE_INDEX[name]
        attribute = ATTRIBUTES[column]
        away = (source.attributes[:, column] - wanted[0, column].to(source.attributes)).abs()
        has = away <= _SAME * (attribute.maximum - attribute.minimum)
        if not bool((has & source.attributes_given[:, column]).all()):
            found[name] = value
    return found


def _with_attributes(
    new: Conditions, asked: Mapping[str, float | str], released: set[str]
) -> tuple[Conditions, tuple[str, ...]]:
    """Conditions with attributes asked for and without those released, and which were given."""
    wanted, is_asked = (part.to(new.attributes.device) for part in encode_attributes([asked]))
    values = torch.where(is_asked, wanted.to(new.attributes), new.attributes)
    given = new.attributes_given.clone()
    names = [a.name for a in ATTRIBUTES if a.name in released]
    lost = tuple(name for name in names if bool(given[:, ATTRIBUTE_INDEX[name]].any()))
    for name in names:
        given[:, ATTRIBUTE_INDEX[name]] = False
    return replace(new, attributes=values, attributes_given=given | is_asked), lost


def _show(source: Conditions, picture: Picture, mask: Tensor | None) -> tuple[Conditions, Tensor]:
    """The source with a picture within the mask, hidden around it, and the region of both."""
    if mask is None:
        everywhere = torch.ones_like(picture.image_mask, dtype=torch.bool)
        return replace(source, **vars(picture), landmarks=None), everywhere
    region = dilate(mask, DILATION)
    hidden = _hide(source, region, hide_labels=True)
    image = torch.where(mask, picture.image, source.image)
    image_mask = torch.where(mask, picture.image_mask, hidden.image_mask)
    labels, labels_mask = source.labels, hidden.labels_mask
    if picture.labels is not None:
        labels = torch.where(mask[:, 0], picture.labels, labels)
        labels_mask = torch.where(mask, picture.labels_mask, labels_mask)
    shown = replace(
        source,
        image=image,
        image_mask=image_mask,
        labels=labels,
        labels_mask=labels_mask,
        landmarks=None,  # those of the source are not where the picture has them
    )
    return shown, region


def _hide_for_attributes(
    new: Conditions, source: Conditions, names: Mapping, region: Tensor | None
) -> tuple[Conditions, Tensor | None]:
    """Hide what the photo and the map say about attributes that are asked to be otherwise."""
    if source.labels is None:
        # without a map nothing says where the photo shows an attribute: the attribute has to win
        return new, region
    for name in names:
        outline = dilate(shape_region(source.labels, name), DILATION)
        colored = dilate(color_region(source.labels, name), DILATION)
        new = _hide(_hide(new, colored, hide_labels=False), outline, hide_labels=True)
        region = _join(region, colored | outline)
    return new, region


def _hide(conditions: Conditions, region: Tensor, hide_labels: bool) -> Conditions:
    if conditions.image_mask is not None:
        mask = conditions.image_mask.masked_fill(region, 0.0)
        conditions = replace(conditions, image_mask=mask)
    if hide_labels and conditions.labels_mask is not None:
        mask = conditions.labels_mask.masked_fill(region, 0.0)
        conditions = replace(conditions, labels_mask=mask)
    return conditions


def _join(a: Tensor | None, b: Tensor) -> Tensor:
    return b if a is None else a | b


def _equal(a: Conditions, b: Conditions) -> bool:
    for part in fields(a):
        x, y = getattr(a, part.name), getattr(b, part.name)
        if (x is None) != (y is None) or (x is not None and not torch.equal(x, y)):
            return False
    return True
