"""Pictures to look at: photos, maps and edits beside the heads that came of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..conditions.conditions import Conditions
from ..conditions.label_map import paint_label_map
from ..conditions.regions import class_mask, dilate
from ..perception.photo import Photo, PhotoError
from ..perception.reading import read_face
from ..synthetic.labels import LABEL_INDEX
from .edits import Edited, possible_edits, run
from .held_out import HeldOutHead, only
from .measures import Body, body, picture, view
from .methods import Method
from .quality import Bench
from .sheet import write_sheet

log = logging.getLogger("avatarmmc.evaluation")

SHOWN = 6
SIZE = 272  # pixels a head
_TURN = -35.0  # degrees of the three-quarter view
_EDITS = ("longer hair", "hair colour", "glasses on", "glasses off", "beard on", "smile lines",
          "fuller lips")  # fmt: skip
# what is painted on a map: classes that grow, by how many pixels, and over what
_STROKES: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "fuller lips": (("u_lip", "l_lip"), 2, ("skin",)),
    "more hair": (("hair",), 7, ("background", "neck", "l_ear", "r_ear")),
    "larger eyes": (("l_eye", "r_eye"), 1, ("skin",)),
    "a lower hairline": (("hair",), 6, ("skin",)),
    "a larger nose": (("nose",), 4, ("skin",)),
    "thicker brows": (("l_brow", "r_brow"), 2, ("skin",)),
}


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


@torch.no_grad()
def _photos(bench: Bench, method: Method, folder: Path) -> Page:
    """Renders of held-out heads in light that nothing was trained with, and a real photo."""
    heads = bench.heads[:SHOWN]
    asked = [only(head.conditions, "image") for head in heads]
    truths = [picture(body(bench.images, head.ws), 0.0, SIZE) for head in heads]
    captions = [f"render {head.number}" for head in heads]
    real = _astronaut(bench)
    if real is not None:
        asked[-1], truths[-1], captions[-1] = real, _enlarged(real.image[0]), "a real photo"
    answers = _bodies(bench, method, heads, asked)
    rows = [[_enlarged(c.image[0]) for c in asked], truths, *_portraits(answers)]
    path = write_sheet(folder / "evaluation_photos.jpg", rows, captions)
    text = "the photo as the network sees it, the true head, the answer from the front, and turned"
    if real is not None:
        text += " (the real photo is `skimage.data.astronaut()`; its true head nobody knows)"
    return Page("Photos to heads", text, path)


@torch.no_grad()
def _maps(bench: Bench, method: Method, folder: Path) -> Page:
    """Maps of held-out heads, each with something painted on."""
    heads = bench.heads[:SHOWN]
    strokes = list(_STROKES)[: len(heads)]
    asked, captions = [], []
    for head, stroke in zip(heads, strokes, strict=True):
        labels = painted(head.labels, stroke)
        given = torch.ones_like(labels[None, None], dtype=torch.float32)
        nothing = Conditions.none(1, labels.device)
        asked.append(
            Conditions(
                nothing.attributes,
                nothing.attributes_given,
                labels=labels[None],
                labels_mask=given,
            )
        )
        captions.append(f"map {head.number} with {stroke}")
    answers = _bodies(bench, method, heads, asked)
    own = [view(a, head.camera).label for a, head in zip(answers, heads, strict=True)]
    rows = [[_colored(c.labels[0]) for c in asked], [_colored(labels) for labels in own]]
    rows += _portraits(answers)
    path = write_sheet(folder / "evaluation_maps.jpg", rows, captions)
    text = "the map, the answer's own labels from there, the answer from the front, and turned"
    return Page("Maps to heads", text, path)


@torch.no_grad()
def _edits(bench: Bench, method: Method, folder: Path) -> Page:
    found: list[tuple[HeldOutHead, Edited]] = []
    for number, name in enumerate(_EDITS[: SHOWN + 1]):
        turned = bench.heads[number % len(bench.heads) :] + bench.heads
        head = next((h for h in turned if name in possible_edits(h)), None)
        if head is not None:
            found.append((head, run(bench, method, head, name)))
    before = _portraits([body(bench.images, head.ws) for head, _ in found])
    after = _portraits([body(bench.images, bench.space.decode(e.latent)) for _, e in found])
    rows = [before[0], after[0], before[1], after[1]]
    path = write_sheet(folder / "evaluation_edits.jpg", rows, [e.name for _, e in found])
    return Page("Edits", "before and after from the front, before and after turned", path)


def painted(labels: Tensor, stroke: str) -> Tensor:
    """A map (S, S) with one of the strokes painted on."""
    classes, reach, over = _STROKES[stroke]
    label, changed = labels[None], labels[None].clone()
    for name in classes:
        grown = dilate(class_mask(label, (name,)), reach) & class_mask(label, over)
        changed[grown[:, 0]] = LABEL_INDEX[name]
    return changed[0]


def _bodies(
    bench: Bench, method: Method, heads: list[HeldOutHead], asked: list[Conditions]
) -> list[Body]:
    ws = bench.space.decode(method.answer(heads, asked, 0))
    return [body(bench.images, ws[i : i + 1]) for i in range(len(ws))]


def _portraits(bodies: list[Body]) -> list[list[Tensor]]:
    """Pictures from the front, and turned."""
    return [[picture(own, yaw, SIZE) for own in bodies] for yaw in (0.0, _TURN)]


def _colored(labels: Tensor) -> Tensor:
    """A map (S, S) in its palette's colours, as large as the heads."""
    colors = torch.from_numpy(paint_label_map(labels)).permute(2, 0, 1) / 255
    return F.interpolate(colors[None], size=(SIZE, SIZE), mode="nearest")[0]


def _enlarged(image: Tensor) -> Tensor:
    large = F.interpolate(image[None], size=(SIZE, SIZE), mode="bicubic", align_corners=False)
    return large[0].clamp(0, 1)


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
    found = Conditions(
        nothing.attributes,
        nothing.attributes_given,
        image=read.image[None],
        image_mask=read.given[None],
        landmarks=read.landmarks[None],
    )
    return found.to(bench.heads[0].ws.device)
