"""Style-modulated point decoders: features of a point and a style row -> field quantities."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ModulatedLinear(nn.Module):
    """Linear layer whose inputs are scaled, and whose outputs are shifted, by a style row.

    y = W (x * s(w)) + b(w): the point-wise form of StyleGAN2's modulated convolution
    (Karras et al. 2020, section 2.2, without demodulation), with a style-dependent bias so that
    a style can also move an edge.
    """

    def __init__(self, in_features: int, out_features: int, w_dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / math.sqrt(in_features))
        self.scale = nn.Linear(w_dim, in_features)
        self.shift = nn.Linear(w_dim, out_features)
        for layer in (self.scale, self.shift):
            nn.init.normal_(layer.weight, 0.0, 0.2 / math.sqrt(w_dim))
            nn.init.zeros_(layer.bias)
        nn.init.ones_(self.scale.bias)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x (B, N, in), w (B, w_dim) -> (B, N, out)."""
        weight = self.weight * self.scale(w)[:, None, :]
        return torch.baddbmm(self.shift(w)[:, None, :], x, weight.transpose(1, 2))


class PointDecoder(nn.Module):
    """A few modulated layers with SiLU between them; takes one style row a layer."""

    def __init__(self, in_features: int, width: int, out_features: int, hidden: int, w_dim: int):
        super().__init__()
        sizes = [in_features] + [width] * (hidden + 1)
        self.layers = nn.ModuleList(
            ModulatedLinear(a, b, w_dim) for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        )
        self.out = ModulatedLinear(width, out_features, w_dim)
        with torch.no_grad():
            self.out.weight.mul_(0.5)

    @property
    def num_ws(self) -> int:
        """How many style rows the decoder takes."""
        return len(self.layers) + 1

    def forward(self, x: Tensor, ws: Tensor) -> Tensor:
        """x (B, N, in), ws (B, num_ws, w_dim) -> (B, N, out)."""
        for layer, w in zip(self.layers, ws.unbind(1), strict=False):
            x = F.silu(layer(x, w))
        # distances to a tenth of a millimetre need full precision in the last layer
        with torch.autocast(x.device.type, enabled=False):
            return self.out(x.float(), ws[:, -1].float())
