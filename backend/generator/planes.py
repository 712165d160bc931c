"""Tri-planes: where a point falls on the three planes, and what is read there.

The axes are warped by asinh about the face, so that a texel is about 1.6 times finer there than
at the back of the head.  Plane order and axis pairs follow EG3D (Chan et al. 2022) in our frame:
front (x, z), side (y, z), top (x, y).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

CUBE_CENTRE = (0.0, 0.075, 0.0)
CUBE_HALF = 0.235
AXIS_PAIRS = ((0, 2), (1, 2), (0, 1))

_WARP = 3.0
_FACE_CENTRE = (0.0, -0.10 / CUBE_HALF, -0.03 / CUBE_HALF)


def cube_coordinates(points: Tensor) -> Tensor:
    """Model-frame points (..., 3) in metres to cube units, [-1, 1] inside the field's bounds."""
    return (points - points.new_tensor(CUBE_CENTRE)) / CUBE_HALF


def plane_coordinates(points: Tensor) -> Tensor:
    """Model-frame points (..., 3) to warped plane coordinates in [-1, 1], axis by axis."""
    centre = points.new_tensor(_FACE_CENTRE)
    low = torch.asinh(_WARP * (-1.0 - centre))
    high = torch.asinh(_WARP * (1.0 - centre))
    return 2.0 * (torch.asinh(_WARP * (cube_coordinates(points) - centre)) - low) / (high - low) - 1


def sample_planes(planes: Tensor, coordinates: Tensor) -> Tensor:
    """Bilinear features of points on three planes.

    planes (B, 3, C, H, W), coordinates (B, N, 3) from `plane_coordinates` -> (B, N, 3 C).
    """
    batch, _, channels, height, width = planes.shape
    grid = torch.stack([coordinates[..., list(pair)] for pair in AXIS_PAIRS], 1)
    features = F.grid_sample(
        planes.reshape(batch * 3, channels, height, width),
        grid.reshape(batch * 3, -1, 1, 2),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return features.reshape(batch, 3 * channels, -1).transpose(1, 2)


def planes_on_lattice(planes: Tensor, axes: tuple[Tensor, Tensor, Tensor]) -> list[Tensor]:
    """Planes resampled once at the crossings of lattice axes, so that lookups become gathers.

    planes (3, C, H, W), axes three (n_k,) model-frame coordinates in metres.
    Returns for each plane (n_a, n_b, C), a and b its axis pair.  Exact: bilinear reading is the
    same whether points are read one by one or axis by axis.
    """
    out = []
    for plane, (a, b) in zip(planes, AXIS_PAIRS, strict=True):
        points = plane.new_zeros(len(axes[a]), len(axes[b]), 3)
        points[..., a] = axes[a][:, None]
        points[..., b] = axes[b][None, :]
        grid = plane_coordinates(points)[..., [a, b]]
        read = F.grid_sample(plane[None], grid[None], padding_mode="border", align_corners=False)
        out.append(read[0].permute(1, 2, 0).contiguous())
    return out


def smooth_noise_planes(channels: int, resolution: int, generator: torch.Generator) -> Tensor:
    """Smooth random planes (3, C, R, R) to start from: white noise would show as bumps for long."""
    coarse = torch.randn(3, channels, 12, 12, generator=generator) * 0.15
    return F.interpolate(coarse, size=(resolution, resolution), mode="bicubic")
