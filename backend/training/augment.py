"""Adaptive discriminator augmentation (Karras et al. 2020, "Training GANs with limited data")."""

import torch
from torch import Tensor

TARGET = 0.6
_COLOR_CHANNELS = 3


class AdaptiveAugment:
    """Shifts, brightness, contrast and cut-outs, each with probability `p`.

    `p` follows the mean sign of the discriminator's scores of real images: above the target it
    overfits and sees more augmentation.  Applied alike to colour and label channels where it is
    geometric, to colour alone where it is photometric.
    """

    def __init__(self, images_to_full: int = 20_000):
        self.p = 0.0
        self.images_to_full = images_to_full

    def update(self, real_scores: Tensor) -> None:
        """Move p after one batch of scores (B,) of real images."""
        overfit = real_scores.detach().sign().mean() - TARGET
        self.p += float(overfit.sign()) * len(real_scores) / self.images_to_full
        self.p = min(max(self.p, 0.0), 0.8)

    def __call__(self, images: Tensor) -> Tensor:
        """Augment images (B, C, R, R); differentiable."""
        images = self._shift(images)
        images = self._photometric(images)
        return self._cut_out(images)

    def _on(self, images: Tensor) -> Tensor:
        return (torch.rand(len(images), 1, 1, 1, device=images.device) < self.p).to(images.dtype)

    def _shift(self, images: Tensor) -> Tensor:
        most = max(1, images.shape[-1] // 8)
        shifted = []
        for image, on in zip(images, self._on(images).flatten(), strict=True):
            dy, dx = torch.randint(-most, most + 1, (2,)).tolist() if on else (0, 0)
            shifted.append(torch.roll(image, (dy, dx), (1, 2)))
        return torch.stack(shifted)

    def _photometric(self, images: Tensor) -> Tensor:
        shape = (len(images), 1, 1, 1)
        brightness = 0.2 * torch.randn(shape, device=images.device) * self._on(images)
        contrast = torch.exp(0.35 * torch.randn(shape, device=images.device) * self._on(images))
        color = images[:, :_COLOR_CHANNELS] * contrast + brightness
        return torch.cat([color, images[:, _COLOR_CHANNELS:]], 1)

    def _cut_out(self, images: Tensor) -> Tensor:
        size = images.shape[-1]
        corner = torch.randint(0, size // 2, (len(images), 2), device=images.device)
        line = torch.arange(size, device=images.device)
        inside = [(line >= c[:, None]) & (line < c[:, None] + size // 2) for c in corner.unbind(1)]
        hole = (inside[0][:, :, None] & inside[1][:, None, :])[:, None].to(images.dtype)
        return images * (1 - hole * self._on(images))
