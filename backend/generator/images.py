"""Images of generated heads by volume rendering, differentiable in weights and style rows.

Rays are first traced to the field's surface without gradients; the volume is then integrated in a
thin band around it.  For a field made from a signed distance this is where all weight lies, so the
band takes the place of EG3D's coarse pass and importance samples (`renderer.py`) at a twentieth of
the field queries.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..synthetic.face import ExpressionState
from .field import GeneratedField
from .generator import Generator
from .guide import find_guide
from .renderer import camera_rays, march, stratified_depths

BAND = 0.006  # metres each side of the traced surface
BETA = 0.0015  # metres, softness of the density
_TRACE_STEPS = 28
_HIT = 0.001
_REACH = 0.32  # metres around the cube's centre that rays cross
_CENTRE = (0.0, 0.075, 0.0)


@dataclass(frozen=True)
class RenderedImages:
    """color (B, 3, H, W) sRGB premultiplied by weight, labels (B, L, H, W) likewise,
    weight (B, 1, H, W)."""

    color: Tensor
    labels: Tensor
    weight: Tensor


def density(sdf: Tensor, beta: float = BETA) -> Tensor:
    """Density (1/m) of a signed distance: Laplace CDF, VolSDF (Yariv et al. 2021), equation 2."""
    tail = 0.5 * torch.exp(-sdf.abs() / beta)
    return torch.where(sdf > 0, tail, 1 - tail) / beta


def render_images(
    generator: Generator,
    ws: Tensor,
    expression: Tensor,
    cam2world: Tensor,
    intrinsics: Tensor,
    size: int,
    samples: int = 8,
) -> RenderedImages:
    """Render one image of each head: ws (B, R, W), expression (B, 52), cameras as in `cameras`."""
    pictures = [
        _render_head(generator, *(value[i : i + 1] for value in (ws, expression)), ray, samples)
        for i, ray in enumerate(zip(*camera_rays(cam2world, intrinsics, size), strict=True))
    ]
    stacked = torch.stack(pictures).reshape(len(ws), size, size, -1).permute(0, 3, 1, 2)
    return RenderedImages(stacked[:, :3], stacked[:, 4:], stacked[:, 3:4])


def _render_head(
    generator: Generator,
    ws: Tensor,
    expression: Tensor,
    rays: tuple[Tensor, Tensor],
    samples: int,
) -> Tensor:
    """Colour, weight and labels (M, 3 + 1 + L) of the rays (M, 3) of one head."""
    origin, direction = rays
    field = GeneratedField(generator, ws.detach(), expression)
    depth = trace(field, origin, direction)
    hit = depth.isfinite().nonzero()[:, 0]
    origin, direction, at = origin[hit][None], direction[hit][None], depth[hit][None, :, None]
    jitter = torch.full((1, len(hit), samples, 1), 0.0, device=ws.device)
    depths = stratified_depths(at - BAND, at + BAND, jitter)
    points = (origin[:, :, None] + depths * direction[:, :, None]).reshape(-1, 3)
    guide = find_guide(generator.model, field.closest, points)
    planes, values = generator.synthesis(ws), generator.readout(ws)
    state = ExpressionState.from_weights(expression)
    surface = generator.surface_branch(ws, planes, values, guide, state)
    volume, shade = generator.volume_branch(ws, planes, values, points[None])
    out = generator.compose(surface, guide.distance, volume, shade, values)
    features = torch.cat([out.color, torch.softmax(out.logits, -1)], -1)
    shape = (1, len(hit), samples, -1)
    # `march` takes raw density and applies softplus(raw - 1), the identity for large values
    rays = march(features.reshape(shape), 1 + density(out.sdf).reshape(shape), depths)
    colors = (rays.features[0] + 1) / 2
    row = torch.cat([colors[:, :3], rays.weight[0], colors[:, 3:]], -1)
    picture = row.new_zeros(len(depth), row.shape[-1])
    return picture.index_copy(0, hit, row)


@torch.no_grad()
def trace(field: GeneratedField, origin: Tensor, direction: Tensor) -> Tensor:
    """Distance (M,) along rays (M, 3) to the field's surface, infinite for a miss."""
    to_centre = origin.new_tensor(_CENTRE) - origin
    along = (to_centre * direction).sum(-1)
    miss = (to_centre.square().sum(-1) - along.square()).clamp_min(0).sqrt()
    depth = along - (_REACH**2 - miss.square()).clamp_min(0).sqrt()
    running = (miss < _REACH).nonzero()[:, 0]
    found = torch.full_like(depth, torch.inf)
    for _ in range(_TRACE_STEPS):
        if len(running) == 0:
            break
        points = origin[running] + depth[running, None] * direction[running]
        sdf = torch.from_numpy(field.sdf(points.cpu().numpy())).to(depth)
        hit = sdf < _HIT
        found[running[hit]] = depth[running[hit]]
        depth[running] += 0.8 * sdf.clamp_min(_HIT)
        left = depth[running] > along[running] + _REACH
        running = running[~hit & ~left]
    return found
