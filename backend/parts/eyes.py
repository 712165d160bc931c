"""Eyeballs: a sphere with a cornea, and the painted iris, pupil and sclera.

Angles are in radians about the eyeball's centre.  The colour of a point depends on its angle from
the gaze and its azimuth about it (0 = subject's left, pi/2 = up), so the same function paints the
field's eyes and the texture of an exported eye.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..synthetic.smooth import fall, gauss, mix, smoothstep, tint
from .anchors import PartAnchors
from .values import PartValues

CORNEA_HEIGHT = 0.0011
SCLERA_COLOR = (0.850, 0.822, 0.795)
NASAL_COLOR = (0.74, 0.52, 0.47)
PUPIL_COLOR = (0.012, 0.010, 0.010)
PUPIL_RADIUS = 0.42
TEXTURE_EDGE = math.radians(185.0)


def eye_distance(points: Tensor, anchors: PartAnchors, values: PartValues) -> Tensor:
    """Signed distance (B, 2, N), metres, of points (B, N, 3) to the left and the right eyeball."""
    offset = points[:, None] - anchors.eye_centre[:, :, None]
    length = offset.norm(dim=-1)
    along = torch.einsum("bend,bed->ben", offset, anchors.gaze) / (length + 1e-9)
    edge = torch.cos(1.25 * values.iris_radius)[:, None, None]
    return length - anchors.eye_radius[..., None] - CORNEA_HEIGHT * smoothstep(along, edge, 1.0)


def iris_color(radius: Tensor, azimuth: Tensor, iris: Tensor) -> Tensor:
    """Colour (..., 3) of iris and pupil.

    radius (...) is 0 in the middle and 1 at the limbus; azimuth (...) is about the gaze; iris
    (..., 3) is the eye's own colour.  Fibres, a warm collarette, a dark limbal ring, and light
    from below, as the cornea gathers it opposite the lamp.
    """
    broad = 0.5 + 0.5 * torch.sin(13 * azimuth + 1.2 * torch.sin(5 * azimuth))
    fine = 0.5 + 0.5 * torch.sin(41 * azimuth + 2.0 * torch.sin(7 * azimuth))
    fibres = (0.7 * broad + 0.3 * fine) * smoothstep(radius, 0.40, 0.60) * fall(radius, 0.70, 0.97)
    color = iris * (0.86 + 0.28 * fibres).unsqueeze(-1)
    color = tint(color, 0.20 * gauss(radius - 0.52, 0.15), (1.25, 1.0, 0.65))
    height = radius * torch.sin(azimuth)
    color = color * (1.10 - 0.46 * smoothstep(height, -0.7, 0.8)).unsqueeze(-1)
    color = color * (1 - 0.76 * smoothstep(radius, 0.76, 1.0)).unsqueeze(-1)
    return mix(color, PUPIL_COLOR, fall(radius, PUPIL_RADIUS - 0.06, PUPIL_RADIUS + 0.05))


def eye_color(angle: Tensor, azimuth: Tensor, side: float, iris: Tensor, size: Tensor) -> Tensor:
    """Colour (..., 3) of an eyeball without shadows or catch-light.

    angle (...) from the gaze and azimuth (...) about it; side is +1 for the left eye and -1 for
    the right; iris (..., 3) colour; size (...) angular radius of the iris.
    """
    radius = angle / size
    nasal = -side * torch.cos(azimuth) * torch.sin(angle) / torch.sin(size)
    white = angle.new_tensor(SCLERA_COLOR).expand(*angle.shape, 3)
    white = mix(white, NASAL_COLOR, 0.60 * smoothstep(nasal, 1.15, 2.2))
    white = tint(white, 0.12 * smoothstep(radius, 1.3, 2.6), (-1.0, -1.1, -1.1))
    veins = torch.sin(9 * azimuth + 2.2 * torch.sin(3 * radius) + 1.1 * torch.sin(4 * azimuth))
    veins = smoothstep(veins, 0.94, 1.0) * smoothstep(radius, 1.4, 2.3)
    white = tint(white, 0.05 * veins, (0.2, -1.0, -0.9))
    return mix(white, iris_color(radius, azimuth, iris), fall(radius, 0.92, 1.08))


def seen_eye_color(
    points: Tensor, anchors: PartAnchors, values: PartValues, skin_distance: Tensor, eye: int
) -> Tensor:
    """Colour (B, N, 3) of one eye (0 left, 1 right) with lid shadow and a painted catch-light.

    skin_distance (B, N) is the distance to the lids: the eye is darker in contact with them.
    """
    angle, azimuth = gaze_coordinates(points, anchors, eye)
    size = values.iris_radius[:, None]
    color = eye_color(angle, azimuth, 1.0 - 2.0 * eye, values.iris[:, None], size)
    scale = torch.sin(angle) / torch.sin(size)
    left, up = scale * torch.cos(azimuth), scale * torch.sin(azimuth)
    contact = 1 - 0.45 * fall(skin_distance, 0.0002, 0.0042)
    lid_shadow = 1 - 0.28 * smoothstep(up, 0.10, 0.80)
    color = color * (contact * lid_shadow).unsqueeze(-1)
    catch_light = 0.85 * gauss(torch.hypot(up - 0.40, left - 0.34), 0.13)
    return (color + catch_light.unsqueeze(-1)).clamp(0, 1)


def gaze_coordinates(points: Tensor, anchors: PartAnchors, eye: int) -> tuple[Tensor, Tensor]:
    """Angle from the gaze and azimuth about it, each (B, N), of points (B, N, 3)."""
    direction = points - anchors.eye_centre[:, None, eye]
    direction = direction / (direction.norm(dim=-1, keepdim=True) + 1e-9)
    gaze = anchors.gaze[:, eye]
    vertical = gaze.new_tensor((0.0, 0.0, 1.0)).expand_as(gaze)
    up = vertical - gaze * gaze[:, 2:]
    up = up / (up.norm(dim=-1, keepdim=True) + 1e-9)
    left = torch.linalg.cross(up, gaze)
    along, high, sideways = (torch.einsum("bnd,bd->bn", direction, a) for a in (gaze, up, left))
    return torch.acos(along.clamp(-1, 1)), torch.atan2(high, sideways)


def eye_texture(values: PartValues, size: int, eye: int) -> Tensor:
    """Texture (size, size, 3) sRGB of the eye of the first head, row 0 at the top.

    Azimuthal equidistant about the gaze, as the head model's eyes are unwrapped: the middle is the
    pupil, up is up, the subject's right is on the right, and radius 0.5 lies 185 degrees from the
    gaze.  `eye` is 0 left, 1 right.
    """
    centre = (torch.arange(size, device=values.iris.device) + 0.5) / size - 0.5
    right, up = torch.meshgrid(centre, -centre, indexing="xy")
    angle = torch.hypot(right, up) * (2 * TEXTURE_EDGE)
    iris, radius = values.iris[0], values.iris_radius[0]
    return eye_color(angle, torch.atan2(up, -right), 1.0 - 2.0 * eye, iris, radius).clamp(0, 1)
