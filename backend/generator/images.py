"""Images of generated heads by volume rendering, differentiable in weights and style rows.

Rays are first traced to the field's surface without gradients; the volume is then integrated in a
thin band around it.  For a field made from a signed distance this is where all weight lies, so the
band takes the place of EG3D's coarse pass and importance samples (`renderer.py`) at a twentieth of
the field queries.  Where the surface along the rays is known beforehand, as in
`backend/training/image_pool.py`, the band's mesh guidance is too: nothing is traced or searched.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..synthetic.face import ExpressionState
from .field import GeneratedField
from .generator import VOLUME_RANGE, Generator, Planes
from .guide import Guide, find_guide
from .mapping import HeadValues
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


@dataclass(frozen=True)
class Bands:
    """Samples of M rays of each of B heads about a surface, n a ray.

    depths (B, M, n, 1) metres along the rays, points (B, M n, 3) and their mesh guidance (B, M n).
    """

    depths: Tensor
    points: Tensor
    guide: Guide


def density(sdf: Tensor, beta: float = BETA) -> Tensor:
    """Density (1/m) of a signed distance: Laplace CDF, VolSDF (Yariv et al. 2021), equation 2."""
    tail = 0.5 * torch.exp(-sdf.abs() / beta)
    return torch.where(sdf > 0, tail, 1 - tail) / beta


def band_depths(surface: Tensor, samples: int) -> Tensor:
    """Depths (B, M, n, 1) of n samples about the surface's depth (B, M)."""
    at = surface[..., None]
    jitter = surface.new_zeros(*surface.shape, samples, 1)
    return stratified_depths(at - BAND, at + BAND, jitter)


def integrate(color: Tensor, labels: Tensor, sdf: Tensor, depths: Tensor) -> Tensor:
    """Pixels (B, M, 3 + 1 + L): colour, weight and labels of rays, both premultiplied.

    color (B, M n, 3), labels (B, M n, L) shares, sdf (B, M n) metres, depths (B, M, n, 1).
    """
    shape = (*depths.shape[:3], -1)
    features = torch.cat([color, labels], -1).reshape(shape)
    # `march` takes raw density and applies softplus(raw - 1), the identity for large values
    rays = march(features, 1 + density(sdf).reshape(shape), depths)
    colors = (rays.features + 1) / 2
    return torch.cat([colors[..., :3], rays.weight, colors[..., 3:]], -1)


def render_bands(generator: Generator, ws: Tensor, state: ExpressionState, bands: Bands) -> Tensor:
    """Pixels (B, M, 3 + 1 + L) of heads ws (B, R, W), with gradients; see `integrate`."""
    planes, values = generator.synthesis(ws), generator.readout(ws)
    surface = generator.surface_branch(ws, planes, values, bands.guide, state)
    volume, shade = _hanging_hair(generator, ws, planes, values, bands.points)
    out = generator.compose(surface, bands.guide.distance, volume, shade, values)
    return integrate(out.color, torch.softmax(out.logits, -1), out.sdf, bands.depths)


def _hanging_hair(
    generator: Generator, ws: Tensor, planes: Planes, values: HeadValues, points: Tensor
) -> tuple[Tensor, Tensor]:
    """The volume branch (B, N) of the heads that have hanging hair."""
    volume = points.new_full(points.shape[:2], VOLUME_RANGE)
    shade = torch.zeros_like(volume)
    on = generator.has_hanging_hair(values).nonzero()[:, 0]
    if len(on) == 0:
        return volume, shade
    planes = Planes(planes.canonical[on], planes.observation[on])
    values = HeadValues(values.betas[on], values.values[on])
    found = generator.volume_branch(ws[on], planes, values, points[on])
    return volume.index_copy(0, on, found[0]), shade.index_copy(0, on, found[1])


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
    depths = band_depths(depth[hit][None], samples)
    points = (origin[hit][None, :, None] + depths * direction[hit][None, :, None]).flatten(1, 2)
    guide = find_guide(generator.model, field.closest, points[0])
    state = ExpressionState.from_weights(expression)
    row = render_bands(generator, ws, state, Bands(depths, points, guide))[0]
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
