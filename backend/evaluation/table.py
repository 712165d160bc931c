"""The table: every row measured with both methods on the same heads and machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .edits import EditFigures, measure_edits
from .held_out import only
from .methods import AnotherHead, AverageHead, Method, seconds_per_answer
from .quality import ALL, Bench, Diversity, Quality, diversity, measure

_NOT_MEASURED = "not measured"
_KEPT = 0.95  # of its own figure that each must keep with all three conditions
_FASTER = 50.0
COLUMNS = ("diffusion", "optimisation", "average head", "another head")
# what is asked for: one kind of condition, or all of them
KINDS = {"map": ("labels",), "attributes": ("attributes",), "photo": ("image",), "all three": ALL}


@dataclass(frozen=True)
class Sizes:
    """How many heads each part is measured on, and how many seeds a head are compared."""

    heads: int = 200
    edits: int = 36
    diverse: int = 4
    seeds: int = 8
    timed: int = 8
    curve: int = 12
    others: int = 40


@dataclass(frozen=True)
class Figures:
    """All figures of one method; None where not measured."""

    labels: Quality | None = None
    attributes: Quality | None = None
    image: Quality | None = None
    all: Quality | None = None
    diversity: dict[str, Diversity] | None = None
    edits: EditFigures | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Row:
    """One row of the table: figure, aim, values in the order of COLUMNS, and whether the diffusion
    holds the aim (None: there is no aim, or no figure)."""

    figure: str
    aim: str
    values: tuple[str, ...]
    held: bool | None = None


def collect(
    bench: Bench,
    method: Method,
    sizes: Sizes,
    visual: bool = True,
    kinds: Sequence[str] = tuple(KINDS),
) -> Figures:
    """Measure everything of a method.

    visual: it takes photos and maps.  kinds: those of `KINDS` for which several seeds are compared.
    Where `sizes.timed` is 0 the time is that of the answers to all conditions.
    """

    def quality(kind: str) -> Quality | None:
        known = visual or kind == "attributes"
        return measure(bench, method, KINDS[kind], sizes.heads) if known else None

    found = {kind: quality(kind) for kind in KINDS}
    kinds = [kind for kind in kinds if found[kind] is not None]
    several = {
        kind: diversity(bench, method, KINDS[kind], sizes.diverse, sizes.seeds)
        for kind in kinds
        if sizes.diverse
    }
    fullest = "all three" if visual else "attributes"
    seconds = found[fullest].seconds
    if sizes.timed:
        timed = bench.heads[: sizes.timed]
        asked = [only(head.conditions, *KINDS[fullest]) for head in timed]
        seconds = seconds_per_answer(method, timed, asked)
    return Figures(
        labels=found["map"],
        attributes=found["attributes"],
        image=found["photo"],
        all=found["all three"],
        diversity=several,
        edits=measure_edits(bench, method, sizes.edits) if visual and sizes.edits else None,
        seconds=seconds,
    )


def collect_average(bench: Bench, count: int) -> Figures:
    """What the average head gets whatever is asked."""
    found = measure(bench, AverageHead(bench.space), ALL, count)
    return Figures(labels=found, attributes=found, image=found)


def collect_another(bench: Bench, count: int) -> Figures:
    """What another held-out head gets in the place of the right one."""
    found = measure(bench, AnotherHead(bench.space, bench.heads), ALL, count)
    return Figures(labels=found, attributes=found, image=found)


def rows(columns: Sequence[Figures | None]) -> list[Row]:
    """The rows of the table, for figures in the order of COLUMNS (None: not measured)."""
    average = columns[2]

    def row(
        figure: str,
        read: Callable[[Figures], float | None],
        digits: int,
        aim: str = "",
        held: Callable[[float], bool] | None = None,
    ) -> Row:
        values = [None if figures is None else _number(read(figures)) for figures in columns]
        shown = tuple(_NOT_MEASURED if v is None else f"{v:.{digits}f}" for v in values)
        verdict = None if held is None or values[0] is None else held(values[0])
        return Row(figure, aim, shown, verdict)

    def of_average(figures: Figures) -> float | None:
        if figures.image is None or average is None or average.image is None:
            return None
        return figures.image.points / average.image.points

    found = [
        row("heads", lambda f: (f.attributes or f.all).heads, 0),
        row("segmentation only: mIoU", lambda f: f.labels and f.labels.overlap, 3,
            ">= 0.80", lambda v: v >= 0.80),
        row("attributes only: mean agreement", lambda f: f.attributes and f.attributes.agreement, 3,
            ">= 0.85", lambda v: v >= 0.85),
        row("photo only: surface error, mm", lambda f: f.image and f.image.surface, 2,
            "<= 2.0", lambda v: v <= 2.0),
        row("photo only: distance of equal points, mm", lambda f: f.image and f.image.points, 2),
        row("photo only: that distance over the average head's", of_average, 2),
        row("photo only: colour error, of 255", lambda f: f.image and f.image.color, 1),
        row("photo only: identity, cosine", lambda f: f.image and f.image.identity, 3),
        row("all three: mIoU", lambda f: f.all and f.all.overlap, 3),
        row("all three: mean agreement", lambda f: f.all and f.all.agreement, 3),
        row("all three: surface error, mm", lambda f: f.all and f.all.surface, 2),
        row("all three: distance of equal points, mm", lambda f: f.all and f.all.points, 2),
        row("all three: colour error, of 255", lambda f: f.all and f.all.color, 1),
        row("all three: identity, cosine", lambda f: f.all and f.all.identity, 3),
    ]  # fmt: skip
    for what, share in _SHARES.items():
        figure = f"all three: share kept of its own {what}"
        found.append(row(figure, share, 2, f">= {_KEPT}", lambda v: v >= _KEPT))
    for kind in KINDS:
        found.append(_diversity_row(kind, columns))
    found += [
        row("editing: change in the region, of 255", lambda f: f.edits and f.edits.inside, 1),
        row("editing: change outside over that inside", lambda f: f.edits and f.edits.outside, 3,
            "<= 0.15", lambda v: v <= 0.15),
        row("editing: share of the asked change done", lambda f: f.edits and f.edits.done, 2),
        row("editing: identity kept, cosine", lambda f: f.edits and f.edits.identity, 3),
        row("seconds an answer", lambda f: f.seconds, 2),
    ]  # fmt: skip
    return [*found, _speed_row(columns)]


def _share(
    kind: Callable[[Figures], Quality | None], figure: Callable[[Quality], float], falling: bool
) -> Callable[[Figures], float | None]:
    """Share of its own figure that a condition keeps with all three; falling: less is better."""

    def read(figures: Figures) -> float | None:
        alone, both = kind(figures), figures.all
        if alone is None or both is None:
            return None
        one, other = (figure(alone), figure(both)) if falling else (figure(both), figure(alone))
        return one / other if other else float("nan")

    return read


_SHARES = {
    "mIoU": _share(lambda f: f.labels, lambda q: q.overlap, falling=False),
    "agreement": _share(lambda f: f.attributes, lambda q: q.agreement, falling=False),
    "surface error": _share(lambda f: f.image, lambda q: q.surface, falling=True),
    "colour error": _share(lambda f: f.image, lambda q: q.color, falling=True),
    "identity": _share(lambda f: f.image, lambda q: q.identity, falling=False),
}


def _diversity_row(kind: str, columns: Sequence[Figures | None]) -> Row:
    def shown(figures: Figures | None) -> str:
        own = None if figures is None or figures.diversity is None else figures.diversity.get(kind)
        if own is None:
            return _NOT_MEASURED
        cosine = "" if math.isnan(own.cosine) else f", {own.cosine:.2f}"
        return f"{own.shape:.2f} mm, {own.color:.1f}{cosine}"

    what = "all three" if kind == "all three" else f"{kind} only"
    values = tuple(shown(figures) for figures in columns)
    return Row(f"{what}, several seeds: shape, colour of 255, cosine", "", values)


def _speed_row(columns: Sequence[Figures | None]) -> Row:
    figure, aim = "times faster than the baseline", f">= {_FASTER:.0f}"
    diffusion, baseline = columns[:2]
    if diffusion is None or baseline is None:
        return Row(figure, aim, (_NOT_MEASURED, "1", "", ""))
    times = baseline.seconds / diffusion.seconds
    return Row(figure, aim, (f"{times:.0f}", "1", "", ""), times >= _FASTER)


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
