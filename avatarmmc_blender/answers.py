"""From what a request asks for to latents: pictures are read, the networks loaded, heads found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import live_picture
from .errors import AvatarError
from .models import LoadedModel, load_answer_models
from .settings import GUIDANCE, PICTURES, GenerateSettings
from .stages import SEED_STAGES, StageClock
from .task import running_task

if TYPE_CHECKING:
    from .backend.answer.answer import Answers
    from .backend.answer.evidence import Evidence
    from .backend.diffusion.guidance import Guidance

# usual length of what comes before the heads, in units of the time of one head on a processor
_PHOTO, _SAMPLING, _SEARCH, _REFINEMENT_STEP = 0.05, 0.04, 3.0, 0.01


@dataclass(frozen=True)
class Found:
    """Latents w of the heads asked for, (V, 256) float32, what they answer to, notes for the user
    and what the report says about how they were found."""

    latents: np.ndarray
    evidence: Evidence | None = None
    notes: tuple[str, ...] = ()
    report: dict = field(default_factory=dict)


# finds latents with the models of a device; what the clock raises ends the work
Finder = Callable[[LoadedModel, StageClock], Found]


def request_stages(settings: GenerateSettings) -> dict[str, float]:
    """Return the stages before the heads of `settings`, with their usual length."""
    if not settings.conditioned:
        return SEED_STAGES
    stages = {"photo": _PHOTO} if settings.image else {}
    if settings.method == "optimise":
        return {**stages, "optimise": _SEARCH * settings.variants}
    stages["latent"] = _SAMPLING * settings.variants
    if settings.personalise:
        stages["personalise"] = _REFINEMENT_STEP * settings.personalise * settings.variants
    return stages


def find_answers(
    settings: GenerateSettings,
    pixels: Mapping[str, np.ndarray],
    model: LoadedModel,
    clock: StageClock,
) -> Found:
    """Return heads that meet what `settings` ask; raises AvatarError with one sentence.

    pixels: pictures that are in memory already, by the name of the setting, in place of files.
    """
    from .backend.answer.answer import AnswerSettings, answer
    from .backend.answer.read import read_evidence
    from .backend.perception.framing import Frame

    pictures = {name: _picture(settings, pixels, name) for name in PICTURES}
    with explained_values():
        check_names(settings.attributes)
        crop = None if settings.crop is None else Frame(*settings.crop)
        models = load_answer_models(model.device, with_network=settings.image is not None)
        evidence = read_evidence(
            **pictures,
            attributes=settings.attributes,
            network=models.network,
            crop=crop,
            snap=settings.snap,
            tick=clock.tick,
            names={name: getattr(settings, name) for name in pixels},
        )
        asked = AnswerSettings(
            seed=settings.seed,
            variants=settings.variants,
            steps=settings.steps,
            guidance=guidance_of(settings.guidance),
            truncation=settings.truncation,
            method=settings.method,
            personalise=settings.personalise,
        )
        watched = running_task() is not None  # not from scripts and the command line
        answers = answer(models, evidence, asked, clock, live_picture.put if watched else None)
    return found_of(answers, evidence)


def found_of(answers: Answers, evidence: Evidence | None) -> Found:
    """Return answers as the pipeline takes them, with what was asked for."""
    conditions = {} if evidence is None else described(evidence)
    notes = answers.notes if evidence is None else (*evidence.notes, *answers.notes)
    latents = answers.w.cpu().numpy().astype(np.float32)
    return Found(latents, evidence, notes, {"conditions": conditions, **answers.report})


def guidance_of(scales: Mapping[str, float]) -> Guidance:
    """Return guidance of scales by the users' names; those that are missing have their default."""
    from .backend.diffusion.guidance import Guidance

    full = {**GUIDANCE, **scales}
    return Guidance(full["photo"], full["map"], full["attributes"])


def check_names(attributes: Mapping[str, float | str]) -> None:
    """Raise ValueError for attributes that are unknown or out of range; loads no weights."""
    from .backend.conditions.attributes import check_value

    for name, value in attributes.items():
        check_value(name, value)


@contextmanager
def explained_values() -> Iterator[None]:
    """Turn what the backend says about values that cannot be used into AvatarError."""
    try:
        yield
    except ValueError as error:
        raise AvatarError.from_error(error) from error


def described(evidence: Evidence) -> dict:
    """Return what was asked for as the report says it: shares are of the picture, 0 to 1."""
    found: dict = {}
    if evidence.image is not None:
        found["photo"] = {"given": _share(evidence.image_given)}
        if evidence.crop is not None:
            found["photo"]["crop"] = [round(number, 1) for number in evidence.crop]
    if evidence.labels is not None:
        found["map"] = {"given": _share(evidence.labels_given)}
    if evidence.attributes:
        found["attributes"] = dict(evidence.attributes)
    return found


def _share(given: np.ndarray) -> float:
    return round(float(given.mean()), 3)


def _picture(
    settings: GenerateSettings, pixels: Mapping[str, np.ndarray], name: str
) -> Path | np.ndarray | None:
    value = getattr(settings, name)
    if value is None:
        return None
    return pixels[name] if name in pixels else Path(value)
