"""The section of docs/results.md that the evaluation writes, and nothing else of that page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .curves import Curve
from .gallery import Page
from .page import BEGIN, END
from .table import COLUMNS, Figures, Row

_WORDS = {True: "yes", False: "**no**", None: ""}

_NOTES = """\
Heads have seeds that no training drew, and a neutral face. Cameras are drawn evenly over portrait
angles (45 degrees to both sides, 15 down to 20 up) and distances (0.75 to 2.5 m), where training
draws most from the front; the light of photos is that of rooms, from all around, which no training
has seen (`backend/evaluation/room.py`); the map is that of the plain render. mIoU: labels of the
result, seen by the condition's camera, against the map, mean over the classes that either shows,
then over heads. Agreement: correlation over heads of what was asked and what is measured on the
result, for choices the share that match; mean over attributes. Surface error: median distance of
the true face's points from the result's surface after the best similarity, at a head of 230 mm,
mean over heads. Faces slide over one another in it, so even wrong heads come near; the mean
distance of equal points of both faces tells more and stands beside it, also as a share of what the
average head has. Colour error: of the face's colours without light. Identity: cosine of the face
network's embeddings, mean of three views. Share kept: the figure with all three conditions over
that with its own alone, for errors the other way round; above 1 it got better. Editing: one edit a
head, by attributes; change of the head's pixels without light, the median over edits of that
outside the region over that inside. Several seeds: mean over pairs of answers to the same
conditions. The baseline searches the same latent by the gradient of masked L1, face-network
features (if weights are given), label cross-entropy, attributes, landmarks and prior, and is told
the camera, which the diffusion is not. Seconds: an answer to all three conditions asked for alone,
from pictures and numbers to the latent, encoding and guidance included; what is made of the latent
takes the same with both. The average head is that of the mean latent, whatever is asked: what any
method has to beat. Another head: the next held-out one in the place of the right one."""


def section(
    rows: Sequence[Row],
    figures: Sequence[Figures | None],
    curves: Sequence[Curve],
    pages: Sequence[Page],
    circumstances: Sequence[str],
    page: Path,
) -> str:
    """The whole section; pictures are linked relative to `page`."""
    lines = [BEGIN, "## Latent diffusion against optimisation", ""]
    lines += [f"- {line}" for line in circumstances]
    lines += ["", f"| figure | aim | {' | '.join(COLUMNS)} | held? |"]
    lines += ["|---" * (len(COLUMNS) + 3) + "|"]
    lines += [f"| {r.figure} | {r.aim} | {' | '.join(r.values)} | {_WORDS[r.held]} |" for r in rows]
    missed = [row.figure for row in rows if row.held is False]
    lines += ["", f"Not held: {'; '.join(missed)}." if missed else "", "", *_NOTES.splitlines(), ""]
    for curve in curves:
        lines += _curve(curve, page)
    for own in pages:
        lines += [
            f"### {own.title}",
            "",
            f"Rows: {own.rows}.",
            "",
            _link(own.title, own.picture, page),
        ]
        lines.append("")
    lines += _attributes(figures)
    text = "\n".join([*lines, END])
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def _curve(curve: Curve, page: Path) -> list[str]:
    lines = [f"### {curve.title}", "", f"| {' | '.join(curve.columns)} |"]
    lines.append("|" + "---|" * len(curve.columns))
    lines += [f"| {' | '.join(line)} |" for line in curve.lines]
    if curve.note:
        lines += ["", curve.note]
    if curve.picture is not None:
        lines += ["", _link(curve.title, curve.picture, page)]
    return [*lines, ""]


def _link(title: str, picture: Path, page: Path) -> str:
    return f"![{title}]({os.path.relpath(picture, page.parent).replace(os.sep, '/')})"


def _attributes(figures: Sequence[Figures | None]) -> list[str]:
    """Agreement of every attribute with attributes only."""
    found = [f.attributes.attributes if f and f.attributes else {} for f in figures[:2]]
    names = list(dict.fromkeys(name for own in found for name in own))
    if not names:
        return []
    lines = ["### Attributes only, one by one", "", "| attribute | diffusion | optimisation |"]
    lines.append("|---|---|---|")
    for name in names:
        values = [f"{own[name]:.2f}" if name in own else "" for own in found]
        lines.append(f"| {name} | {values[0]} | {values[1]} |")
    return [*lines, ""]
