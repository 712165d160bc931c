"""The table: every row measured with both methods on the same heads and machine."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .edits import EditFigures, measure_edits
from .held_out import only
from .methods import AverageHead, Method, seconds_per_answer
from .quality import ALL, Bench, Diversity, Quality, diversity, measure

_NOT_MEASURED = "not measured"
_KEPT = 0.95  # of its own figure that each must keep with all three conditions


@dataclass(frozen=True)
class Sizes:
    """How many heads each part is measured on; the baseline's searches take minutes a head."""

    heads: int = 200
    baseline: int = 20
    edits: int = 36
    diverse: int = 4
    seeds: int = 8
    timed: int = 4
    curve: int = 24


@dataclass(frozen=True)
class Figures:
    """All figures of one method; None where not measured."""

    labels: Quality | None
    attributes: Quality | None
    image: Quality | None
    all: Quality | None
    diversity: Diversity | None
    edits: EditFigures | None
    seconds: float | None


@dataclass(frozen=True)
class Row:
    """One row of the table: figure, aim, values of diffusion, baseline and average head, and
    whether the diffusion holds the aim."""

    figure: str
    aim: str
    diffusion: str
    baseline: str
    average: str
    held: bool | None = None


def collect(bench: Bench, method: Method, sizes: Sizes, count: int, visual: bool) -> Figures:
    """Measure everything of a method on `count` heads; `visual`: it takes photos and maps."""

    def quality(*kept: str) -> Quality | None:
        if not visual and kept != ("attributes",):
            return None
        return measure(bench, method, kept, count)

    timed = bench.heads[: min(sizes.timed, count)]
    kept = ALL if visual else ("attributes",)
    asked = [only(head.conditions, *kept) for head in timed]
    return Figures(
        labels=quality("labels"),
        attributes=quality("attributes"),
        image=quality("image"),
        all=quality(*ALL),
        diversity=diversity(bench, method, kept[-2:], min(sizes.diverse, count), sizes.seeds),
        edits=measure_edits(bench, method, min(sizes.edits, count)) if visual else None,
        seconds=seconds_per_answer(method, timed, asked),
    )


def collect_average(bench: Bench, count: int) -> Figures:
    """What the average head alone gets, so that figures can be judged."""
    method = AverageHead(bench.space)
    both = measure(bench, method, ("image", "labels"), count)
    return Figures(both, None, both, None, None, None, None)


def rows(diffusion: Figures | None, baseline: Figures | None, average: Figures | None) -> list[Row]:
    """The rows of the table."""
    columns = (diffusion, baseline, average)

    def row(
        figure: str,
        aim: str,
        read: Callable[[Figures], float],
        digits: int,
        held: Callable[[float], bool] | None = None,
    ) -> Row:
        values = [_read(figures, read) for figures in columns]
        shown = [_NOT_MEASURED if v is None else f"{v:.{digits}f}" for v in values]
        verdict = None if held is None or values[0] is None else held(values[0])
        return Row(figure, aim, *shown, verdict)

    found = [
        row("heads", "", lambda f: (f.attributes or f.labels).heads, 0),
        row("segmentation only: mIoU", ">= 0.80", lambda f: f.labels.overlap, 3,
            lambda v: v >= 0.80),
        row("attributes only: mean agreement", ">= 0.85", lambda f: f.attributes.agreement, 3,
            lambda v: v >= 0.85),
        row("photo only: surface error, mm", "<= 2.0", lambda f: f.image.surface, 2,
            lambda v: v <= 2.0),
        row("photo only: distance of equal points, mm", "", lambda f: f.image.points, 2),
        row("photo only: colour error, of 255", "", lambda f: f.image.color, 1),
        row("photo only: identity, cosine", "", lambda f: f.image.identity, 3),
        row("all three: mIoU", "", lambda f: f.all.overlap, 3),
        row("all three: mean agreement", "", lambda f: f.all.agreement, 3),
        row("all three: surface error, mm", "", lambda f: f.all.surface, 2),
        row("all three: distance of equal points, mm", "", lambda f: f.all.points, 2),
        row("all three: colour error, of 255", "", lambda f: f.all.color, 1),
        row("all three: identity, cosine", "", lambda f: f.all.identity, 3),
        row("all three: the least share kept of its own", f">= {_KEPT}", least_kept, 2,
            lambda v: v >= _KEPT),
        row("several seeds: shape between answers, mm", "", lambda f: f.diversity.shape, 2),
        row("several seeds: colour between answers, of 255", "", lambda f: f.diversity.color, 1),
        row("several seeds: cosine between answers", "", lambda f: f.diversity.cosine, 3),
        row("editing: change in the region, of 255", "", lambda f: f.edits.inside, 1),
        row("editing: change outside over that inside", "<= 0.15", lambda f: f.edits.outside, 3,
            lambda v: v <= 0.15),
        row("editing: share of the asked change done", "", lambda f: f.edits.done, 2),
        row("editing: identity kept, cosine", "", lambda f: f.edits.identity, 3),
        row("seconds an answer", "", lambda f: f.seconds, 2),
    ]  # fmt: skip
    return [*found, _speed_row(diffusion, baseline)]


def least_kept(figures: Figures) -> float:
    """The least share of its own figure that each condition keeps when all three are given."""
    both = figures.all
    shares = [
        both.overlap / figures.labels.overlap,
        both.agreement / figures.attributes.agreement,
        figures.image.surface / both.surface,
        both.identity / figures.image.identity,
    ]
    return min(share for share in shares if not math.isnan(share))


def _speed_row(diffusion: Figures | None, baseline: Figures | None) -> Row:
    figure, aim = "times faster than the baseline", ">= 50"
    if diffusion is None or baseline is None:
        return Row(figure, aim, _NOT_MEASURED, "1", "")
    times = baseline.seconds / diffusion.seconds
    return Row(figure, aim, f"{times:.0f}", "1", "", times >= 50)


def _read(figures: Figures | None, read: Callable[[Figures], float]) -> float | None:
    """A figure, or None where that part was not measured."""
    if figures is None:
        return None
    try:
        value = read(figures)
    except AttributeError:  # that part is None
        return None
    return None if value is None or math.isnan(value) else value
