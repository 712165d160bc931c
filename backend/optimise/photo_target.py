"""A photo that was read as the target of a refinement: its camera follows from the landmarks."""

from __future__ import annotations

import torch
from torch import Tensor

from ..conditions.conditions import Conditions
from ..generator.fast_images import FastImages
from ..head_model.arkit import EXPRESSIONS
from ..perception.reading import FaceReading
from .camera import fit_camera
from .losses import Target


@torch.no_grad()
def photo_target(
    images: FastImages, ws: Tensor, reading: FaceReading, expression: Tensor | None = None
) -> Target:
    """The target that a photo sets for the head of style rows ws (1, R, W).

    The camera is the one from which this head's landmarks fall best on the photo's.
    """
    device = ws.device
    if expression is None:
        expression = torch.zeros(1, len(EXPRESSIONS), device=device)
    points = images.pose(ws, expression).landmarks.clone()
    landmarks = reading.landmarks.to(device)
    nothing = Conditions.none(1, device)
    given = reading.given[None].to(device)
    conditions = Conditions(
        nothing.attributes,
        nothing.attributes_given,
        reading.image[None].to(device),
        given,
        reading.labels[None].to(device),
        given,
    )
    camera = fit_camera(landmarks, points, reading.rotation.to(device))
    return Target(conditions, camera, landmarks)
