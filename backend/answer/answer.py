"""Several heads that meet the evidence, by diffusion or by optimisation, checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from torch import Tensor

from ..diffusion.guidance import Guidance
from ..diffusion.model import LatentDiffusion
from ..diffusion.self_check import SelfCheck
from ..generator.fast_images import FastImages
from ..generator.generator import Generator
from ..optimise.visible import Camera
from ..perception.network import FaceNetwork
from .evidence import Evidence
from .front import front_camera

Method = Literal["diffusion", "optimise"]
# stage and how much of it is done, 0 to 1; what it raises ends the work
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class AnswerModels:
    """The networks behind an answer; the face network is there when a photo is.

    What is made of them (fast images, check, front camera) is made once and kept.
    """

    generator: Generator
    diffusion: LatentDiffusion
    network: FaceNetwork | None = None

    @cached_property
    def images(self) -> FastImages:
        """Fast images of the generator's heads."""
        return FastImages(self.generator)

    @cached_property
    def check(self) -> SelfCheck:
        """The check that every head goes through."""
        return SelfCheck(self.images)

    @cached_property
    def front(self) -> Camera:
        """The camera of label maps that belong to no photo."""
        return front_camera(self.generator.model)


@dataclass(frozen=True)
class AnswerSettings:
    """How to answer: seed of the first variant, evaluations of the denoiser, guidance, how much of
    the variety (truncation), steps of refinement against the photo, whether heads are checked."""

    seed: int = 0
    variants: int = 1
    steps: int = 20
    guidance: Guidance = field(default_factory=Guidance)
    truncation: float = 1.0
    method: Method = "diffusion"
    personalise: int = 0
    check: bool = True


@dataclass(frozen=True)
class Answers:
    """latents (V, k, d), the same as w (V, 256), notes for the user, and what the report says."""

    latents: Tensor
    w: Tensor
    notes: tuple[str, ...]
    report: dict


def answer(
    models: AnswerModels,
    evidence: Evidence,
    settings: AnswerSettings,
    callback: Progress | None = None,
) -> Answers:
    """Heads that meet the evidence.  Stages: "latent", "optimise", "personalise", "check"."""
    raise NotImplementedError
