"""EG3D's and Next3D's reading of tri-planes: lookup by stored axes, and the small decoder."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .stylegan2 import Linear

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


class OSGDecoder(nn.Module):
    """Mean of the planes, one hidden softplus layer, then raw density and colour features."""

    def __init__(
        self,
        in_features: int = 32,
        out_features: int = 32,
        hidden: int = 64,
        lr_multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        self.net = nn.Sequential(
            Linear(in_features, hidden, lr_multiplier),
            nn.Softplus(),
            Linear(hidden, 1 + out_features, lr_multiplier),
        )

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Map features (B, 3, N, C) to colours (B, N, out_features) and density (B, N, 1)."""
        values = self.net(features.mean(dim=1))
        return stretched_sigmoid(values[..., 1:]), values[..., :1]


def stretched_sigmoid(x: Tensor) -> Tensor:
    """Sigmoid slightly beyond 0..1, as in MipNeRF, so that black and white are reached."""
    return x.sigmoid() * 1.002 - 0.001
