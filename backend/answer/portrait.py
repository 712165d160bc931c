"""A generated head as a photo would show it: what the encoders read of it, and what users see."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..conditions.conditions import CONDITION_SIZE, Conditions
from ..conditions.measure import measure_attributes
from ..generator.fast_images import FastImages, HeadImage, PosedHead, project
from ..head_model.arkit import EXPRESSIONS
from ..optimise.visible import Camera

_LIGHT = (0.3, -0.5, -0.8)  # towards the lamp in camera axes
_BACKGROUND = 0.55


def view(images: FastImages, ws: Tensor, camera: Camera) -> HeadImage:
    """The head of style rows ws (1, R, W) with a neutral face, at the size of conditions."""
    return _neutral(images, ws).render(camera.cam2world, camera.intrinsics, CONDITION_SIZE)


def _neutral(images: FastImages, ws: Tensor) -> PosedHead:
    return images.pose(ws, ws.new_zeros(1, len(EXPRESSIONS)))


def soft_light(picture: HeadImage, cam2world: Tensor) -> Tensor:
    """A picture under one soft lamp before a plain background, (1, 3, S, S)."""
    lamp = F.normalize(cam2world.new_tensor(_LIGHT), dim=0)
    facing = (picture.normal @ cam2world[:3, :3]) @ lamp
    color = picture.color * (0.5 + 0.55 * (0.7 * facing + 0.3).clamp_min(0))[..., None]
    image = _BACKGROUND + picture.coverage[..., None] * (color - _BACKGROUND)
    return image.clamp(0, 1).permute(2, 0, 1)[None].clone()


@torch.no_grad()
def front_picture(images: FastImages, ws: Tensor, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """The head of style rows ws (1, R, W), softly lit, (S, S, 3) uint8 sRGB with row 0 on top, and
    its labels (S, S) uint8."""
    picture = view(images, ws, camera)
    image = soft_light(picture, camera.cam2world)[0].permute(1, 2, 0)
    pixels = (255 * image).round().to(torch.uint8).cpu().numpy()
    return pixels, picture.label.to(torch.uint8).cpu().numpy()


def own_conditions(images: FastImages, ws: Tensor, camera: Camera) -> Conditions:
    """All that there is to know of the head of style rows ws (1, R, W): its picture from a camera,
    labels and landmarks there, and the attributes that show."""
    posed = _neutral(images, ws)
    picture = posed.render(camera.cam2world, camera.intrinsics, CONDITION_SIZE)
    labels = picture.label[None].clone()
    everywhere = labels.new_ones(labels[:, None].shape).float()
    return Conditions(
        *own_attributes(images, ws),
        soft_light(picture, camera.cam2world),
        everywhere,
        labels,
        everywhere,
        project(posed.landmarks, camera.cam2world, camera.intrinsics)[0][None],
    )


def own_attributes(images: FastImages, ws: Tensor) -> tuple[Tensor, Tensor]:
    """Attributes (1, A) measured on a head and (1, A) bool of which show."""
    read = images.generator.readout(ws)
    return measure_attributes(read.betas, read.values, images.generator.model)
