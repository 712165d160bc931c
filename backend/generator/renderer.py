"""Volume rendering with importance sampling as EG3D does it (Chan et al. 2022; Max 1995).

Depths are distances along unit rays. The random draws of a rendering are a value of their own,
so that a picture can be repeated exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

# points (B, N, 3), directions (B, N, 3) -> features (B, N, C) and raw density (B, N, 1)
FieldFunction = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class RenderSettings:
    """How rays are sampled and composited.

    Without ray_start and ray_end a ray is sampled where it crosses the cube of side `box_size`
    around the origin.
    """

    depth_resolution: int
    depth_resolution_importance: int
    ray_start: float | None
    ray_end: float | None
    box_size: float
    white_back: bool


@dataclass(frozen=True)
class Draws:
    """Uniform numbers in 0..1: jitter (B, M, n, 1) of coarse depths, importance (B * M, k)."""

    jitter: Tensor
    importance: Tensor

    @classmethod
    def random(
        cls, rays: Tensor, settings: RenderSettings, generator: torch.Generator | None = None
    ) -> "Draws":
        """Draw for rays (B, M, 3), in EG3D's order."""
        batch, count, _ = rays.shape
        options = {"generator": generator, "device": rays.device, "dtype": rays.dtype}
        jitter = torch.rand(batch, count, settings.depth_resolution, 1, **options)
        importance = torch.rand(batch * count, settings.depth_resolution_importance, **options)
        return cls(jitter, importance)

    @classmethod
    def centred(cls, rays: Tensor, settings: RenderSettings) -> "Draws":
        """Return the middle of every interval: a picture without noise."""
        batch, count, _ = rays.shape
        fine = settings.depth_resolution_importance
        jitter = rays.new_full((batch, count, settings.depth_resolution, 1), 0.5)
        middles = (torch.arange(fine, device=rays.device, dtype=rays.dtype) + 0.5) / fine
        return cls(jitter, middles.expand(batch * count, fine))


@dataclass(frozen=True)
class RenderedRays:
    """features (B, M, C) scaled to -1..1, depth (B, M, 1), weight (B, M, 1) of all that was hit."""

    features: Tensor
    depth: Tensor
    weight: Tensor


def camera_rays(cam2world: Tensor, intrinsics: Tensor, resolution: int) -> tuple[Tensor, Tensor]:
    """Return origins and unit directions (B, resolution^2, 3) of pixel centres, row by row.

    cam2world (B, 4, 4) OpenCV; intrinsics (B, 3, 3) in units of the image size.
    """
    centres = (torch.arange(resolution, device=cam2world.device, dtype=cam2world.dtype) + 0.5) / (
        resolution
    )
    v, u = torch.meshgrid(centres, centres, indexing="ij")
    pixels = torch.stack([u, v, torch.ones_like(u)], dim=-1).reshape(1, -1, 3)
    in_camera = pixels @ torch.linalg.inv(intrinsics).transpose(1, 2)
    directions = functional.normalize(in_camera @ cam2world[:, :3, :3].transpose(1, 2), dim=-1)
    origins = cam2world[:, None, :3, 3].expand_as(directions)
    return origins, directions


def box_intersection(origins: Tensor, directions: Tensor, size: float) -> tuple[Tensor, Tensor]:
    """Return near and far depths (B, M, 1) in the cube of side `size`.

    As in EG3D rays that miss it get the least and the greatest near depth of those that hit it.
    """
    half = size / 2.0
    inverse = 1.0 / directions
    first, second = (-half - origins) * inverse, (half - origins) * inverse
    near = torch.minimum(first, second).amax(dim=-1, keepdim=True)
    far = torch.maximum(first, second).amin(dim=-1, keepdim=True)
    hit = near <= far
    if not hit.any():
        return torch.zeros_like(near), torch.ones_like(far)
    starts = near[hit]
    return torch.where(hit, near, starts.min()), torch.where(hit, far, starts.max())


