"""Several heads that meet the evidence, by diffusion or by optimisation, checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from ..alignment.align import Aligner
from ..alignment.descent import Descent
from ..alignment.photo import align_to_photo
from ..conditions.conditions import Conditions, given_names
from ..conditions.contradictions import settle
from ..diffusion.edit_lock import EditLock
from ..diffusion.guidance import Guidance
from ..diffusion.model import LatentDiffusion
from ..diffusion.sample import SampleSettings, sample
from ..diffusion.self_check import SelfCheck, Verdict, sample_with_check
from ..generator.fast_images import FastImages
from ..generator.generator import Generator
from ..optimise.losses import Target
from ..optimise.optimise import REFINEMENT, Search, optimise, personalise
from ..optimise.photo_target import photo_camera, photo_target
from ..optimise.visible import Camera
from ..perception.network import FaceNetwork
from ..synthetic.labels import LABEL_INDEX
from .evidence import Evidence
from .front import front_camera
from .portrait import front_picture
from .progress import Forward, Progress, Show

Method = Literal["diffusion", "optimise"]

_SEARCH_STEPS = 20  # of the optimisation for each step of the denoiser: 400 beside its usual 20
_SHOWN_EVERY = 10  # steps of a search
_SAMPLING = 0.5  # of the stage "latent"; the rest is checking
# no head of the generator has them: a map is not compared there
_WORN = tuple(LABEL_INDEX[name] for name in ("hat", "neck_l", "cloth"))


@dataclass(frozen=True)
class AnswerModels:
    """The networks behind an answer, and the learned steps that bring heads into line with maps;
    the face network is there when a photo is.

    What is made of them (fast images, aligner, check, front camera) is made once and kept.
    """

    generator: Generator
    diffusion: LatentDiffusion
    descent: Descent
    network: FaceNetwork | None = None

    @cached_property
    def images(self) -> FastImages:
        """Fast images of the generator's heads."""
        return FastImages(self.generator)

    @cached_property
    def align(self) -> Aligner:
        """What brings heads into line with label maps."""
        return Aligner(self.images, self.diffusion.space, self.descent)

    @cached_property
    def check(self) -> SelfCheck:
        """The check that every head goes through."""
        return SelfCheck(self.images)

    @cached_property
    def lock(self) -> EditLock:
        """What holds of edited heads that which their edits have no part in."""
        return EditLock(self.images, self.diffusion.space)

    @cached_property
    def front(self) -> Camera:
        """The camera of label maps that belong to no photo."""
        return front_camera(self.generator.model)


@dataclass(frozen=True)
class AnswerSettings:
    """How to answer: seed of the first variant, evaluations of the denoiser (the search of the
    method "optimise" takes 20 times as many steps), guidance, how much of the variety (truncation),
    steps of refinement against the photo, whether heads are checked."""

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
    show: Show | None = None,
) -> Answers:
    """Heads that meet the evidence.

    Stages: "latent", then "personalise" if asked for, or "optimise" alone; `show` is given a front
    picture of the head now and then in the last two.  Raises ValueError where the weights cannot
    take what is given.
    """
    tell = callback or (lambda stage, fraction: None)
    conditions = evidence.conditions(models.generator.model.device)
    work = _Work(models, evidence, settings, conditions, tell, show)
    report = {"method": settings.method, "steps": settings.steps, "resampled": 0}
    if settings.method == "optimise":
        latents, notes = work.search()
    else:
        latents, notes, report["resampled"] = work.sample()
        if settings.personalise:
            latents, more = work.personalise(latents)
            notes += more
            report["personalise"] = settings.personalise
    w = models.diffusion.space.decode(latents)[:, 0]
    return Answers(latents, w, tuple(notes), report)


