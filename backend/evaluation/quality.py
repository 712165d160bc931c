"""Figures of one method under one choice of conditions, over held-out heads."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from ..generator.fast_images import FastImages
from ..latent.w_space import WSpace
from ..perception.network import FaceNetwork
from .held_out import HeldOutHead, only
from .measures import (
    Skin,
    attribute_agreement,
    body,
    color_error,
    embedding,
    label_overlap,
    shape_distance,
    surface_error,
    view,
)
from .methods import Method

log = logging.getLogger("avatarmmc.evaluation")

ALL = ("image", "labels", "attributes")


@dataclass(frozen=True)
class Truth:
    """What results are compared with: skin, and embedding (128,) if there is a face network."""

    skin: Skin
    embedding: Tensor | None


@dataclass
class Bench:
    """Generator, latent space, face network (None: identity is not measured), heads and truths."""

    images: FastImages
    space: WSpace
    network: FaceNetwork | None
    heads: list[HeldOutHead]
    _truths: dict[int, Truth] = field(default_factory=dict)

    def truth(self, head: HeldOutHead) -> Truth:
        """The truth of a head, made once."""
        if head.number not in self._truths:
            own = body(self.images, head.ws)
            known = None if self.network is None else embedding(self.network, own)
            self._truths[head.number] = Truth(own.skin, known)
        return self._truths[head.number]


@dataclass(frozen=True)
class Quality:
    """Means over heads; nan where not measured.  overlap: mIoU of labels; agreement: mean of the
    attributes', each in `attributes`; surface: mm, and `points`: of equal points, which tells more;
    color: of 255; identity: cosine; seconds: of wall time an answer, several asked at once."""

    heads: int
    overlap: float = float("nan")
    agreement: float = float("nan")
    attributes: dict[str, float] = field(default_factory=dict, repr=False)
    surface: float = float("nan")
    points: float = float("nan")
    color: float = float("nan")
    identity: float = float("nan")
    seconds: float = float("nan")


@torch.no_grad()
def measure_latents(
    bench: Bench, heads: list[HeldOutHead], latents: Tensor, kept: tuple[str, ...]
) -> Quality:
    """Figures of latents (B, k, d) that answer the `kept` modalities of B heads."""
    ws = bench.space.decode(latents)
    found: dict[str, list[float]] = {}
    if set(kept) & {"image", "labels"}:
        result = None
        for i, head in enumerate(heads):
            if result is None or not torch.equal(ws[i], ws[i - 1]):  # the average head is one
                result = _Result(bench, ws[i : i + 1])
            for name, value in _measure_head(bench, head, result, kept).items():
                found.setdefault(name, []).append(value)
    means = {name: sum(values) / len(values) for name, values in found.items()}
    if "attributes" in kept:
        asked = torch.cat([head.conditions.attributes for head in heads])
        given = torch.cat([head.conditions.attributes_given for head in heads])
        figures = attribute_agreement(bench.images, ws, asked, given)
        means |= {"agreement": figures.mean, "attributes": figures.agreement}
    return Quality(heads=len(heads), **means)


class _Result:
    """A head that was found, style rows ws (1, R, W)."""

    def __init__(self, bench: Bench, ws: Tensor):
        self.network, self.body = bench.network, body(bench.images, ws)

    @cached_property
    def embedding(self) -> Tensor:
        """What the face network takes it for."""
        return embedding(self.network, self.body)


def _measure_head(
    bench: Bench, head: HeldOutHead, result: _Result, kept: tuple[str, ...]
) -> dict[str, float]:
    found, skin = {}, result.body.skin
    if "labels" in kept:
        found["overlap"] = label_overlap(view(result.body, head.camera), head.labels)
    if "image" in kept:
        truth = bench.truth(head)
        found["surface"] = surface_error(bench.images, skin, truth.skin)
        found["points"] = shape_distance(bench.images, skin, truth.skin)
        found["color"] = color_error(bench.images, skin, truth.skin)
        if bench.network is not None:
            found["identity"] = float((result.embedding * truth.embedding).sum())
    return found


def measure(
    bench: Bench, method: Method, kept: tuple[str, ...], count: int | None = None, seed: int = 0
) -> Quality:
    """Figures of a method under the `kept` modalities, on the first `count` heads."""
    heads = bench.heads[:count]
    asked = [only(head.conditions, *kept) for head in heads]
    begun = time.perf_counter()
    latents = method.answer(heads, asked, seed)
    seconds = (time.perf_counter() - begun) / len(heads)
    quality = replace(measure_latents(bench, heads, latents, kept), seconds=seconds)
    log.info("%s, %s: %s", method.name, " + ".join(kept), quality)
    return quality


@dataclass(frozen=True)
class Diversity:
    """Mean over pairs of answers to the same conditions: shape mm, colour of 255, and cosine of
    the embeddings (nan without a face network)."""

    shape: float
    color: float
    cosine: float


@torch.no_grad()
def diversity(
    bench: Bench, method: Method, kept: tuple[str, ...], count: int, seeds: int
) -> Diversity:
    """How much `seeds` answers to the same conditions differ, over the first `count` heads."""
    sums = torch.zeros(3, dtype=torch.float64)
    pairs = 0
    for head in bench.heads[:count]:
        asked = [only(head.conditions, *kept)] * seeds
        ws = bench.space.decode(method.answer([head] * seeds, asked, 1000 * (head.number + 1)))
        bodies = [body(bench.images, ws[i : i + 1]) for i in range(seeds)]
        known = [None if bench.network is None else embedding(bench.network, own) for own in bodies]
        for i in range(seeds):
            for j in range(i):
                one, other = bodies[i].skin, bodies[j].skin
                cosine = float("nan") if known[i] is None else float((known[i] * known[j]).sum())
                figures = [
                    shape_distance(bench.images, one, other),
                    color_error(bench.images, one, other),
                    cosine,
                ]
                sums += torch.tensor(figures, dtype=torch.float64)
                pairs += 1
    return Diversity(*(sums / max(pairs, 1)).tolist())
