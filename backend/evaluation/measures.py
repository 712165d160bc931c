"""What is measured on a result and on the held-out head it should be."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..answer.portrait import soft_light
from ..conditions.measure import measure_attributes
from ..conditions.table import ATTRIBUTES
from ..generator.cameras import PORTRAIT_DISTANCE, PORTRAIT_TARGET, orbit_camera, portrait_camera
from ..generator.fast_images import FastImages, HeadImage, PosedHead, project
from ..head_model.arkit import EXPRESSIONS
from ..head_model.closest import ClosestPoint
from ..optimise.visible import Camera
from ..perception.framing import SIZE, crop_intrinsics, frame_around
from ..perception.network import FaceNetwork
from ..perception.parser import overlaps
from .room import develop, shade, studio

QUOTED_HEIGHT_MM = 230.0
_FACE_BACK, _FACE_LOW, _FACE_SIDE = 0.045, -0.135, 0.085  # metres: the face on the average head
_FACE_TOP = 0.045
_PICTURE_ANGLE = 13.5  # degrees of what pictures to look at show
_BACKDROP = 0.32


@dataclass(frozen=True)
class Skin:
    """Surface (W, 3) metres and colour (W, 3) of 255 at the guide's points."""

    surface: Tensor
    color: Tensor


@dataclass(frozen=True)
class Body:
    """A posed head and its skin."""

    posed: PosedHead
    skin: Skin


@torch.no_grad()
def body(images: FastImages, ws: Tensor) -> Body:
    """The head of style rows ws (1, R, W), with a neutral face."""
    posed = images.pose(ws, ws.new_zeros(1, len(EXPRESSIONS)))
    return Body(posed, Skin(posed.surface.clone(), 255 * posed.color.clamp(0, 1)))


def face_points(images: FastImages) -> Tensor:
    """Which points of the guide surface are the face's skin: (W,) bool."""
    model = images.generator.model
    x, y, z = model.surface_canonical.unbind(1)
    inside = (y < _FACE_BACK) & (z > _FACE_LOW) & (z < _FACE_TOP) & (x.abs() < _FACE_SIDE)
    return inside & (model.surface_ao > 0.4) & (model.surface_tongue < 0.5)


def surface_error(images: FastImages, result: Skin, truth: Skin) -> float:
    """Median distance of the true face from the result's surface, mm at a 230 mm head.

    The result is first aligned by the similarity that brings its face nearest to the true one: a
    photo does not tell size.
    """
    face = face_points(images)
    aligned = _aligned(result.surface, result.surface[face], truth.surface[face])
    height = truth.surface[:, 2].max() - truth.surface[:, 2].min()
    faces = images.generator.model.surface_faces
    near = faces[face[faces].any(1)]
    distance = ClosestPoint(aligned, near)(truth.surface[face])[0].abs()
    return float(distance.median() / height) * QUOTED_HEIGHT_MM


def shape_distance(images: FastImages, one: Skin, other: Skin) -> float:
    """Mean distance between equal points of two faces after alignment, mm at a 230 mm head."""
    face = face_points(images)
    aligned = _aligned(one.surface[face], one.surface[face], other.surface[face])
    height = other.surface[:, 2].max() - other.surface[:, 2].min()
    return float((aligned - other.surface[face]).norm(dim=-1).mean() / height) * QUOTED_HEIGHT_MM


def color_error(images: FastImages, result: Skin, truth: Skin) -> float:
    """Mean difference of the faces' colours without light, of 255."""
    face = face_points(images)
    return float((result.color[face] - truth.color[face]).abs().mean())


def _aligned(points: Tensor, moving: Tensor, fixed: Tensor) -> Tensor:
    """Points moved by the similarity that best brings `moving` to `fixed` (Umeyama 1991)."""
    from_middle, to_middle = moving.mean(0), fixed.mean(0)
    a, b = moving - from_middle, fixed - to_middle
    left, strength, right = torch.linalg.svd(b.T @ a)
    mirror = torch.ones(3, dtype=points.dtype, device=points.device)
    mirror[2] = torch.sign(torch.linalg.det(left @ right))
    rotation = (left * mirror) @ right
    scale = (strength * mirror).sum() / a.square().sum()
    return scale * (points - from_middle) @ rotation.T + to_middle


