"""EG3D's super-resolution: the rendered features and image, enlarged by two StyleGAN2 blocks."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..checkpoints.released import SUPER_RESOLUTIONS
from ..generator.stylegan2 import SynthesisBlock

CLAMP = 256.0
IMAGE_CHANNELS = 3


class SuperResolution(nn.Module):
    """Features (B, F, r, r), their first three channels being the image, to (B, 3, R, R).

    `name` is a key of `checkpoints.released.SUPER_RESOLUTIONS`.
    """

    def __init__(self, name: str, channels: int, w_dim: int, antialias: bool) -> None:
        super().__init__()
        self.kind, self.antialias = SUPER_RESOLUTIONS[name], antialias
        first, second = self.kind.widths
        middle, self.image_resolution = self.kind.sides
        self.block0 = SynthesisBlock(
            channels, first, w_dim, middle, IMAGE_CHANNELS, self.kind.first_doubles, CLAMP
        )
        self.block1 = SynthesisBlock(
            first, second, w_dim, self.image_resolution, IMAGE_CHANNELS, True, CLAMP
        )

    def forward(self, features: Tensor, ws: Tensor) -> Tensor:
        """Return the image (B, 3, R, R) in -1..1; ws (B, n, w_dim), of which the last is used."""
        styles = ws[:, -1:].expand(-1, 3, -1)
        x = self._fit(features).contiguous(memory_format=torch.channels_last)
        image = x[:, :IMAGE_CHANNELS]
        x, image = self.block0(x, image, styles, "none")
        _, image = self.block1(x, image, styles, "none")
        return image

    def _fit(self, features: Tensor) -> Tensor:
        size, wanted = features.shape[-1], self.kind.input_resolution
        if size == wanted or (self.kind.enlarge_only and size > wanted):
            return features
        return functional.interpolate(
            features, (wanted, wanted), mode="bilinear", antialias=self.antialias
        )
