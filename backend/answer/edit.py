"""Edits of a head that is there: its front view repainted, erased or replaced, other attributes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from ..conditions.conditions import ATTRIBUTE_INDEX, Conditions
from ..conditions.contradictions import settle
from ..conditions.table import ATTRIBUTES
from ..diffusion.edit_lock import edit_head, edit_steps
from ..diffusion.edit_walk import untouched_rows
from ..diffusion.editing import Edit, Picture, make_edit
from ..diffusion.guidance import Guidance
from ..diffusion.samplers import draw_noise
from ..diffusion.self_check import Verdict, sample_checked
from ..generator.fast_images import FastImages
from ..generator.generator import Generator
from .answer import AnswerModels, Answers
from .evidence import Evidence
from .front import front_camera
from .portrait import front_picture, own_attributes, own_conditions
from .progress import Progress


@dataclass(frozen=True)
class EditSettings:
    """How to edit: strength 0 (nothing changes) to 1 (all that the edit asks for), whether parts
    of the head that the edit has no part in stay what they are (identity lock), seed of the noise,
    evaluations of the denoiser on each of the two ways, guidance."""

    strength: float = 0.8
    keep_rows: bool = True
    seed: int = 0
    steps: int = 20
    guidance: Guidance = field(default_factory=Guidance)


@torch.no_grad()
def front_view(generator: Generator, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The front of the head of w (256,), which edits are painted on: image (S, S, 3) uint8 sRGB and
    labels (S, S) uint8 of the 19 classes."""
    camera = front_camera(generator.model)
    return front_picture(FastImages(generator), _style_rows(generator, w), camera)


@torch.no_grad()
def edit(
    models: AnswerModels,
    w: np.ndarray,
    source: Evidence | None,
    wanted: Evidence,
    mask: np.ndarray | None = None,
    settings: EditSettings | None = None,
    callback: Progress | None = None,
) -> Answers:
    """The head of w (256,), edited; stage "latent".

    source: what the head was made from.  wanted: attributes to have; labels, the front view's map
    repainted; an image, seen in place of the front view.  mask (S, S) bool: where the front view
    may change, as it also may where the map was erased (is not given); an image counts within the
    mask only.  An edit of nothing gives w itself.
    """
    settings, tell = settings or EditSettings(), callback or (lambda stage, fraction: None)
    tell("latent", 0.0)
    space = models.diffusion.space
    ws = _style_rows(models.generator, w)
    in_front = source is None or source.image is None or not _attributes_only(wanted, mask)
    own = source_conditions(models, ws, None if in_front else source)
    change, notes = _settled(_make(own, wanted, mask), settings.guidance)
    known = space.encode(ws)
    if change.is_nothing or settings.strength == 0.0:
        latents, resampled = known, 0
        notes.append("the edit changes nothing; the head is the same")
    else:
        draw = _drawing(models, change, known, settings, tell)
        checked = sample_checked(draw, _checking(models, change, in_front), [settings.seed])
        latents, resampled = checked.latents, checked.resampled
        notes += checked.notes
    # as what was added: what the edit leaves alone stays the same to the last bit
    edited = ws[:, 0] + (latents - known).flatten(1) @ space.color.T
    kept = untouched_rows(space.row_names, change.changed) if settings.keep_rows else ()
    report = {
        "asked": list(change.asked),
        "released": list(change.released),
        "kept": sorted({space.row_names[row] for row in kept} - {"rest"}),
        "resampled": resampled,
    }
    return Answers(latents, edited, tuple(notes), report)


def _drawing(
    models: AnswerModels, change: Edit, known: Tensor, settings: EditSettings, tell: Progress
) -> Callable[[Sequence[int], Sequence[int]], Tensor]:
    """Draws the edited latent (1, k, d) of a seed."""

    def draw(heads: Sequence[int], seeds: Sequence[int]) -> Tensor:
        again = seeds[0] != settings.seed

        def hear(step: int, latents: Tensor) -> None:
            tell("latent", 1.0 if again else (step + 1) / edit_steps(settings.steps))

        noise = draw_noise(1, models.diffusion.space.shape, seeds[0]).to(known)
        return edit_head(
            models.diffusion, models.lock, change, known, noise, settings.strength, settings.steps,
            settings.guidance, models.front, settings.keep_rows, models.align, hear,
        )  # fmt: skip

    return draw