def label_overlap(picture: HeadImage, labels: Tensor) -> float:
    """Mean overlap of a picture's labels with a map (S, S), over the classes that either shows."""
    both, either = overlaps(picture.label.to(labels), labels)
    return float((both / either.clamp_min(1))[either > 0].mean())


def view(head: Body, camera: Camera, samples: int = 2) -> HeadImage:
    """The head as a condition's camera sees it."""
    return head.posed.render(camera.cam2world, camera.intrinsics, SIZE, samples)


def portrait(head: Body, yaw_degrees: float = 0.0) -> Tensor:
    """The head softly lit before a plain background, cut as photos are: (1, 3, S, S)."""
    yaw = torch.deg2rad(torch.tensor([yaw_degrees]))
    target = torch.tensor(PORTRAIT_TARGET)
    cam2world = orbit_camera(yaw, torch.zeros(1), PORTRAIT_DISTANCE, target)[0]
    cam2world = cam2world.to(head.skin.surface)
    places = project(head.posed.landmarks, cam2world, torch.eye(3).to(cam2world))[0]
    intrinsics = crop_intrinsics(frame_around(places)).to(cam2world)
    return soft_light(head.posed.render(cam2world, intrinsics, SIZE, 1), cam2world)


def picture(head: Body, yaw_degrees: float, size: int) -> Tensor:
    """The whole head in a photographer's studio, to be looked at: (3, size, size)."""
    yaw = torch.deg2rad(head.skin.surface.new_tensor([yaw_degrees]))
    cam2world, intrinsics = portrait_camera(yaw, _PICTURE_ANGLE)
    seen = head.posed.render(cam2world[0], intrinsics, size, 2)
    light = shade(seen.color, seen.normal @ cam2world[0, :3, :3], studio())
    image = _BACKDROP + seen.coverage[..., None] * (develop(light) - _BACKDROP)
    return image.permute(2, 0, 1)


@torch.no_grad()
def embedding(network: FaceNetwork, head: Body) -> Tensor:
    """What the face network takes a head for, (128,) of length 1, mean of three views."""
    views = torch.cat([portrait(head, yaw) for yaw in (-20.0, 0.0, 20.0)])
    return F.normalize(network(views).embedding.mean(0), dim=0)


@dataclass(frozen=True)
class AttributeFigures:
    """Agreement of each attribute by name: correlation of numbers, share of choices that match."""

    agreement: dict[str, float]

    @property
    def mean(self) -> float:
        """Mean over the attributes that could be measured."""
        return (
            sum(self.agreement.values()) / len(self.agreement) if self.agreement else float("nan")
        )


@torch.no_grad()
def attribute_agreement(
    images: FastImages, ws: Tensor, asked: Tensor, given: Tensor
) -> AttributeFigures:
    """Attributes asked (B, A) where given (B, A), against what heads ws (B, R, W) have."""
    generator = images.generator
    read = generator.readout(ws)
    measured, shows = measure_attributes(read.betas, read.values, generator.model)
    found = {}
    for i, attribute in enumerate(ATTRIBUTES):
        own = given[:, i]
        if attribute.choices:
            if own.any():
                same = (measured[own, i] - asked[own, i]).abs() < 0.5
                found[attribute.name] = float(same.float().mean())
            continue
        own = own & shows[:, i]
        if own.sum() > 2 and asked[own, i].std() > 1e-4:
            found[attribute.name] = _correlation(measured[own, i], asked[own, i])
    return AttributeFigures(found)


def _correlation(one: Tensor, other: Tensor) -> float:
    if float(one.std()) < 1e-6:
        return 0.0
    return float(torch.corrcoef(torch.stack([one, other]))[0, 1])
