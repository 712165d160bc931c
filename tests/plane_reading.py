"""Tri-planes read the public programs' way: by stored axes, plane by plane, before the decoder."""

import torch
from torch import Tensor
from torch.nn import functional

# Rows of each plane's frame; a point is multiplied by the inverse and keeps two coordinates.
EG3D_AXES = (
    ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0)),
    ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
)
NEXT3D_AXES = (*EG3D_AXES[:2], ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))


def read_planes(planes: Tensor, axes: Tensor, points: Tensor, box_warp: float) -> Tensor:
    """Return features (B, 3, N, C) of planes (B, 3, C, H, W) at points (B, N, 3).

    axes (3, 3, 3) as stored with a checkpoint: (x, y), (x, z) and, in EG3D (z, x), in Next3D
    (z, y). A plane spans a square of side `box_warp` and is zero outside.
    """
    batch, _, channels, height, width = planes.shape
    scaled = points * (2.0 / box_warp)
    projected = scaled[:, None] @ torch.linalg.inv(axes.to(points))
    grid = projected[..., :2].reshape(batch * 3, 1, -1, 2).to(planes.dtype)
    features = functional.grid_sample(
        planes.reshape(batch * 3, channels, height, width),
        grid,
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    return features.reshape(batch, 3, channels, -1).transpose(2, 3)
