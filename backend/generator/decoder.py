"""Style-modulated point decoders: features of a point and a style row -> field quantities."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ModulatedLinear(nn.Module):
    """Linear layer whose inputs are scaled, and whose outputs are shifted, by a style row.

    y = g W' x + b(w) with W' = W * s(w), each row scaled to unit length when `demodulate`
    is set: StyleGAN2's modulated convolution (Karras et al. 2020, section 2.2) point
    by point.  The style's own bias lets it move an edge.  Without demodulation styles multiply from
    layer to layer: sharper edges, learned faster, but where little data reach a branch its units
    saturate.
    """

    def __init__(self, in_features: int, out_features: int, w_dim: int, demodulate: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / math.sqrt(in_features))
        self.gain = nn.Parameter(torch.ones(out_features))
        self.scale = nn.Linear(w_dim, in_features)
        self.shift = nn.Linear(w_dim, out_features)
        self.demodulate = demodulate
        for layer in (self.scale, self.shift):
            nn.init.normal_(layer.weight, 0.0, 0.2 / math.sqrt(w_dim))
            nn.init.zeros_(layer.bias)
        nn.init.ones_(self.scale.bias)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x (B, N, in), w (B, w_dim) -> (B, N, out)."""
        weight = self.weight * self.scale(w)[:, None, :]
        if self.demodulate:
            weight = weight * torch.rsqrt(weight.square().sum(-1, keepdim=True) + 1e-8)
        weight = weight * self.gain[:, None]
        return torch.baddbmm(self.shift(w)[:, None, :], x, weight.transpose(1, 2))


class PointDecoder(nn.Module):
    """A few modulated layers with SiLU between them; takes one style row a layer."""

    def __init__(
        self,
        in_features: int,
        width: int,
        out_features: int,
        hidden: int,
        w_dim: int,
        demodulate: bool,
    ):
        super().__init__()
        sizes = [in_features] + [width] * (hidden + 1)
        self.layers = nn.ModuleList(
            ModulatedLinear(a, b, w_dim, demodulate)
            for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        )
        self.out = ModulatedLinear(width, out_features, w_dim, demodulate=False)
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
