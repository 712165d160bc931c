"""A parser and a classifier that need no training, as TorchScript files."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_BOXES = (  # class, then rows and columns of 128
    (1, 20, 110, 30, 98),
    (13, 5, 20, 25, 103),
    (2, 55, 75, 58, 70),
    (4, 45, 52, 72, 86),
    (5, 45, 52, 42, 56),
    (11, 84, 89, 50, 78),
    (12, 90, 96, 50, 78),
)


def face_map() -> Tensor:
    """A label map (1, 128, 128) uint8 of a face made of boxes."""
    labels = torch.zeros(1, 128, 128, dtype=torch.uint8)
    for index, top, bottom, left, right in _BOXES:
        labels[:, top:bottom, left:right] = index
    return labels


class Parser(nn.Module):
    """Sees the same face in all pictures, and none in those brighter than `limit` on average."""

    def __init__(self, limit: float = 0.48):
        super().__init__()
        self.limit = limit
        logits = 20.0 * F.one_hot(face_map().long(), 19).movedim(-1, 1).float()
        self.register_buffer("face", logits)

    def forward(self, image: Tensor) -> Tensor:
        """Pictures (B, 3, S, S) -> logits (B, 19, S, S)."""
        size = [image.shape[2], image.shape[3]]
        face = F.interpolate(self.face, size=size, mode="nearest")
        nothing = torch.zeros_like(face)
        nothing[:, 0] = 20.0
        bright = image.mean([1, 2, 3]) > self.limit
        return torch.where(bright[:, None, None, None], nothing, face)


class Classifier(nn.Module):
    """21 probabilities that follow from the mean colours of seven stripes."""

    def forward(self, image: Tensor) -> Tensor:
        """Pictures (B, 3, S, S) -> (B, 21)."""
        return F.adaptive_avg_pool2d(image, [7, 1]).flatten(1)


def save_script(network: nn.Module, path: Path) -> None:
    """Write a network as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(network.eval()).save(str(path))
