"""Held-out heads and the conditions made from their renders: seeds apart from every training.

Cameras and light are drawn otherwise than in any training: cameras evenly over the angles and
distances from which portraits are taken, light from rooms (`room.py`), and the face is cut out of
the picture as exactly as landmarks that are a little wrong allow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from ..conditions.conditions import MODALITIES, Conditions
from ..conditions.measure import measure_attributes
from ..generator.cameras import orbit_camera
from ..generator.fast_images import FastImages
from ..head_model.arkit import EXPRESSIONS
from ..optimise.visible import Camera
from ..training.latents import sample_training_latents
from ..training.pairs import Views, draw_view
from ..training.photo_scene import HAIR, clothes
from .room import Room, develop, draw_room, shade

# Trainings seed with (seed << 40) + step or seed * 1,000,003 + shard.
_FIRST_SEED = 7_770_000_000_000
_YAW, _PITCH, _ROLL = (-45.0, 45.0), (-15.0, 20.0), (-10.0, 10.0)  # degrees
_DISTANCE = (0.75, 2.5)  # metres
_TARGET = (0.0, 0.03, 0.0)
_EXPOSED = 1.3  # mean light of a white head before the film: skin stays as dark as it is
_GRAIN = 0.012
_SPREAD = 0.35  # across half a picture's side, of the directions that its surroundings come from


@dataclass(frozen=True)
class HeldOutHead:
    """One head: style rows ws (1, R, W), its camera, labels (S, S) of its plain render, the seen
    landmarks (68, 2), and conditions (batch of 1) that give all of it: a photo under its own light,
    the label map, the attributes that show."""

    number: int
    ws: Tensor
    camera: Camera
    labels: Tensor
    landmarks: Tensor
    conditions: Conditions


@torch.no_grad()
def held_out_head(images: FastImages, number: int) -> HeldOutHead:
    """The held-out head of a number: neutral face, camera and light of its own."""
    generator = images.generator
    rng = torch.Generator().manual_seed(_FIRST_SEED + number)
    z = sample_training_latents(1, rng)
    device = generator.model.device
    ws = generator.mapping(z.to(device))
    still = torch.zeros(1, len(EXPRESSIONS))
    view = draw_view(images, ws, z, still, number, rng, _draw_camera(rng))
    read = generator.readout(ws)
    attributes, shows = measure_attributes(read.betas, read.values, generator.model)
    labels = view.label.long().to(device)
    given = torch.ones_like(labels[:, None], dtype=torch.float32)
    camera = view.camera[0].to(device)
    photo = photograph(view, rng).to(device)
    return HeldOutHead(
        number=number,
        ws=ws,
        camera=Camera(camera[:16].view(4, 4), camera[16:].view(3, 3)),
        labels=labels[0],
        landmarks=view.landmarks[0].to(device),
        conditions=Conditions(attributes, shows, photo, given, labels, given),
    )


def _draw_camera(rng: torch.Generator) -> Tensor:
    """cam2world (4, 4), evenly within the limits."""
    yaw, pitch, roll = (
        math.radians(low + (high - low) * float(torch.rand((), generator=rng)))
        for low, high in (_YAW, _PITCH, _ROLL)
    )
    distance = _DISTANCE[0] + (_DISTANCE[1] - _DISTANCE[0]) * float(torch.rand((), generator=rng))
    where = torch.tensor([yaw]), torch.tensor([pitch])
    cam2world = orbit_camera(*where, distance, torch.tensor(_TARGET))[0]
    cosine, sine = math.cos(roll), math.sin(roll)
    cam2world[:3, :2] = cam2world[:3, :2] @ torch.tensor([[cosine, -sine], [sine, cosine]])
    return cam2world


def photograph(view: Views, rng: torch.Generator) -> Tensor:
    """A photo (1, 3, S, S) of one view in a room of its own, in clothes, with a film's grain."""
    room = draw_room(rng)
    color, normal = (
        value[0].movedim(0, -1).float() for value in (view.color / 255, view.normal / 127)
    )
    size = len(color)
    coverage = view.coverage[0, ..., None].float() / 255
    normal = F.normalize(normal, dim=-1)
    lit = shade(color, normal, room)
    white = (shade(torch.ones_like(color), normal, room) * coverage).sum() / (3 * coverage.sum())
    exposure = _EXPOSED / white * torch.exp2(0.35 * torch.randn((), generator=rng))
    dim = float(torch.rand((), generator=rng))
    picture = (0.1 + 0.7 * dim) * _surroundings(room, size)
    picture = picture + coverage * (lit - picture)
    cloth = torch.rand(3, generator=rng) ** 2
    upward = torch.linspace(0.2, -1.0, size)[:, None].expand(size, size)
    folds = F.normalize(torch.stack([0 * upward, 0.3 * upward, upward - 1], -1), dim=-1)
    worn = clothes(view.landmarks, size, rng)[0, ..., None]
    worn = worn * (view.label[0, ..., None] != HAIR)  # hair hangs before the shoulders
    picture = picture + worn * (shade(cloth.expand(size, size, 3), folds, room) - picture)
    image = develop(picture, exposure)
    image = image + _GRAIN * torch.randn(image.shape, generator=rng)
    return image.clamp(0, 1).permute(2, 0, 1)[None]


def _surroundings(room: Room, size: int) -> Tensor:
    """The room behind the head, out of focus as it is: linear light (S, S, 3)."""
    line = _SPREAD * torch.linspace(-1, 1, size)
    down, right = torch.meshgrid(line, line, indexing="ij")
    behind = F.normalize(torch.stack([right, down, torch.ones_like(right)], -1), dim=-1)
    return room.radiance(behind)


def only(conditions: Conditions, *kept: str) -> Conditions:
    """The conditions with no other modalities than those named."""
    for name in MODALITIES:
        if name not in kept:
            conditions = conditions.without(name)
    return conditions


def join(conditions: list[Conditions]) -> Conditions:
    """Conditions of several heads, all with the same modalities, as one batch."""

    def stack(name: str) -> Tensor | None:
        values = [getattr(c, name) for c in conditions]
        return None if values[0] is None else torch.cat(values)

    return Conditions(**{part.name: stack(part.name) for part in fields(Conditions)})
