"""Photo and label map, each as far as given, into tokens for the denoiser."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backbone import DECODER_WIDTH, Backbone, Decoder, convolve

NUM_LABELS = 19
TOKEN_GRID = 8  # tokens across a picture
TOKEN_WIDTH = 256
_STEM = (32, 64, 96, 160)
_WHOLE = (32, 384)  # channels a place, and width, on the way to the token of the whole picture


class VisualConditions(Protocol):
    """image (B, 3, S, S) sRGB 0..1 and labels (B, S, S) int64, each None or with its mask
    (B, 1, S, S), 1 where it is given."""

    image: Tensor | None
    image_mask: Tensor | None
    labels: Tensor | None
    labels_mask: Tensor | None

    def __len__(self) -> int:
        """B."""
        ...


class VisualEncoder(nn.Module):
    """Image and label map with their masks -> tokens (B, TOKEN_GRID ** 2 + 1, width).

    One token a place and a last one that has seen all places, each with weights of its own: how far
    apart things are, which says most about a face's shape, is a linear function of those.

    What is not given is replaced by learned values, pixel by pixel, so nothing under a mask can
    reach the tokens.  Of a head of which nothing at all is given the tokens are learned.
    """

    def __init__(self, width: int = TOKEN_WIDTH):
        super().__init__()
        self.no_image = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.no_label = nn.Parameter(torch.zeros(1, NUM_LABELS, 1, 1))
        self.backbone = Backbone(3 + NUM_LABELS + 2, _STEM)
        self.decoder = Decoder(_STEM)
        self.gather = nn.Sequential(
            convolve(DECODER_WIDTH, 128, stride=2), convolve(128, 192, stride=2)
        )
        self.out = nn.Linear(192, width)
        channels, hidden = _WHOLE
        self.whole = nn.Sequential(
            nn.Conv2d(192, channels, 1),
            nn.Flatten(),
            nn.Linear(channels * TOKEN_GRID**2, hidden),
            nn.SiLU(),
            nn.Linear(hidden, width),
        )
        tokens = TOKEN_GRID**2 + 1
        self.place = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        self.nothing = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        self.to(memory_format=torch.channels_last)  # faster on processors and GPUs alike

    def forward(self, conditions: VisualConditions) -> Tensor:
        """Tokens (B, T, width) of the photos and maps of B heads."""
        image, image_mask = conditions.image, conditions.image_mask
        labels, labels_mask = conditions.labels, conditions.labels_mask
        if image is None and labels is None:
            return self.nothing.expand(len(conditions), -1, -1)
        like = image if image is not None else labels_mask
        if image is None:
            image_mask = torch.zeros_like(labels_mask)
            image = image_mask.expand(-1, 3, -1, -1)
        if labels is None:
            labels_mask = torch.zeros_like(image_mask)
            labels = torch.zeros_like(image_mask[:, 0], dtype=torch.int64)
        one_hot = F.one_hot(labels, NUM_LABELS).movedim(-1, 1).to(like)
        image = torch.where(image_mask > 0, 2 * image - 1, self.no_image)
        one_hot = torch.where(labels_mask > 0, one_hot, self.no_label)
        x = torch.cat([image, one_hot, image_mask, labels_mask], 1)
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.gather(self.decoder(self.backbone(x)))
        tokens = torch.cat([self.out(x.flatten(2).mT), self.whole(x)[:, None]], 1) + self.place
        given = (image_mask.flatten(1).amax(1) + labels_mask.flatten(1).amax(1)) > 0
        return torch.where(given[:, None, None], tokens, self.nothing)
