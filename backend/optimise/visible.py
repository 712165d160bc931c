"""What the pixels of a picture see of a head: found without gradients, decoded with them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..generator.fast_images import FastImages, PosedHead, project
from ..generator.guide import Guide, guide_from_barycentric
from ..generator.rays import box_range
from ..generator.renderer import camera_rays
from ..official.rasterizer import rasterize
from ..parts.anchors import PartAnchors
from ..synthetic.detail import detail_fields

_NEAR = 0.1  # metres before the camera where nothing is drawn any more
_PROBES = 24  # points of a ray at which hanging hair is looked for
_HAIR_REACH = 0.008  # metres from hanging hair within which a ray takes part


@dataclass(frozen=True)
class Camera:
    """cam2world (4, 4) in the model frame and intrinsics (3, 3) in units of the picture's side."""

    cam2world: Tensor
    intrinsics: Tensor

    def project(self, points: Tensor) -> Tensor:
        """Places (N, 2) of points (N, 3) in the picture, x and y in 0..1."""
        return project(points, self.cam2world, self.intrinsics)[0]


@dataclass(frozen=True)
class Visible:
    """What S x S pixels see of one head; `pixel` are indices row by row.

    Skin: pixel (K,), corners (K, 3) of the guide surface with weights bary (K, 3), unit normals
    (K, 3), and the guide with its detail, known in advance.  Hanging hair: rays that pass it at
    hair_pixel (H,), the point (H, 3) of each that lies deepest in the hair, and its normal.  Parts:
    part_pixel (P,), points (P, 3), label (P,), normal (P, 3), distance to the lids (1, P).
    """

    size: int
    camera: Camera
    pixel: Tensor
    corners: Tensor
    bary: Tensor
    normal: Tensor
    guide: Guide
    detail: Tensor
    hair_pixel: Tensor
    hair_point: Tensor
    hair_normal: Tensor
    part_pixel: Tensor
    part_point: Tensor
    part_label: Tensor
    part_normal: Tensor
    lid_distance: Tensor
    anchors: PartAnchors


@torch.no_grad()
def find_visible(
    images: FastImages, ws: Tensor, expression: Tensor, camera: Camera, size: int
) -> Visible:
    """What a camera sees of the head of style rows ws (1, R, W) in an expression (1, 52)."""
    model = images.generator.model
    posed = images.pose(ws.detach(), expression)
    surface, normals = posed.surface.clone(), posed.normals.clone()
    face, bary = _fragments(surface, model.surface_faces, camera, size)
    seen = (face >= 0).nonzero()[:, 0]
    face, bary = face[seen], bary[seen]
    corners = model.surface_faces[face]
    guide = guide_from_barycentric(
        model, face[None], bary[None], torch.zeros_like(bary[None, :, 0])
    )
    points = (surface[corners] * bary[..., None]).sum(1)
    depth = torch.full((size * size,), torch.inf, device=surface.device)
    rays = camera_rays(camera.cam2world[None], camera.intrinsics[None], size)
    origin, direction = rays[0][0], rays[1][0]
    depth[seen] = (points - camera.cam2world[:3, 3]).norm(dim=-1)
    hair = _hair(posed, origin, direction, depth)
    parts = posed.parts.trace(origin, direction, depth)
    at = origin[parts.index] + parts.depth[parts.index, None] * direction[parts.index]
    lids = torch.cdist(at, posed.parts.lids).amin(1) if len(at) else at.new_zeros(0)
    return Visible(
        size=size,
        camera=camera,
        pixel=seen,
        corners=corners,
        bary=bary,
        normal=(normals[corners] * bary[..., None]).sum(1),
        guide=guide,
        detail=detail_fields(guide.canonical),
        hair_pixel=hair[0],
        hair_point=hair[1],
        hair_normal=hair[2],
        part_pixel=parts.index.clone(),
        part_point=at.clone(),
        part_label=parts.label.clone(),
        part_normal=parts.normal.clone(),
        lid_distance=lids[None].clone(),
        anchors=PartAnchors.from_vertices(model, posed.vertices.clone()),
    )


def _fragments(surface: Tensor, faces: Tensor, camera: Camera, size: int) -> tuple[Tensor, Tensor]:
    """Face (S * S,), -1 for none, and perspective weights (S * S, 3) of its corners."""
    image, depth = project(surface, camera.cam2world, camera.intrinsics)
    flat = torch.cat([2 * image - 1, (1 - _NEAR / depth)[:, None]], 1)
    turned = faces.flip(1)  # the rasteriser keeps faces that run clockwise as seen
    found = rasterize(flat[None], turned, size)
    face = found.face.flatten()
    weights = found.weights.view(-1, 3) / depth[turned[face.clamp_min(0)]]
    weights = weights / weights.sum(-1, keepdim=True).clamp_min(1e-12)
    return face, weights.flip(-1)


def _hair(
    posed: PosedHead, origin: Tensor, direction: Tensor, far: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Rays in or beside hanging hair that is before far (M,): pixel, deepest point and normal."""
    if posed.hair is None:
        none = far.new_zeros(0, 3)
        return torch.zeros(0, dtype=torch.int64, device=far.device), none, none
    near, leave = box_range(origin, direction, posed.hair.low, posed.hair.high)
    leave = torch.minimum(leave, far)
    met = (near < leave).nonzero()[:, 0]
    share = (torch.arange(_PROBES, device=far.device) + 0.5) / _PROBES
    depth = near[met, None] + (leave - near)[met, None] * share
    points = origin[met, None] + depth[..., None] * direction[met, None]
    distance = posed.hair.distance(points.reshape(-1, 3)).view(len(met), _PROBES)
    # where a ray enters hair, the first point inside says what is seen; else its nearest miss
    inside = distance < 0
    first = torch.where(inside.any(1), inside.float().argmax(1), distance.argmin(1))
    deepest = distance.amin(1) < _HAIR_REACH
    at = points[torch.arange(len(met)), first][deepest]
    return met[deepest].clone(), at.clone(), posed.hair.normal(at).clone()
