"""Brings heads into line with label maps whose camera is known.

A head is drawn, its labels are compared with those asked for, and its latent is moved: first by
what maps say about heads in general (`descent`), then until outlines meet (`outlines`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..generator.fast_images import FastImages
from ..head_model.arkit import EXPRESSIONS
from ..latent.manifold import Manifold
from ..latent.w_space import WSpace
from ..optimise.visible import Camera
from .descent import LEARNED, SHOWN, Descent, map_features
from .held import Held
from .outlines import SHAPE, Look, Outlines
from .rows import numbers_of

# pixels of softness with which outlines are followed in each round; None: not yet
ROUNDS: tuple[float | None, ...] = (None, 2.0, 1.2)
_PULL = 0.001  # to the shape of the round before, against the outlines


@dataclass(frozen=True)
class Difference:
    """Of maps from those of B heads: of their features (B, F), None in rounds without a learned
    step, and what the outlines add to the numbers of the shape (B, n), None before they are
    followed."""

    features: Tensor | None
    shape: Tensor | None


def moved(
    descent: Descent,
    number: int,
    latents: Tensor,
    seen: Difference,
    cam2world: Tensor,
    space: WSpace,
) -> Tensor:
    """Latents (B, k, d) after round `number`, seen by cameras (B, 4, 4); where outlines are
    followed, they say the shape."""
    before = latents.flatten(1)
    after = before.clone()
    if seen.features is not None:
        shown = numbers_of(space, SHOWN).to(after.device)
        after[:, shown] += descent.step(number, seen.features, cam2world)
    if seen.shape is not None:
        shape = numbers_of(space, SHAPE).to(after.device)
        after[:, shape] = before[:, shape] + seen.shape
    return after.view_as(latents)


class Aligner:
    """Aligns heads of one generator; `descent` holds learned steps for the first rounds, and is
    None where they are still to be learned: then heads can be compared with maps."""

    def __init__(self, images: FastImages, space: WSpace, descent: Descent | None):
        self.images, self.space, self.descent = images, space, descent
        self.outlines = Outlines(images.generator, space)
        self.manifold = Manifold(images.generator, space)

    @torch.no_grad()
    def __call__(
        self,
        latent: Tensor,
        labels: Tensor,
        given: Tensor,
        camera: Camera,
        names: Sequence[str] = (),
        tick: Callable[[], None] = lambda: None,
    ) -> Tensor:
        """Latent (1, k, d) nearer to a label map (S, S), where it is given (S, S), as the camera
        sees it, with the numbers of the attributes `names` as they are.  `tick` is called before
        each round; what it raises ends the work."""
        still, cam2world = latent.new_zeros(1, len(EXPRESSIONS)), camera.cam2world[None]
        latent = self.manifold(latent)
        settle = Held(self.manifold, latent, names) if names else self.manifold
        for number in range(len(ROUNDS)):
            tick()
            seen = self.compare(number, latent, still, labels, given, camera)
            latent = moved(self.descent, number, latent, seen, cam2world, self.space)
            latent = settle(latent)
        return latent

    def compare(
        self,
        number: int,
        latent: Tensor,
        expression: Tensor,
        labels: Tensor,
        given: Tensor,
        camera: Camera,
    ) -> Difference:
        """How a head's labels differ from those asked for, in round `number`; its face has an
        expression (1, 52)."""
        look = self.look(latent, expression, camera, len(labels))
        features, shape, softness = None, None, ROUNDS[number]
        if number < LEARNED:
            maps = torch.stack([labels, look.labels])
            wanted, own = map_features(maps, given[None, None].expand(2, -1, -1, -1).float())
            features = (wanted - own)[None]
        if softness is not None:
            away = latent.new_zeros(len(self.outlines.numbers))
            pull = torch.full_like(away, _PULL)
            shape = self.outlines.step(look, labels, given, camera, softness, away, pull)[None]
        return Difference(features, shape)

    @torch.inference_mode()
    def look(self, latent: Tensor, expression: Tensor, camera: Camera, size: int) -> Look:
        """The head of a latent (1, k, d) in an expression (1, 52) as the camera sees it."""
        posed = self.images.pose(self.space.decode(latent), expression)
        fragments = posed.skin_fragments(camera.cam2world, camera.intrinsics, size)
        picture = posed.render(camera.cam2world, camera.intrinsics, size, 1, fragments)
        return Look(picture.label, posed.surface, fragments.face[0], fragments.weights[0])
