"""Images of synthetic heads from any camera, by sphere tracing the exact field."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from .head import SyntheticHeads
from .labels import official_labels

BOX_CENTRE = (0.0, 0.075, 0.0)
BOX_HALF = 0.26
LATTICE = 25
# Trilinear interpolation of a distance errs by less than half a cell's diagonal, metres.
LATTICE_MARGIN = 0.5 * 3**0.5 * 2 * BOX_HALF / (LATTICE - 1)
COARSE_STEPS, FINE_STEPS = 64, 64
HIT_DISTANCE = 0.0003
STEP_SCALE = 0.75  # thick hair bends the field: its gradient can reach 1.4
NORMAL_STEP = 0.0005
BACKGROUND = (0.55, 0.57, 0.60)
KEY_LIGHT = (0.45, -0.75, 0.50)
AMBIENT, DIFFUSE = 0.50, 0.62
TETRAHEDRON = ((1.0, -1.0, -1.0), (-1.0, -1.0, 1.0), (-1.0, 1.0, -1.0), (1.0, 1.0, 1.0))


@dataclass(frozen=True)
class Images:
    """Images of B heads, row 0 at the top.

    rgb (B, H, W, 3) lit sRGB; color (B, H, W, 3) sRGB without light; label (B, H, W) int64 of the
    19 official classes; depth (B, H, W) metres along the ray, infinite where nothing is hit;
    normal (B, H, W, 3) unit, zero where nothing is hit; all in the model frame.
    """

    rgb: Tensor
    color: Tensor
    label: Tensor
    depth: Tensor
    normal: Tensor


@torch.no_grad()
def render(
    heads: SyntheticHeads, cam2world: Tensor, intrinsics: Tensor, size: int, parts: bool = True
) -> Images:
    """Render square images of size pixels.

    cam2world (B, 4, 4): OpenCV axes (right, down, forward) in the model frame, metres; intrinsics
    (B, 3, 3) in units of the image's side.  `parts` adds eyes, teeth, glasses and earrings.
    Sphere tracing after Hart 1996.
    """
    batch = len(heads.z)
    if cam2world.shape != (batch, 4, 4) or intrinsics.shape != (batch, 3, 3):
        raise ValueError(
            f"cameras: expected ({batch}, 4, 4) and ({batch}, 3, 3), given "
            f"{tuple(cam2world.shape)} and {tuple(intrinsics.shape)}"
        )
    origin, direction = camera_rays(cam2world, intrinsics, size)
    depth = trace(heads, origin, direction, parts)
    hit = depth.isfinite()
    reach = torch.where(hit, depth, depth.new_zeros(()))
    points = origin + reach[..., None] * direction
    sample = heads.evaluate(points, parts)
    normal = _normals(heads, points, parts) * hit[..., None]
    background = points.new_tensor(BACKGROUND)
    color = torch.where(hit[..., None], sample.color, background)
    rgb = torch.where(hit[..., None], sample.color * _light(normal), background).clamp(0, 1)
    label = official_labels(sample.label) * hit
    shape = (batch, size, size)
    return Images(
        rgb=rgb.view(*shape, 3),
        color=color.view(*shape, 3),
        label=label.view(shape),
        depth=depth.view(shape),
        normal=normal.view(*shape, 3),
    )


def camera_rays(cam2world: Tensor, intrinsics: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Origins and unit directions (B, size * size, 3) through the middles of the pixels."""
    pixel = (torch.arange(size, device=cam2world.device) + 0.5) / size
    down, right = torch.meshgrid(pixel, pixel, indexing="ij")
    homogeneous = torch.stack([right, down, torch.ones_like(right)], -1).view(1, -1, 3)
    camera = homogeneous.to(cam2world.dtype) @ torch.linalg.inv(intrinsics).mT
    direction = normalize(camera @ cam2world[:, :3, :3].mT, dim=-1)
    origin = cam2world[:, None, :3, 3].expand_as(direction)
    return origin, direction


@torch.no_grad()
def trace(
    heads: SyntheticHeads,
    origin: Tensor,
    direction: Tensor,
    parts: bool,
    tolerance: float = HIT_DISTANCE,
) -> Tensor:
    """Distance (B, R) along each ray to the surface within `tolerance`, infinite for a miss.

    A coarse lattice of the field brings the rays near the surface, the field itself onto it.
    """
    near, far = _bounds(origin, direction)
    lattice = _lattice(heads, parts, origin)
    depth, running = near, near < far
    for _ in range(COARSE_STEPS):
        distance = _interpolate(lattice, origin + depth[..., None] * direction) - LATTICE_MARGIN
        depth = torch.where(running, depth + distance.clamp(min=0), depth)
        running = running & (depth < far)
    found = torch.zeros_like(running)
    for _ in range(FINE_STEPS):
        columns = torch.nonzero(running.any(0))[:, 0]
        if len(columns) == 0:
            break
        points = origin[:, columns] + depth[:, columns, None] * direction[:, columns]
        distance = torch.zeros_like(depth)
        distance[:, columns] = heads.evaluate(points, parts).sdf
        hit = running & (distance < tolerance)
        found = found | hit
        running = running & ~hit
        depth = torch.where(running, depth + STEP_SCALE * distance, depth)
        running = running & (depth < far)
    return torch.where(found, depth, torch.full_like(depth, torch.inf))


def _bounds(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays (B, R) enter and leave the box around the head; near >= far for a miss."""
    offset = origin.new_tensor(BOX_CENTRE) - origin
    slope = direction.abs().clamp(min=1e-9) * torch.where(direction < 0, -1.0, 1.0)
    one, other = (offset - BOX_HALF) / slope, (offset + BOX_HALF) / slope
    near = torch.minimum(one, other).amax(-1).clamp(min=0)
    return near, torch.maximum(one, other).amin(-1)


def _lattice(heads: SyntheticHeads, parts: bool, like: Tensor) -> Tensor:
    """The field on a coarse lattice of the box, (B, 1, z, y, x)."""
    axis = torch.linspace(-BOX_HALF, BOX_HALF, LATTICE, device=like.device)
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    points = torch.stack([x, y, z], -1).view(1, -1, 3) + like.new_tensor(BOX_CENTRE)
    sdf = heads.evaluate(points.expand(len(heads.z), -1, 3), parts).sdf
    return sdf.view(-1, 1, LATTICE, LATTICE, LATTICE)


def _interpolate(lattice: Tensor, points: Tensor) -> Tensor:
    """Trilinear lookup (B, R) at points (B, R, 3), clamped to the box."""
    unit = (points - points.new_tensor(BOX_CENTRE)) / BOX_HALF
    at = unit.view(len(points), -1, 1, 1, 3)
    found = grid_sample(lattice, at, mode="bilinear", padding_mode="border", align_corners=True)
    return found.view(points.shape[:2])


def _normals(heads: SyntheticHeads, points: Tensor, parts: bool) -> Tensor:
    """Unit gradients (B, N, 3) of the field by differences at a tetrahedron's corners."""
    gradient = torch.zeros_like(points)
    for corner in TETRAHEDRON:
        step = points.new_tensor(corner)
        gradient += step * heads.evaluate(points + NORMAL_STEP * step, parts).sdf[..., None]
    return normalize(gradient, dim=-1)


def _light(normal: Tensor) -> Tensor:
    """Brightness (B, N, 1) under a soft key light from the front, above and the left."""
    toward = normalize(normal.new_tensor(KEY_LIGHT), dim=0)
    wrapped = (0.7 * (normal @ toward) + 0.3).clamp(min=0)
    return (AMBIENT + DIFFUSE * wrapped)[..., None]
