"""From what a request asks for to latents: pictures are read, the networks loaded, heads found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .errors import AvatarError
from .models import LoadedModel
from .settings import GenerateSettings
from .stages import SEED_STAGES, StageClock

if TYPE_CHECKING:
    from .backend.answer.evidence import Evidence

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
    """Return heads that meet what `settings` ask; raises AvatarError with one sentence."""
    raise AvatarError("not yet")
