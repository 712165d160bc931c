"""Editing in two stages: reconstruct under the source's conditions, then go on under the edited.

The way from noise to a head is walked under the original conditions down to the time `switch`, and
under the edited ones from there.  Switched early (near 1) the edit is strong, switched late (near
0) the head stays itself.  With equal conditions the way is that of plain sampling, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from ..conditions.conditions import Conditions, encode_attributes
from ..conditions.regions import (
    attributes_of_classes,
    color_region,
    dilate,
    shape_region,
)
from ..conditions.table import ATTRIBUTES
from ..synthetic.labels import LABELS
from .guidance import Guidance, guided
from .model import LatentDiffusion
from .samplers import Adjust, Callback, dpm_solver_2m
from .schedule import diffuse

DILATION = 5  # pixels
# group of the attribute table -> parts of a head (rows of the latent) that it may touch
_GROUP_PARTS = {
    "Face": ("shape",),
    "Skin": ("skin",),
    "Hair": ("hair", "hair color", "beard"),
    "Eyes": ("eyes", "shape"),
    "Accessories": ("accessories",),
}


@dataclass(frozen=True)
class Edit:
    """Conditions before and after, the region (B, 1, S, S) bool that changes (None: no picture),
    and the names of the attributes that were changed or released."""

    source: Conditions
    edited: Conditions
    region: Tensor | None
    changed: tuple[str, ...]


def make_edit(
    source: Conditions,
    labels: Tensor | None = None,
    mask: Tensor | None = None,
    attributes: Mapping[str, float | str] | None = None,
) -> Edit:
    """Edited conditions: `source` with a repainted map, an erased region, other attributes.

    labels: (B, S, S) int64; mask: (B, 1, S, S) bool, what the user marked; attributes by name, the
    same for all heads.  Photo and labels are hidden where the edit may change them, attributes that
    the painted classes put in question are released.
    """
    attributes = dict(attributes or {})
    values, given = source.attributes.clone(), source.attributes_given.clone()
    changed: set[str] = set()
    region = None if mask is None else dilate(mask, DILATION)
    new = source
    if labels is not None:
        if source.labels is None:
            raise ValueError("a repainted label map needs the head's own map to compare with")
        repainted = (labels != source.labels)[:, None]
        region = _join(region, dilate(repainted, DILATION))
        touched = torch.cat([labels[repainted[:, 0]], source.labels[repainted[:, 0]]]).unique()
        changed |= set(attributes_of_classes(tuple(LABELS[i] for i in touched.tolist())))
        new = replace(new, labels=labels)
    if region is not None:
        new = _hide(new, region, hide_labels=labels is None)
    for i, attribute in enumerate(ATTRIBUTES):
        if attribute.name in changed:
            given[:, i] = False
    if attributes:
        wanted, asked = encode_attributes([attributes])
        values = torch.where(asked.to(given.device), wanted.to(values), values)
        given = given | asked.to(given.device)
        new, region = _hide_for_attributes(new, source, attributes, region)
    edited = replace(new, attributes=values, attributes_given=given)
    return Edit(source, edited, region, tuple(sorted(changed | set(attributes))))


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


def untouched_rows(row_names: Sequence[str], changed: Sequence[str]) -> tuple[int, ...]:
    """Rows of the latent that an edit of the attributes `changed` may not touch."""
    groups = {a.group for a in ATTRIBUTES if a.name in changed}
    touched = {part for group in groups for part in _GROUP_PARTS[group]}
    return tuple(i for i, name in enumerate(row_names) if name not in (*touched, "rest"))


def run_edit(
    model: LatentDiffusion,
    edit: Edit,
    noise: Tensor,
    times: list[float],
    switch: float,
    guidance: Guidance,
    keep: Sequence[int] = (),
    known: Tensor | None = None,
    callback: Callback | None = None,
) -> Tensor:
    """Latents (B, k, d) of edited heads, from noise (B, k, d) along `times`.

    Rows in `keep` stay what they are on the source's own way.  `known` (B, k, d) are the source's
    latents where they are known: then the way starts from them, noised to `switch`.
    """
    if not 0.0 <= switch <= 1.0:
        raise ValueError(f"the time to switch is {switch}; use a number from 0 to 1")
    before = guided(model, edit.source, guidance)
    after = guided(model, edit.edited, guidance)
    start, x = 0, noise
    if known is not None:
        start = next((i for i, t in enumerate(times) if t <= switch), len(times) - 1)
        x = _noised(known, noise, times[start])
    if start == len(times) - 1:
        return x
    first = next((i for i, t in enumerate(times[start:]) if t <= switch), len(times))
    same = _equal(edit.source, edit.edited)

    def predict(y: Tensor, t: Tensor) -> Tensor:
        return after(y, t) if float(t[0]) <= switch else before(y, t)

    adjust = None
    if keep:
        path = _source_path(before, noise, times, known)
        adjust = _keep_rows(path, list(keep))
    restarts = () if same else (first,)
    return dpm_solver_2m(predict, x, times[start:], callback, adjust, restarts)


def _source_path(
    before, noise: Tensor, times: list[float], known: Tensor | None
) -> dict[float, Tensor]:
    """The source's latents at each time: on the way sampled, or noised where they are known."""
    if known is not None:
        return {t: _noised(known, noise, t) for t in times[1:]}
    path: dict[float, Tensor] = {}

    def record(x: Tensor, t: float) -> Tensor:
        path[t] = x
        return x

    dpm_solver_2m(before, noise, times, adjust=record)
    return path


def _keep_rows(path: dict[float, Tensor], rows: list[int]) -> Adjust:
    def adjust(x: Tensor, t: float) -> Tensor:
        x = x.clone()
        x[:, rows] = path[t][:, rows]
        return x

    return adjust


def _noised(known: Tensor, noise: Tensor, t: float) -> Tensor:
    return known if t <= 0.0 else diffuse(known, noise, known.new_full((len(known),), t))


def _equal(a: Conditions, b: Conditions) -> bool:
    for field in fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if (x is None) != (y is None) or (x is not None and not torch.equal(x, y)):
            return False
    return True
