"""Pictures to look at: photos, maps and edits beside the heads that came of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..conditions.conditions import Conditions
from ..conditions.label_map import paint_label_map
from ..perception.photo import Photo, PhotoError
from ..perception.reading import read_face
from .edits import Edited, possible_edits, run
from .held_out import HeldOutHead, only
from .measures import body, portrait, soft_light
from .methods import Method
from .quality import Bench
from .sheet import write_sheet

log = logging.getLogger("avatarmmc.evaluation")

SHOWN = 6
_TURN = 35.0  # degrees of the second portrait
_EDITS = ("longer hair", "hair colour", "glasses on", "glasses off", "beard on", "smile lines",
          "fuller lips")  # fmt: skip


@dataclass(frozen=True)
class Page:
    """One sheet of pictures and what its rows are."""

    title: str
    rows: str
    picture: Path


def gallery(bench: Bench, method: Method, folder: Path) -> list[Page]:
    """Photos, maps and edits, a sheet each."""
    return [
        _photos(bench, method, folder),
        _maps(bench, method, folder),
        _edits(bench, method, folder),
    ]


def _photos(bench: Bench, method: Method, folder: Path) -> Page:
    heads = bench.heads[:SHOWN]
    asked = [only(head.conditions, "image") for head in heads]
    captions = [f"photo {head.number}" for head in heads]
    real = _astronaut(bench)
    if real is not None:
        heads, asked = [*heads[: SHOWN - 1], heads[0]], [*asked[: SHOWN - 1], real]
        captions = [*captions[: SHOWN - 1], "astronaut"]
    columns = _answers(bench, method, heads, asked)
    rows = [[c.image[0] for c in asked], *columns]
    path = write_sheet(folder / "evaluation_photos.jpg", rows, captions)
    return Page("Photos to heads", "the photo, the head from the front and from the side", path)


def _maps(bench: Bench, method: Method, folder: Path) -> Page:
    heads = bench.heads[:SHOWN]
    asked = [only(head.conditions, "labels") for head in heads]
    painted = [
        torch.from_numpy(paint_label_map(head.labels)).permute(2, 0, 1) / 255 for head in heads
    ]
    rows = [painted, *_answers(bench, method, heads, asked)]
    captions = [f"map {head.number}" for head in heads]
    path = write_sheet(folder / "evaluation_maps.jpg", rows, captions)
    return Page("Maps to heads", "the map, the head from the front and from the side", path)


def _edits(bench: Bench, method: Method, folder: Path) -> Page:
    found: list[tuple[HeldOutHead, Edited]] = []
    for number, name in enumerate(_EDITS[: SHOWN + 1]):
        turned = bench.heads[number % len(bench.heads) :] + bench.heads
        head = next((h for h in turned if name in possible_edits(h)), None)
        if head is not None:
            found.append((head, run(bench, method, head, name)))
    rows = [
        [soft_light(own(e), h.camera.cam2world)[0] for h, e in found]
        for own in (lambda e: e.before, lambda e: e.after)
    ]
    path = write_sheet(folder / "evaluation_edits.jpg", rows, [e.name for _, e in found])
    return Page("Edits", "before and after", path)


@torch.no_grad()
def _answers(
    bench: Bench, method: Method, heads: list[HeldOutHead], asked: list[Conditions]
) -> list[list[Tensor]]:
    """Portraits of the answers from the front, and from the side."""
    ws = bench.space.decode(method.answer(heads, asked, 0))
    bodies = [body(bench.images, ws[i : i + 1]) for i in range(len(ws))]
    return [[portrait(own, yaw)[0] for own in bodies] for yaw in (0.0, _TURN)]


def _astronaut(bench: Bench) -> Conditions | None:
    """The public-domain portrait of Eileen Collins that ships with scikit-image, as a condition."""
    if bench.network is None:
        return None
    try:
        from skimage.data import astronaut

        image = torch.from_numpy(astronaut().copy()).permute(2, 0, 1) / 255
        read = read_face(Photo(image, torch.ones_like(image[:1])), bench.network)
    except (ImportError, PhotoError) as error:
        log.warning("the astronaut's portrait is left out: %s", error)
        return None
    nothing = Conditions.none(1)
    return Conditions(
        nothing.attributes,
        nothing.attributes_given,
        image=read.image[None],
        image_mask=read.given[None],
    )