def ray_ends(
    origins: Tensor, directions: Tensor, settings: RenderSettings
) -> tuple[Tensor, Tensor]:
    """Return near and far depths (B, M, 1) that rays (B, M, 3) are sampled between."""
    if settings.ray_start is None or settings.ray_end is None:
        return box_intersection(origins, directions, settings.box_size)
    near = torch.full_like(origins[..., :1], settings.ray_start)
    return near, torch.full_like(near, settings.ray_end)


def stratified_depths(near: Tensor, far: Tensor, jitter: Tensor) -> Tensor:
    """Return depths (B, M, n, 1): evenly from near to far (B, M, 1), each moved up by a jitter."""
    count = jitter.shape[2]
    steps = torch.linspace(0.0, 1.0, count, device=near.device, dtype=near.dtype)[:, None]
    span = (far - near)[:, :, None]
    return near[:, :, None] + steps * span + jitter * span / (count - 1)


def march_weights(density: Tensor, depths: Tensor) -> Tensor:
    """Return weights (B, M, n - 1, 1) of the intervals between n samples of raw density.

    Density is softplus(raw - 1), taken at the middle of an interval as the mean of its ends.
    """
    lengths = depths[:, :, 1:] - depths[:, :, :-1]
    middle = (density[:, :, 1:] + density[:, :, :-1]) / 2.0
    alpha = 1.0 - torch.exp(-functional.softplus(middle - 1.0) * lengths)
    passed = torch.cumprod(1.0 - alpha + 1e-10, dim=2)
    transmittance = torch.cat([torch.ones_like(passed[:, :, :1]), passed[:, :, :-1]], dim=2)
    return alpha * transmittance


def importance_depths(depths: Tensor, weights: Tensor, uniform: Tensor) -> Tensor:
    """Draw depths (B, M, k, 1) where the coarse weights (B, M, n - 1, 1) are, by inverse CDF.

    The weights are widened first (mip-NeRF: maximum, then mean of neighbours). uniform (B * M, k).
    """
    batch, count, coarse, _ = depths.shape
    depths = depths.reshape(batch * count, coarse)
    weights = weights.reshape(batch * count, 1, coarse - 1)
    widened = functional.max_pool1d(weights, 2, stride=1, padding=1)
    smooth = functional.avg_pool1d(widened, 2, stride=1)[:, 0] + 0.01
    probability = smooth[:, 1:-1] + 1e-5
    cdf = torch.cumsum(probability / probability.sum(dim=1, keepdim=True), dim=1)
    cdf = functional.pad(cdf, (1, 0))
    middles = (depths[:, 1:] + depths[:, :-1]) / 2.0

    above = torch.searchsorted(cdf, uniform.contiguous(), right=True)
    below = (above - 1).clamp(min=0)
    above = above.clamp(max=cdf.shape[1] - 1)
    cdf_below, cdf_above = cdf.gather(1, below), cdf.gather(1, above)
    gap = cdf_above - cdf_below
    gap = torch.where(gap < 1e-5, torch.ones_like(gap), gap)
    start, end = middles.gather(1, below), middles.gather(1, above)
    fine = start + (uniform - cdf_below) / gap * (end - start)
    return fine.reshape(batch, count, -1, 1)


def march(
    features: Tensor, density: Tensor, depths: Tensor, white_back: bool = False
) -> RenderedRays:
    """Composite samples sorted by depth: features (B, M, n, C), raw density, depths (B, M, n, 1).

    The depth of a ray is its mean, held within the depths sampled anywhere in the batch.
    """
    weights = march_weights(density, depths)
    rendered = _composite([features], _shares(weights), depths, weights, white_back)
    return _hold_depth(rendered, depths.min(), depths.max())


def _shares(weights: Tensor) -> Tensor:
    """Return what each of n samples weighs, (B, M, n, 1): half of the intervals on either side."""
    return (functional.pad(weights, (0, 0, 0, 1)) + functional.pad(weights, (0, 0, 1, 0))) / 2.0