@dataclass(frozen=True)
class _Work:
    """What all steps of one answer share."""

    models: AnswerModels
    evidence: Evidence
    settings: AnswerSettings
    conditions: Conditions
    tell: Progress
    show: Show | None

    def sample(self) -> tuple[Tensor, list[str], int]:
        """Latents by diffusion, notes, and how many heads were drawn anew."""
        s, progress = self.settings, Forward(self.tell, "latent")
        asked = SampleSettings(s.steps, s.seed, s.variants, s.guidance, truncation=s.truncation)

        def heard(step: int, latents: Tensor) -> None:
            progress(_SAMPLING * step / s.steps)

        def refine(latents: Tensor, settled: Conditions) -> Tensor:
            return self.align(latents, settled, lambda: progress(_SAMPLING))

        progress(0.0)
        if not s.check:
            found = sample(self.models.diffusion, self.conditions, asked, heard)
            settled, _ = self._settled()
            return refine(found.latents, settled.repeat(s.variants)), found.notes, 0
        looked = 0

        def check(ws: Tensor, conditions: Conditions, camera: None) -> Verdict:
            nonlocal looked
            progress(_SAMPLING + (1 - _SAMPLING) * min(1.0, looked / s.variants))
            looked += 1
            return self.check(ws, conditions)

        found, checked = sample_with_check(
            self.models.diffusion, check, self.conditions, asked, heard, refine=refine
        )
        return found.latents, found.notes, checked.resampled

    def align(self, latents: Tensor, conditions: Conditions, tick: Callable[[], None]) -> Tensor:
        """Latents (V, k, d) of heads in line with what their conditions (V) show: the map that was
        drawn, or the photo that was read."""
        latents = self.models.align.manifold(latents)
        if self.settings.guidance.labels == 0 or not bool(conditions.given("labels").any()):
            return latents
        conditions, align, found = _comparable(conditions), self.models.align, []
        for number, latent in enumerate(latents[:, None]):
            map_ = conditions.labels[number], conditions.labels_mask[number, 0]
            if self.evidence.labels_read:
                found.append(align_to_photo(align, latent, *map_, *self._seen(), tick))
            else:
                camera = self._camera(self.models.diffusion.space.decode(latent))
                asked = given_names(conditions.select(slice(number, number + 1)))
                found.append(align(latent, *map_, camera, asked, tick))
        return torch.cat(found)

    def search(self) -> tuple[Tensor, list[str]]:
        """Latents by optimisation, one search a variant, and notes."""
        s = self.settings
        conditions, notes = self._settled()
        search = Search(steps=_SEARCH_STEPS * s.steps)
        centre = torch.zeros(1, *self.models.diffusion.space.shape, device=self.device)
        target = self._target(centre, conditions)
        found = []
        for number in range(s.variants):
            found.append(
                optimise(
                    self.models.images, self.models.diffusion.space, target, self.models.network,
                    search, s.seed + number, progress=self._progress("optimise", number, search),
                )
            )  # fmt: skip
        latents = torch.cat(found)
        return latents, notes + self._faults("optimise", latents, conditions)

    def personalise(self, latents: Tensor) -> tuple[Tensor, list[str]]:
        """Latents (V, k, d) drawn nearer to the photo, and notes."""
        conditions, _ = self._settled()
        search = replace(REFINEMENT, steps=self.settings.personalise)
        found = []
        for number, latent in enumerate(latents):
            target = self._target(latent[None], conditions)
            found.append(
                personalise(
                    self.models.images, self.models.diffusion.space, latent[None], target,
                    self.models.network, search,
                    progress=self._progress("personalise", number, search),
                )
            )  # fmt: skip
        refined = torch.cat(found)
        return refined, self._faults("personalise", refined, conditions)

    def check(self, ws: Tensor, conditions: Conditions) -> Verdict:
        """What is wrong with one head of style rows ws (1, R, W)."""
        camera = self._camera(ws)
        asked = _comparable(conditions)
        return self.models.check(ws, asked, (camera.cam2world, camera.intrinsics))

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.conditions.attributes.device

    def _settled(self) -> tuple[Conditions, list[str]]:
        guidance = self.settings.guidance
        return settle(self.conditions, guidance.labels, guidance.attributes)

    def _camera(self, ws: Tensor) -> Camera:
        """Where photo and map see the head from; a map without a photo is seen from the front."""
        if self.evidence.landmarks is None:
            return self.models.front
        return photo_camera(self.models.generator, ws, *self._seen())

    def _target(self, latent: Tensor, conditions: Conditions) -> Target:
        ws = self.models.diffusion.space.decode(latent)
        if self.evidence.landmarks is None:
            return Target(conditions, self.models.front)
        return photo_target(self.models.generator, ws, conditions, *self._seen())

    def _seen(self) -> tuple[Tensor, Tensor]:
        """Landmarks and rotation of the photo."""
        evidence = self.evidence
        return torch.from_numpy(evidence.landmarks), torch.from_numpy(evidence.rotation)

    def _progress(self, stage: str, number: int, search: Search) -> Callable[..., None]:
        def heard(step: int, latent: Tensor, losses: dict[str, float]) -> None:
            self.tell(stage, (number + step / search.steps) / self.settings.variants)
            if self.show is not None and step % _SHOWN_EVERY == 0:
                ws = self.models.diffusion.space.decode(latent)
                self.show(front_picture(self.models.images, ws, self.models.front)[0])

        return heard

    def _faults(self, stage: str, latents: Tensor, conditions: Conditions) -> list[str]:
        """What the check says about heads that are not drawn anew."""
        notes = []
        if not self.settings.check:
            return notes
        for number, latent in enumerate(latents, 1):
            self.tell(stage, 1.0)
            ws = self.models.diffusion.space.decode(latent[None])
            verdict = self.check(ws, conditions)
            if not verdict.passed:
                notes.append(f"head {number}: {'; '.join(verdict.faults)}")
        return notes


def _comparable(conditions: Conditions) -> Conditions:
    """Conditions without what of their maps no head of the generator has."""
    if conditions.labels is None:
        return conditions
    worn = torch.isin(conditions.labels, conditions.labels.new_tensor(_WORN))[:, None]
    return replace(conditions, labels_mask=conditions.labels_mask.masked_fill(worn, 0.0))
