"""Synthesis from an image: StyleGAN2 blocks fed by an encoder of that image ('styleunet').

Next3D's mouth and blending networks. The encoder halves the image level by level; its outputs
enter the decoder's features in ascending resolution, fused by one convolution each.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..generator.stylegan2 import (
    ACTIVATION_GAIN,
    LEAKY_SLOPE,
    SynthesisBlock,
    binomial_filter,
    filter2d,
)


class PlainConv2d(nn.Module):
    """Convolution with equalised learning rate: weight / sqrt(fan in).

    `down` halves the resolution: low-pass filter, then stride 2.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: int,
        bias: bool = True,
        down: bool = False,
        activate: bool = True,
    ) -> None:
        super().__init__()
        self.down, self.activate = down, activate
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, size, size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.weight_gain = 1.0 / math.sqrt(in_channels * size * size)
        self.register_buffer("resample_filter", binomial_filter())

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, I, H, W) to (B, O, H, W), or half the size."""
        gain = ACTIVATION_GAIN if self.activate else 1.0
        weight = self.weight * (self.weight_gain * gain)
        bias = None if self.bias is None else self.bias * gain
        if self.down:
            smooth = filter2d(x, self.resample_filter, padding=2)
            y = functional.conv2d(smooth, weight, bias, stride=2)
        else:
            y = functional.conv2d(x, weight, bias, padding=self.weight.shape[-1] // 2)
        return functional.leaky_relu_(y, LEAKY_SLOPE) if self.activate else y


class EncoderLevel(nn.Module):
    """One resolution of the encoder: the image, added to what came before, halved."""

    def __init__(self, img_channels: int, channels: int, out_channels: int) -> None:
        super().__init__()
        self.register_buffer("resample_filter", binomial_filter())
        self.fromrgb = PlainConv2d(img_channels, channels, 1, bias=False, activate=False)
        self.conv1 = PlainConv2d(channels, channels, 3)
        self.conv2 = PlainConv2d(channels, out_channels, 3, down=True)

    def forward(self, image: Tensor, x: Tensor | None) -> Tensor:
        """Map the image (B, F, R, R) and features (B, C, R, R) to half the size."""
        own = self.fromrgb(image)
        return self.conv2(self.conv1(own if x is None else own + x))

    def halve(self, image: Tensor) -> Tensor:
        """Return the image (B, F, R, R) at half the resolution."""
        channels = image.shape[1]
        kernel = self.resample_filter.to(image.dtype).expand(channels, 1, -1, -1)
        return functional.conv2d(image, kernel, stride=2, padding=1, groups=channels)


class ConditionalSynthesis(nn.Module):
    """Image (B, F, in_size, in_size) and ws to an image (B, F, resolution, resolution).

    The encoder goes from in_size down to final_size. The decoder starts above final_size; blocks
    b4 up to b{final_size} and the last fusion are in official files, never run and not kept here.
    """

    def __init__(
        self,
        w_dim: int,
        resolution: int,
        img_channels: int,
        in_size: int,
        final_size: int,
        channel_base: int,
        channel_max: int,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()

        def width(r: int) -> int:
            return min(channel_base // r, channel_max)

        levels = [in_size >> i for i in range((in_size // final_size).bit_length() - 1)]
        self.encoder = nn.ModuleList(
            EncoderLevel(img_channels, width(r), width(r // 2)) for r in levels
        )
        outputs = [r // 2 for r in reversed(levels)]
        self.fusion = nn.ModuleList(
            PlainConv2d(width(r) * (1 if r == final_size else 2), width(r), 3, activate=False)
            for r in outputs
        )
        self.resolutions = []
        r = 2 * final_size
        while r <= resolution:
            block = SynthesisBlock(
                width(r // 2), width(r), w_dim, r, img_channels, conv_clamp=conv_clamp
            )
            self.add_module(f"b{r}", block)
            self.resolutions.append(r)
            r *= 2
        # Styles keep the indices they have in a network that starts at b4.
        self.first_w = 2 * (final_size.bit_length() - 3) + 1

    def forward(self, image: Tensor, ws: Tensor) -> Tensor:
        """Return the float32 image; ws is (B, num_ws, w_dim) with all styles from b4 on."""
        conditions = self.encode(image.contiguous(memory_format=torch.channels_last))
        x, rgb, first = self.fusion[0](conditions[0]), None, self.first_w
        for j, r in enumerate(self.resolutions):
            if 0 < j < len(conditions):
                x = self.fusion[j](torch.cat([x, conditions[j]], dim=1))
            block = getattr(self, f"b{r}")
            x, rgb = block(x, rgb, ws[:, first : first + block.num_ws], "const")
            first += block.num_conv
        return rgb

    def encode(self, image: Tensor) -> list[Tensor]:
        """Return the encoder's features, lowest resolution first."""
        outputs, x = [], None
        for i, level in enumerate(self.encoder):
            if i > 0:
                image = level.halve(image)
            x = level(image, x)
            outputs.append(x)
        return outputs[::-1]