def _checking(
    models: AnswerModels, change: Edit, in_front: bool
) -> Callable[[int, Tensor], Verdict]:
    """Looks at the edited head of a latent (1, k, d)."""
    camera = (models.front.cam2world, models.front.intrinsics) if in_front else None

    def check(head: int, latent: Tensor) -> Verdict:
        ws = models.diffusion.space.decode(latent)
        found = models.check(ws, change.edited, camera)
        return Verdict((*found.faults, *_missed(models, ws, change)))

    return check


def _missed(models: AnswerModels, ws: Tensor, change: Edit) -> list[str]:
    """Choices that were asked for and did not come on the head of style rows ws (1, R, W)."""
    values, _ = own_attributes(models.images, ws)
    faults = []
    for name in change.asked:
        column = ATTRIBUTE_INDEX[name]
        choices = ATTRIBUTES[column].choices
        now, asked = (round(float(v[0, column])) for v in (values, change.edited.attributes))
        if choices and change.edited.attributes_given[0, column] and now != asked:
            faults.append(f"its {name} is {choices[now]}, not {choices[asked]}")
    return faults


def source_conditions(models: AnswerModels, ws: Tensor, evidence: Evidence | None) -> Conditions:
    """What is known of the head of style rows ws (1, R, W): its front view and its attributes, or
    the photo of its evidence with the photo's labels in place of the front view."""
    if evidence is None:
        return own_conditions(models.images, ws, models.front)
    given = evidence.conditions(ws.device)
    values, shows = own_attributes(models.images, ws)
    return replace(given, attributes=values, attributes_given=shows)


def _style_rows(generator: Generator, w: np.ndarray) -> Tensor:
    """Style rows (1, R, W) of w (256,)."""
    if np.shape(w) != (generator.config.w_dim,):
        raise ValueError(f"expected w of {generator.config.w_dim} numbers, given {np.shape(w)}")
    rows = torch.as_tensor(w, dtype=torch.float32, device=generator.model.device)
    return rows.expand(1, generator.num_ws, -1)


def _attributes_only(wanted: Evidence, mask: np.ndarray | None) -> bool:
    return wanted.image is None and wanted.labels is None and mask is None


def _make(own: Conditions, wanted: Evidence, mask: np.ndarray | None) -> Edit:
    """The edit of a head's own conditions that `wanted` and the mask say."""
    asked = wanted.conditions(own.attributes.device)
    marked = None
    if mask is not None:
        marked = torch.from_numpy(mask).to(own.attributes.device)[None, None]
    if wanted.image is not None:
        picture = Picture(asked.image, asked.image_mask, asked.labels, asked.labels_mask)
        return make_edit(own, None, marked, wanted.attributes, picture)
    if wanted.labels is None:
        return make_edit(own, None, marked, wanted.attributes)
    erased = asked.labels_mask < 0.5
    labels = torch.where(erased[:, 0], own.labels, asked.labels)
    if marked is not None:
        erased = erased | marked
    return make_edit(own, labels, erased if bool(erased.any()) else None, wanted.attributes)


def _settled(change: Edit, guidance: Guidance) -> tuple[Edit, list[str]]:
    """The edit without contradictions, and notes about them and about what was released."""
    notes = [f"the painted map says {name}={value}" for name, value in change.implied.items()]
    if change.released:
        notes.append(f"the edit sets free {', '.join(change.released)}")
    edited, contradictions = settle(change.edited, guidance.labels, guidance.attributes)
    if change.is_nothing:
        return change, notes
    return replace(change, edited=edited), notes + contradictions
