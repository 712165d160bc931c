"""Edits of held-out heads: how much changes where it should, and elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..answer.portrait import own_conditions
from ..conditions.conditions import ATTRIBUTE_INDEX, decode_attributes
from ..conditions.measure import measure_attributes
from ..conditions.table import ATTRIBUTES
from ..diffusion.editing import Edit, make_edit
from ..generator.fast_images import HeadImage
from .held_out import HeldOutHead
from .measures import body, embedding, view
from .methods import Method
from .quality import Bench

_MALE = 0.3  # masculinity above which a beard is asked for


@dataclass(frozen=True)
class EditFigures:
    """Over edits: `inside` the mean change in the region, of 255, `outside` the median of the
    change outside it over that inside, `done` the mean share of the asked change that came,
    identity the mean cosine of the embeddings before and after (nan without a face network)."""

    edits: int
    inside: float
    outside: float
    done: float
    identity: float


def possible_edits(head: HeldOutHead) -> dict[str, dict[str, float | str]]:
    """Edits that make sense on a head: name -> attributes."""
    asked = decode_attributes(head.conditions.attributes, head.conditions.attributes_given)[0]
    lighter = asked.get("hair_lightness", 0.0) < 0
    possible: dict[str, dict[str, float | str]] = {
        "hair colour": {"hair_lightness": 0.9 if lighter else -0.9}
    }
    if asked["glasses"] != "none":
        possible["glasses off"] = {"glasses": "none"}
    else:
        possible["glasses on"] = {"glasses": "round"}
    possible["fuller lips"] = {"lip_fullness": 1.0}
    possible["smile lines"] = {"age": 0.9}
    if asked["masculinity"] > _MALE:
        if asked["beard"] in ("goatee", "full"):
            possible["beard off"] = {"beard": "none"}
        else:
            possible["beard on"] = {"beard": "full"}
    if "hair_length" in asked:
        possible["longer hair"] = {"hair_length": 1.0}
    return possible


def choose_edit(head: HeldOutHead) -> str:
    """The name of one edit that makes sense on a head, another kind on the next head."""
    names = list(possible_edits(head))
    return names[head.number % len(names)]


@dataclass(frozen=True)
class Edited:
    """Pictures before and after an edit, the edit, and the edited latent (1, k, d)."""

    name: str
    before: HeadImage
    after: HeadImage
    edit: Edit
    latent: Tensor
    asked: dict[str, float | str]


@torch.no_grad()
def run(bench: Bench, method: Method, head: HeldOutHead, name: str | None = None) -> Edited:
    """Edit one held-out head, whose latent is known as that of any generated head is.

    name: one of the head's `possible_edits`, by default the one chosen for it.
    """
    name = name or choose_edit(head)
    asked = possible_edits(head)[name]
    before = view(body(bench.images, head.ws), head.camera)
    edit = make_edit(own_conditions(bench.images, head.ws, head.camera), attributes=asked)
    latent = method.edit(head, bench.space.encode(head.ws), edit)
    after = view(body(bench.images, bench.space.decode(latent)), head.camera)
    return Edited(name, before, after, edit, latent, asked)


@torch.no_grad()
def measure_edits(bench: Bench, method: Method, count: int) -> EditFigures:
    """Figures over one edit of each of the first `count` heads."""
    inside, outside, done, cosine = [], [], [], []
    for head in bench.heads[:count]:
        edited = run(bench, method, head)
        changed = changes(edited)
        inside.append(changed[0])
        outside.append(changed[1] / max(changed[0], 1e-6))
        done.append(_share_done(bench, head, edited))
        if bench.network is not None:
            own = embedding(bench.network, body(bench.images, bench.space.decode(edited.latent)))
            cosine.append(float((own * bench.truth(head).embedding).sum()))
    return EditFigures(len(inside), _mean(inside), _median(outside), _mean(done), _mean(cosine))


def changes(edited: Edited) -> tuple[float, float]:
    """Mean change of the head's pixels, of 255, inside the edit's region and outside it."""
    before, after = edited.before, edited.after
    away = 255 * (before.color - after.color).abs().mean(-1)
    head = (before.coverage > 0) | (after.coverage > 0)
    region = torch.zeros_like(head)
    if edited.edit.region is not None:
        region = edited.edit.region[0, 0]

    def mean(mask: Tensor) -> float:
        return float(away[mask].mean()) if bool(mask.any()) else 0.0

    return mean(head & region), mean(head & ~region)


def _share_done(bench: Bench, head: HeldOutHead, edited: Edited) -> float:
    """How much of the asked change came, 0..1, mean over the attributes asked for."""
    generator = bench.images.generator
    read = generator.readout(bench.space.decode(edited.latent))
    now = measure_attributes(read.betas, read.values, generator.model)[0][0]
    was, wanted = head.conditions.attributes[0], edited.edit.edited.attributes[0]
    shares = []
    for name in edited.asked:
        i = ATTRIBUTE_INDEX[name]
        if ATTRIBUTES[i].choices:
            shares.append(float(abs(now[i] - wanted[i]) < 0.5))
        elif abs(wanted[i] - was[i]) > 1e-3:
            shares.append(float((now[i] - was[i]) / (wanted[i] - was[i])))
    return min(max(_mean(shares), 0.0), 1.0) if shares else 1.0


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else float("nan")
