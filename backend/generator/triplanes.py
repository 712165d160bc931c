"""The small decoder of EG3D's and Next3D's tri-planes; `plane_field` reads the planes."""

from torch import Tensor, nn

from .stylegan2 import Linear


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
