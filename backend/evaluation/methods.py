"""The two ways to a latent that are compared, behind one call."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from ..alignment.align import Aligner
from ..alignment.photo import align_to_photo
from ..conditions.conditions import Conditions, given_names
from ..diffusion.edit_lock import EditLock, edit_head
from ..diffusion.editing import Edit
from ..diffusion.guidance import Guidance, guided
from ..diffusion.model import LatentDiffusion
from ..diffusion.samplers import dpm_solver_2m, draw_noise, time_grid
from ..generator.fast_images import FastImages
from ..latent.w_space import WSpace
from ..optimise.losses import LossWeights, Target
from ..optimise.optimise import Search, optimise, search_latent
from ..optimise.visible import Camera
from ..perception.network import FaceNetwork, FaceReadings
from .held_out import HeldOutHead, join

_BATCH = 16
_EDIT_SWITCH = 0.6


class Method(Protocol):
    """A way from conditions to latents."""

    name: str

    def answer(self, heads: list[HeldOutHead], asked: list[Conditions], seed: int) -> Tensor:
        """Latents (B, k, d) for conditions (batches of 1) made from held-out heads."""
        ...

    def edit(self, head: HeldOutHead, latent: Tensor, edit: Edit) -> Tensor:
        """Latent (1, k, d) of an edited head whose own latent (1, k, d) is known."""
        ...


@dataclass
class Diffusion:
    """The denoiser, `steps` evaluations of it, and what brings its heads into line with maps.

    It is told the camera of a map, as the search is.  With a face network a photo brings its
    landmarks and, where no map is given, its labels.
    """

    model: LatentDiffusion
    images: FastImages
    align: Aligner | None = None
    network: FaceNetwork | None = None
    steps: int = 20
    guidance: Guidance = field(default_factory=Guidance)
    switch: float = _EDIT_SWITCH
    name: str = "diffusion"

    def answer(self, heads: list[HeldOutHead], asked: list[Conditions], seed: int) -> Tensor:
        """Samples for all conditions, in batches."""
        parts = []
        for start in range(0, len(asked), _BATCH):
            batch = join(asked[start : start + _BATCH])
            read = read_photos(batch, self.network)
            conditions = with_readings(batch, read)
            device = conditions.attributes.device
            noise = draw_noise(len(conditions), self.model.space.shape, seed + start, device)
            predict = guided(self.model, conditions, self.guidance)
            latents = dpm_solver_2m(predict, noise, time_grid(self.steps))
            for number, latent in enumerate(latents):
                own = conditions.select(slice(number, number + 1))
                camera = heads[start + number].camera if bool(batch.given("labels").any()) else None
                rotation = None if read is None else read.rotation[number]
                parts.append(self._aligned(latent[None], own, camera, rotation))
        return torch.cat(parts)

    def _aligned(
        self, latent: Tensor, known: Conditions, camera: Camera | None, rotation: Tensor | None
    ) -> Tensor:
        """Latent (1, k, d) in line with the map that the camera sees, or with the photo."""
        if self.align is None:
            return latent
        latent = self.align.manifold(latent)
        if not bool(known.given("labels").any()):
            return latent
        map_ = known.labels[0], known.labels_mask[0, 0]
        if camera is not None:
            return self.align(latent, *map_, camera, given_names(known))
        return align_to_photo(self.align, latent, *map_, known.landmarks[0], rotation)

    def edit(self, head: HeldOutHead, latent: Tensor, edit: Edit) -> Tensor:
        """From the noised latent; what the edit has no part in is held."""
        noise = draw_noise(1, self.model.space.shape, head.number, latent.device)
        return edit_head(
            self.model, self.lock, edit, latent, noise, self.switch, self.steps, self.guidance,
            head.camera, align=self.align,
        )  # fmt: skip

    @cached_property
    def lock(self) -> EditLock:
        """What holds the rest of edited heads, as in the product."""
        return EditLock(self.images, self.model.space)


@torch.no_grad()
def read_photos(asked: Conditions, network: FaceNetwork | None) -> FaceReadings | None:
    """What a face network reads of photos, where all heads have one."""
    if network is None or not bool(asked.given("image").all()):
        return None
    return network(asked.image)


def with_readings(asked: Conditions, read: FaceReadings | None) -> Conditions:
    """Conditions with what was read off their photos, as the product has them."""
    if read is None:
        return asked
    values = vars(asked) | {"landmarks": read.landmarks}
    if not bool(asked.given("labels").any()):
        values |= {"labels": read.logits.argmax(1), "labels_mask": asked.image_mask}
    return Conditions(**values)


@dataclass
class Optimisation:
    """Search of the latent by the losses' gradient; it is told the camera of photo and map.

    Seed 0 starts from the mean latent, as the spec's baseline does, others from beside it.

    With a face network a photo also brings its landmarks and, where no map is given, its labels.
    """

    images: FastImages
    space: WSpace
    network: FaceNetwork | None = None
    search: Search = field(default_factory=Search)
    name: str = "optimisation"

    def answer(self, heads: list[HeldOutHead], asked: list[Conditions], seed: int) -> Tensor:
        """One search after the other."""
        found = []
        for number, (head, conditions) in enumerate(zip(heads, asked, strict=True)):
            own = seed and seed + number
            target = self.target(head, conditions)
            found.append(optimise(self.images, self.space, target, self.network, self.search, own))
        return torch.cat(found)

    def edit(self, head: HeldOutHead, latent: Tensor, edit: Edit) -> Tensor:
        """A search from the head's latent under the edited conditions, pulled to that head."""
        target = self.target(head, edit.edited)
        weights = LossWeights(prior=3e-3)
        return search_latent(
            self.images, self.space, target, latent, self.search, weights, self.network
        )

    @torch.no_grad()
    def target(self, head: HeldOutHead, asked: Conditions) -> Target:
        """What the search is to meet."""
        asked = with_readings(asked, read_photos(asked, self.network))
        landmarks = None if asked.landmarks is None else asked.landmarks[0]
        return Target(asked, head.camera, landmarks)


@dataclass
class AverageHead:
    """The head of the mean latent whatever is asked: what any method has to beat."""

    space: WSpace
    name: str = "average head"

    def answer(self, heads: list[HeldOutHead], asked: list[Conditions], seed: int) -> Tensor:
        """Latents of nought."""
        return asked[0].attributes.new_zeros(len(asked), *self.space.shape)

    def edit(self, head: HeldOutHead, latent: Tensor, edit: Edit) -> Tensor:
        """The head as it was."""
        return latent


@dataclass
class AnotherHead:
    """The next head's latent, as if strangers were the answer: what a bad answer looks like."""

    space: WSpace
    heads: list[HeldOutHead]
    name: str = "another head"

    def answer(self, heads: list[HeldOutHead], asked: list[Conditions], seed: int) -> Tensor:
        """Latents of the heads that come after those asked for."""
        places = {head.number: place for place, head in enumerate(self.heads)}
        after = [self.heads[(places[head.number] + 1) % len(self.heads)] for head in heads]
        return torch.cat([self.space.encode(head.ws) for head in after])

    def edit(self, head: HeldOutHead, latent: Tensor, edit: Edit) -> Tensor:
        """The head as it was."""
        return latent


def seconds_per_answer(method: Method, heads: list[HeldOutHead], asked: list[Conditions]) -> float:
    """Mean time of answers asked for one by one, after one that does not count."""
    method.answer(heads[:1], asked[:1], 0)
    begun = time.perf_counter()
    for head, conditions in zip(heads, asked, strict=True):
        method.answer([head], [conditions], 0)
    return (time.perf_counter() - begun) / len(heads)