def _composite(
    features: list[Tensor], shares: Tensor, depths: Tensor, weights: Tensor, white_back: bool
) -> RenderedRays:
    """Sum features by their shares, in any order, and depths by the weights of the intervals."""
    total = weights.sum(dim=2)
    own = shares.split([part.shape[2] for part in features], dim=2)
    composite = sum(w.transpose(2, 3) @ f for w, f in zip(own, features, strict=True))[:, :, 0]
    depth = (weights * (depths[:, :, 1:] + depths[:, :, :-1]) / 2.0).sum(dim=2) / total
    if white_back:
        composite = composite + 1.0 - total
    return RenderedRays(composite * 2.0 - 1.0, depth, total)


def _hold_depth(rendered: RenderedRays, least: Tensor, greatest: Tensor) -> RenderedRays:
    """Hold the depths within two others; rays that hit nothing get the greatest."""
    depth = rendered.depth.nan_to_num(float("inf")).clamp(least, greatest)
    return RenderedRays(rendered.features, depth, rendered.weight)


def render_rays(
    field: FieldFunction,
    origins: Tensor,
    directions: Tensor,
    settings: RenderSettings,
    draws: Draws | None = None,
    rays_at_a_time: int | None = None,
) -> RenderedRays:
    """Render rays (B, M, 3) through a field, coarse samples and importance samples together.

    With `rays_at_a_time` the same picture takes less memory.
    """
    near, far = ray_ends(origins, directions, settings)
    if draws is None:
        draws = Draws.random(origins, settings)
    batch, count, _ = origins.shape
    importance = draws.importance.reshape(batch, count, -1)
    size = count if rays_at_a_time is None else rays_at_a_time
    pieces, least, greatest = [], [], []
    for start in range(0, count, size):
        part = slice(start, start + size)
        own = Draws(draws.jitter[:, part], importance[:, part].flatten(0, 1))
        ends = near[:, part], far[:, part]
        rendered, depths = _render(
            field, origins[:, part], directions[:, part], ends, settings, own
        )
        pieces.append(rendered)
        least.append(depths.min())
        greatest.append(depths.max())
    together = RenderedRays(
        torch.cat([piece.features for piece in pieces], dim=1),
        torch.cat([piece.depth for piece in pieces], dim=1),
        torch.cat([piece.weight for piece in pieces], dim=1),
    )
    return _hold_depth(together, torch.stack(least).min(), torch.stack(greatest).max())


def _render(
    field: FieldFunction,
    origins: Tensor,
    directions: Tensor,
    ends: tuple[Tensor, Tensor],
    settings: RenderSettings,
    draws: Draws,
) -> tuple[RenderedRays, Tensor]:
    """Render rays between their ends; depths of the result are not held yet. And all depths."""
    depths = stratified_depths(*ends, draws.jitter)
    features, density = _sample(field, origins, directions, depths)
    weights = march_weights(density, depths)
    if not settings.depth_resolution_importance:
        shares = _shares(weights)
        return _composite([features], shares, depths, weights, settings.white_back), depths
    with torch.no_grad():
        fine_depths = importance_depths(depths, weights, draws.importance)
    fine_features, fine_density = _sample(field, origins, directions, fine_depths)
    depths, order = torch.cat([depths, fine_depths], dim=2).sort(dim=2)
    density = torch.cat([density, fine_density], dim=2).gather(2, order)
    weights = march_weights(density, depths)
    # shares go back to the samples' own order: one number each instead of all features
    shares = _shares(weights)
    shares = torch.zeros_like(shares).scatter(2, order, shares)
    both = [features, fine_features]
    return _composite(both, shares, depths, weights, settings.white_back), depths


def _sample(
    field: FieldFunction, origins: Tensor, directions: Tensor, depths: Tensor
) -> tuple[Tensor, Tensor]:
    """Ask the field at depths (B, M, n, 1) for features (B, M, n, C) and density (B, M, n, 1)."""
    batch, count, samples, _ = depths.shape
    points = origins[:, :, None] + depths * directions[:, :, None]
    along = directions[:, :, None].expand_as(points)
    features, density = field(points.flatten(1, 2), along.flatten(1, 2))
    shape = (batch, count, samples, -1)
    return features.reshape(shape), density.reshape(shape)
