"""The one camera that looks at heads from the front as photos are cut: what label maps without a
photo are seen from, what users paint on, and what the self-check compares them with."""

from __future__ import annotations

import torch

from ..generator.cameras import orbit_camera
from ..generator.fast_images import project
from ..head_model.model import HeadModel
from ..optimise.visible import Camera
from ..perception.framing import crop_intrinsics, frame_around

_DISTANCE = 1.5  # metres; the middle of those that the encoders were trained with
_TARGET = (0.0, 0.03, 0.0)


def front_camera(model: HeadModel) -> Camera:
    """The camera before the face, its square framed by the average head's landmarks."""
    points = model.v_template[model.landmarks]
    still = torch.zeros(1, device=points.device)
    cam2world = orbit_camera(still, still, _DISTANCE, torch.tensor(_TARGET))[0]
    plane = torch.eye(3, device=points.device)
    frame = frame_around(project(points, cam2world, plane)[0])
    return Camera(cam2world, crop_intrinsics(frame).to(cam2world))
