"""The discriminator of stage 2: StyleGAN2's residual network on image pairs, with pose labels."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..generator.stylegan2 import Linear, binomial_filter, filter2d, leaky_relu


class Conv(nn.Module):
    """Convolution with equalised learning rate, optionally halving the resolution after FIR."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, down: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.gain = 1 / math.sqrt(in_channels * kernel * kernel)
        self.kernel, self.down = kernel, down
        self.register_buffer("resample_filter", binomial_filter(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, in, H, W) -> (B, out, H, W) or half of it."""
        weight = self.weight * self.gain
        if not self.down:
            return functional.conv2d(x, weight, padding=self.kernel // 2)
        padding = 2 if self.kernel == 3 else 1
        return functional.conv2d(filter2d(x, self.resample_filter, padding), weight, stride=2)


class Block(nn.Module):
    """Two 3x3 convolutions, the second halving, and a 1x1 skip (Karras et al. 2020, figure 7)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv0 = Conv(in_channels, in_channels, 3)
        self.conv1 = Conv(in_channels, out_channels, 3, down=True)
        self.skip = Conv(in_channels, out_channels, 1, down=True)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, in, H, W) -> (B, out, H / 2, W / 2)."""
        y = leaky_relu(self.conv1(leaky_relu(self.conv0(x))))
        return (y + self.skip(x)) * math.sqrt(0.5)


class DualDiscriminator(nn.Module):
    """Judges colour and label images together, so that both must agree (after EG3D, section 4.3).

    The score is the projection of the image's features on an embedding of its camera (Miyato and
    Koyama 2018), as in StyleGAN2-ADA.
    """

    def __init__(self, resolution: int, in_channels: int = 6, base: int = 2048, most: int = 128):
        super().__init__()
        sizes = [2**i for i in range(int(math.log2(resolution)), 1, -1)]
        widths = [min(base // size, most) for size in sizes]
        self.from_image = Conv(in_channels, widths[0], 1)
        self.blocks = nn.ModuleList(
            Block(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.conv = Conv(widths[-1] + 1, widths[-1], 3)
        self.dense = Linear(widths[-1] * 16, widths[-1], activate=True)
        self.score = Linear(widths[-1], widths[-1])
        self.camera = Linear(25, widths[-1])

    def forward(self, images: Tensor, cameras: Tensor) -> Tensor:
        """images (B, 6, R, R) in [-1, 1], cameras (B, 25) -> scores (B,)."""
        x = leaky_relu(self.from_image(images))
        for block in self.blocks:
            x = block(x)
        # minibatch standard deviation (Karras et al. 2018)
        spread = x.std(0, unbiased=False).mean().expand(len(x), 1, *x.shape[2:])
        x = leaky_relu(self.conv(torch.cat([x, spread], 1)))
        x = self.score(self.dense(x.flatten(1)))
        return (x * self.camera(cameras)).sum(1) / math.sqrt(x.shape[1])
