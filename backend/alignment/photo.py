"""Brings the shape of a head into line with a photo: outlines of what was read off it.

A face in a photo is seldom neutral and the labels read off it are rough.  So the expression is
looked for beside the shape, the camera follows from the landmarks anew in each round, and the shape
is held near to what is likely: a sampled shape is further from the truth than a third of it is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..optimise.camera import fit_camera
from ..optimise.visible import Camera
from .align import Aligner

_ROUNDS = (3.0, 2.0)  # pixels of softness
_SHARE = 0.3  # of the sampled shape
_PULL = 0.02  # to that, against the outlines
_EXPRESSION = 0.3  # deviation of ARKit weights


@torch.no_grad()
def align_to_photo(
    align: Aligner,
    latent: Tensor,
    labels: Tensor,
    given: Tensor,
    landmarks: Tensor,
    rotation: Tensor,
    tick: Callable[[], None] = lambda: None,
) -> Tensor:
    """Latent (1, k, d) whose shape is nearer to that of a photo.

    labels (S, S) where given (S, S), landmarks (68, 2) and rotation (3, 3) are as read from the
    photo.  `tick` is called before each round; what it raises ends the work.
    """
    shape = align.outlines.numbers
    found = latent.flatten().clone()
    found[shape] = likely = _SHARE * found[shape]
    expression = latent.new_zeros(1, align.images.generator.model.exprdirs.shape[2])
    precision = torch.full_like(expression[0], _EXPRESSION**-2)
    pull = _PULL * torch.cat([torch.ones_like(likely), precision])
    for softness in _ROUNDS:
        tick()
        now = found.view_as(latent)
        camera = _camera(align, now, expression, landmarks, rotation)
        look = align.look(now, expression, camera, len(labels))
        away = torch.cat([found[shape] - likely, expression[0]])
        step = align.outlines.step(look, labels, given, camera, softness, away, pull)
        found[shape] += step[: len(shape)]
        expression = (expression + step[len(shape) :]).clamp(0, 1)
    return align.manifold(found.view_as(latent))


def _camera(
    align: Aligner, latent: Tensor, expression: Tensor, landmarks: Tensor, rotation: Tensor
) -> Camera:
    """The camera from which the landmarks of a head fall best on a photo's."""
    generator = align.images.generator
    betas = generator.readout(align.space.decode(latent)).betas
    vertices = generator.model.forward(betas, expression)[0]
    points = vertices[0, generator.model.landmarks]
    return fit_camera(landmarks.to(points), points, rotation.to(points))
