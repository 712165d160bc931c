"""A photo that was read as the target of a search: its camera follows from the landmarks."""

from __future__ import annotations

import torch
from torch import Tensor

from ..conditions.conditions import Conditions
from ..generator.generator import Generator
from ..head_model.arkit import EXPRESSIONS
from .camera import fit_camera
from .losses import Target
from .visible import Camera


def photo_target(
    generator: Generator, ws: Tensor, conditions: Conditions, landmarks: Tensor, rotation: Tensor
) -> Target:
    """The target that a photo sets for the head of style rows ws (1, R, W).

    conditions (batch of 1) hold the photo; its landmarks (68, 2) and rotation (3, 3) as read.
    """
    camera = photo_camera(generator, ws, landmarks, rotation)
    return Target(conditions, camera, landmarks.to(ws))


def photo_camera(generator: Generator, ws: Tensor, landmarks: Tensor, rotation: Tensor) -> Camera:
    """The camera from which the landmarks of the head ws (1, R, W) fall best on a photo's."""
    model = generator.model
    with torch.no_grad():
        betas = generator.readout(ws).betas
        vertices = model.forward(betas, ws.new_zeros(1, len(EXPRESSIONS)))[0]
    return fit_camera(landmarks.to(ws), vertices[0, model.landmarks], rotation.to(ws))
