"""EG3D's super-resolution: the rendered features and image, enlarged by two StyleGAN2 blocks."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..generator.stylegan2 import SynthesisBlock

CLAMP = 256.0
IMAGE_CHANNELS = 3


@dataclass(frozen=True)
class Kind:
    """input_resolution^2 goes in; two blocks of these widths; whether the first one doubles.

    `enlarge_only`: larger inputs are taken as they are.
    """

    input_resolution: int
    widths: tuple[int, int]
    first_doubles: bool
    enlarge_only: bool = False


# By the class names in checkpoints.
KINDS = {
    "SuperresolutionHybrid8XDC": Kind(128, (256, 128), True),
    "SuperresolutionHybrid8X": Kind(128, (128, 64), True),
    "SuperresolutionHybrid4X": Kind(128, (128, 64), False, enlarge_only=True),
    "SuperresolutionHybrid2X": Kind(64, (128, 64), False),
}


class SuperResolution(nn.Module):
    """Features (B, F, r, r), their first three channels being the image, to (B, 3, R, R)."""

    def __init__(self, name: str, channels: int, w_dim: int, antialias: bool) -> None:
        super().__init__()
        if name not in KINDS:
            raise ValueError(
                f"the checkpoint's super-resolution is {name}, known are {', '.join(KINDS)}; "
                "use a released EG3D or Next3D model"
            )
        self.kind, self.antialias = KINDS[name], antialias
        first, second = self.kind.widths
        r = self.kind.input_resolution * (2 if self.kind.first_doubles else 1)
        self.block0 = SynthesisBlock(
            channels, first, w_dim, r, IMAGE_CHANNELS, self.kind.first_doubles, CLAMP
        )
        self.block1 = SynthesisBlock(first, second, w_dim, 2 * r, IMAGE_CHANNELS, True, CLAMP)
        self.image_resolution = 2 * r

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
