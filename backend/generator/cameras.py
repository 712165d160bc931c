"""Pinhole cameras: EG3D's look-at poses and intrinsics, and orbits around the head model.

A camera is cam2world (B, 4, 4) in the OpenCV convention (columns right, down, forward, origin)
and intrinsics (B, 3, 3) in units of the image's width and height. EG3D's world has y up and the
face towards +z; the model frame has z up and the face towards -y, metres.
"""

import math

import torch
from torch import Tensor

# Where pictures of a whole head are taken from: metres, degrees, the middle of the head.
PORTRAIT_DISTANCE, PORTRAIT_ANGLE, PORTRAIT_TARGET = 1.5, 16.0, (0.0, 0.06, 0.0)


def look_at(origin: Tensor, target: Tensor, up: Tensor) -> Tensor:
    """Return cam2world (B, 4, 4) at origin (B, 3), facing target (B, 3), upright along up (3,)."""
    forward = torch.nn.functional.normalize(target - origin, dim=-1)
    right = torch.nn.functional.normalize(
        torch.cross(forward, up.expand_as(forward), dim=-1), dim=-1
    )
    down = torch.nn.functional.normalize(torch.cross(forward, right, dim=-1), dim=-1)
    cam2world = torch.eye(4, dtype=origin.dtype, device=origin.device).repeat(len(origin), 1, 1)
    cam2world[:, :3] = torch.stack([right, down, forward, origin], dim=-1)
    return cam2world


def look_at_pose(horizontal: Tensor, vertical: Tensor, pivot: Tensor, radius: float) -> Tensor:
    """Return EG3D's camera (B, 4, 4) for angles (B,) in radians; both are pi/2 from the front.

    As in EG3D the camera lies on a sphere around the world's origin, `pivot` (3,) only being what
    it looks at, and the polar angle is arccos(1 - 2 v / pi): near the front 2 / pi of the angle.
    """
    limit = 1e-5
    fraction = vertical.clamp(limit, math.pi - limit) / math.pi
    polar = torch.arccos(1.0 - 2.0 * fraction)
    azimuth = math.pi - horizontal
    direction = torch.stack(
        [polar.sin() * azimuth.cos(), polar.cos(), polar.sin() * azimuth.sin()], dim=-1
    )
    origin = radius * direction
    return look_at(origin, pivot.to(origin).expand_as(origin), origin.new_tensor([0.0, 1.0, 0.0]))


def fov_to_intrinsics(fov_degrees: float, device: torch.device | str = "cpu") -> Tensor:
    """Return normalised intrinsics (3, 3) from EG3D's field of view.

    The focal length is 1 / (1.414 tan(fov / 2)) with EG3D's short pi, to agree with its labels.
    """
    focal = 1.0 / (math.tan(fov_degrees * 3.14159 / 360.0) * 1.414)
    return torch.tensor([[focal, 0.0, 0.5], [0.0, focal, 0.5], [0.0, 0.0, 1.0]], device=device)


def camera_label(cam2world: Tensor, intrinsics: Tensor) -> Tensor:
    """Return EG3D's condition (B, 25): pose and intrinsics row by row."""
    count = len(cam2world)
    flat_intrinsics = intrinsics.expand(count, 3, 3).reshape(count, 9)
    return torch.cat([cam2world.reshape(count, 16), flat_intrinsics], dim=1)


def orbit_camera(yaw: Tensor, pitch: Tensor, distance: float, target: Tensor) -> Tensor:
    """Return cam2world (B, 4, 4) in the model frame, `distance` metres from target (3,).

    yaw and pitch (B,) in radians: 0 looks at the face, +yaw moves the camera to the subject's
    left, +pitch moves it up.
    """
    offset = torch.stack([yaw.sin() * pitch.cos(), -yaw.cos() * pitch.cos(), pitch.sin()], dim=-1)
    target = target.to(offset).expand_as(offset)
    up = offset.new_tensor([0.0, 0.0, 1.0])
    return look_at(target + distance * offset, target, up)


def portrait_camera(yaw: Tensor, angle: float = PORTRAIT_ANGLE) -> tuple[Tensor, Tensor]:
    """Cameras (B, 4, 4) that see a whole head from yaw (B,) radians, and intrinsics (3, 3) of a
    square field of view of `angle` degrees."""
    target = torch.tensor(PORTRAIT_TARGET)
    cam2world = orbit_camera(yaw, torch.zeros_like(yaw), PORTRAIT_DISTANCE, target)
    return cam2world, intrinsics_from_angle(angle, yaw.device)


def intrinsics_from_angle(fov_degrees: float, device: torch.device | str = "cpu") -> Tensor:
    """Return normalised intrinsics (3, 3) of a square image with the true field of view."""
    focal = 0.5 / math.tan(math.radians(fov_degrees) / 2.0)
    return torch.tensor([[focal, 0.0, 0.5], [0.0, focal, 0.5], [0.0, 0.0, 1.0]], device=device)
