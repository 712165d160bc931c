"""A light convolutional backbone with DeepLabV3+'s pyramid and decoder (Chen et al. 2018).

Residual blocks (He et al. 2016) with group normalisation: an image's result depends on nothing
else in its batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (24, 48, 96, 160)  # channels at strides 2, 4, 8, 16
PYRAMID_WIDTH = 96
DECODER_WIDTH = 64
_LOW_WIDTH = 32
_RATES = (1, 2, 3)
_GROUPS = 8


@dataclass(frozen=True)
class Features:
    """Feature maps (B, C, S / stride, S / stride) at strides 2, 4, 8 and 16."""

    half: Tensor
    quarter: Tensor
    eighth: Tensor
    sixteenth: Tensor


def convolve(
    in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Convolution, group normalisation and SiLU; keeps the size but for the stride."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, bias=False),
        nn.GroupNorm(_GROUPS, out_channels),
        nn.SiLU(),
    )


class ResidualBlock(nn.Module):
    """Two convolutions beside a skip."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        self.first = convolve(in_channels, out_channels, stride=stride)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(_GROUPS, out_channels)
        nn.init.zeros_(self.norm.weight)
        same = stride == 1 and in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride)."""
        return F.silu(self.skip(x) + self.norm(self.second(self.first(x))))


class Backbone(nn.Module):
    """Images (B, in_channels, S, S) to `Features`; S a multiple of 16."""

    def __init__(self, in_channels: int, widths: tuple[int, int, int, int] = WIDTHS):
        super().__init__()
        half, quarter, eighth, sixteenth = widths
        self.stem = convolve(in_channels, half, stride=2)
        self.quarter = ResidualBlock(half, quarter, 2)
        self.eighth = nn.Sequential(
            ResidualBlock(quarter, eighth, 2), ResidualBlock(eighth, eighth)
        )
        self.sixteenth = nn.Sequential(
            ResidualBlock(eighth, sixteenth, 2), ResidualBlock(sixteenth, sixteenth)
        )

    def forward(self, x: Tensor) -> Features:
        """x (B, in_channels, S, S) -> features at four scales."""
        half = self.stem(x)
        quarter = self.quarter(half)
        eighth = self.eighth(quarter)
        return Features(half, quarter, eighth, self.sixteenth(eighth))


class Pyramid(nn.Module):
    """Atrous spatial pyramid pooling: one point, several rates, and the whole image."""

    def __init__(self, in_channels: int = WIDTHS[3], width: int = PYRAMID_WIDTH):
        super().__init__()
        self.branches = nn.ModuleList([convolve(in_channels, width // 2, kernel=1)])
        self.branches.extend(convolve(in_channels, width // 2, dilation=rate) for rate in _RATES)
        self.whole = nn.Sequential(nn.Conv2d(in_channels, width // 2, 1), nn.SiLU())
        self.join = convolve((len(_RATES) + 2) * (width // 2), width, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, width, h, w)."""
        whole = self.whole(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        return self.join(torch.cat([branch(x) for branch in self.branches] + [whole], 1))


class Decoder(nn.Module):
    """Pyramid joined with the features of strides 8 and 4, at stride 4."""

    def __init__(self, widths: tuple[int, int, int, int] = WIDTHS, width: int = DECODER_WIDTH):
        super().__init__()
        self.pyramid = Pyramid(widths[3])
        self.middle = convolve(PYRAMID_WIDTH + widths[2], PYRAMID_WIDTH, kernel=1)
        self.low = convolve(widths[1], _LOW_WIDTH, kernel=1)
        self.join = convolve(PYRAMID_WIDTH + _LOW_WIDTH, width)

    def forward(self, features: Features) -> Tensor:
        """Features -> (B, width, S / 4, S / 4)."""
        x = enlarge(self.pyramid(features.sixteenth))
        x = enlarge(self.middle(torch.cat([x, features.eighth], 1)))
        return self.join(torch.cat([x, self.low(features.quarter)], 1))


def enlarge(x: Tensor) -> Tensor:
    """Twice the size, (B, C, 2 H, 2 W)."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
