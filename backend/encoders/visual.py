"""Photo and label map, each as far as given, into tokens for the denoiser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backbone import DECODER_WIDTH, Backbone, Decoder, convolve
from .layout import layout, layout_width

NUM_LABELS = 19
TOKEN_GRID = 8  # tokens across a picture
TOKEN_WIDTH = 256
_STEM = (32, 64, 96, 160)
_PLACE_WIDTH, _WHOLE_WIDTH = 32, 384  # on the way to what is known of the whole picture
_FARTHEST = 5.0  # deviations from the mean that a statistic counts as
_SMALL = 1 / 16  # statistics before the linear map: a step of the optimiser moves it but a little
_RIDGE = 0.05 * _SMALL**2  # times the number of samples


class VisualConditions(Protocol):
    """image (B, 3, S, S) sRGB 0..1 and labels (B, S, S) int64, each None or with its mask
    (B, 1, S, S), 1 where it is given; landmarks (B, 68, 2) of the image, or None."""

    image: Tensor | None
    image_mask: Tensor | None
    labels: Tensor | None
    labels_mask: Tensor | None
    landmarks: Tensor | None

    def __len__(self) -> int:
        """B."""
        ...


@dataclass(frozen=True)
class Seen:
    """What pictures of B heads say: tokens (B, T, width), and of each number of the latents a mean
    and how much narrower than beforehand it is, as a logarithm <= 0, (B, numbers) both."""

    tokens: Tensor
    mean: Tensor
    narrowing: Tensor


class VisualEncoder(nn.Module):
    """Image and label map with their masks -> `Seen`.

    One token a place, from a DeepLabV3+ network, and a last one that has seen all places: how far
    apart things are says most about a face's shape.  What is not given is replaced by learned
    values, pixel by pixel, so nothing under a mask can reach the answer.  Of a head of which
    nothing at all is given the tokens are learned and nothing is known.
    """

    def __init__(self, width: int = TOKEN_WIDTH, numbers: int = 256):
        super().__init__()
        self.numbers = numbers
        self.no_image = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.no_label = nn.Parameter(torch.zeros(1, NUM_LABELS, 1, 1))
        self.backbone = Backbone(3 + NUM_LABELS + 2, _STEM)
        self.decoder = Decoder(_STEM)
        self.gather = nn.Sequential(
            convolve(DECODER_WIDTH, 128, stride=2), convolve(128, 192, stride=2)
        )
        self.out = nn.Linear(192, width)
        self.places = nn.Sequential(
            nn.Conv2d(192, _PLACE_WIDTH, 1),
            nn.Flatten(),
            nn.Linear(_PLACE_WIDTH * TOKEN_GRID**2, _WHOLE_WIDTH),
            nn.SiLU(),
        )
        statistics = layout_width(NUM_LABELS)
        self.register_buffer("center", torch.zeros(statistics))
        self.register_buffer("scale", torch.ones(statistics))
        self.layout = nn.Sequential(
            nn.Linear(2 * statistics, _WHOLE_WIDTH),
            nn.SiLU(),
            nn.Linear(_WHOLE_WIDTH, _WHOLE_WIDTH),
            nn.SiLU(),
        )
        self.whole = nn.Linear(2 * _WHOLE_WIDTH, width)
        self.guess = nn.Linear(2 * _WHOLE_WIDTH, 2 * numbers)
        self.linear = nn.Linear(statistics, numbers)
        for parameter in self.linear.parameters():
            nn.init.zeros_(parameter)
        nn.init.zeros_(self.guess.weight)
        nn.init.zeros_(self.guess.bias)
        tokens = TOKEN_GRID**2 + 1
        self.place = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        self.nothing = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        self.to(memory_format=torch.channels_last)  # faster on processors and GPUs alike

    @torch.no_grad()
    def fit(self, samples: Iterable[tuple[VisualConditions, Tensor]]) -> None:
        """Begin with the linear map (ridge regression) from statistics of pictures to the numbers
        of latents, each in units of its deviation: samples of B pictures and (B, numbers)."""
        parts = [(*layout(*self._inputs(shown)), numbers) for shown, numbers in samples]
        values, known, numbers = (torch.cat(each) for each in zip(*parts, strict=True))
        count = known.sum(0).clamp_min(1)
        self.center.copy_((values * known).sum(0) / count)
        variance = ((values - self.center).square() * known).sum(0) / count
        self.scale.copy_(1 / variance.sqrt().clamp_min(0.02))
        x = _SMALL * self._standard(values, known).double()
        gram = x.T @ x + _RIDGE * len(x) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        self.linear.weight.copy_(torch.linalg.solve(gram, x.T @ numbers.double()).T)

    def _standard(self, values: Tensor, known: Tensor) -> Tensor:
        """Statistics about their means in units of their deviations, 0 where not known."""
        standard = ((values - self.center) * self.scale).clamp(-_FARTHEST, _FARTHEST)
        return standard * known

    def unseen(self, batch: int) -> Seen:
        """What is known of heads without any picture."""
        nothing = self.nothing.new_zeros(batch, self.numbers)
        return Seen(self.nothing.expand(batch, -1, -1), nothing, nothing)

    def forward(self, conditions: VisualConditions) -> Seen:
        """What the photos and maps of B heads say."""
        if conditions.image is None and conditions.labels is None:
            return self.unseen(len(conditions))
        image, image_mask, one_hot, labels_mask, landmarks = self._inputs(conditions)
        x = torch.cat(
            [
                torch.where(image_mask > 0, 2 * image - 1, self.no_image),
                torch.where(labels_mask > 0, one_hot, self.no_label),
                image_mask,
                labels_mask,
            ],
            1,
        )
        x = self.gather(
            self.decoder(self.backbone(x.contiguous(memory_format=torch.channels_last)))
        )
        values, known = layout(image, image_mask, one_hot, labels_mask, landmarks)
        standard = self._standard(values, known)
        learned = self.layout(torch.cat([standard, known], 1))
        whole = torch.cat([self.places(x), learned], 1)
        tokens = torch.cat([self.out(x.flatten(2).mT), self.whole(whole)[:, None]], 1) + self.place
        mean, narrowing = self.guess(whole).float().chunk(2, 1)
        mean = mean + self.linear(_SMALL * standard).float()
        # at the start a little narrower than nothing, so that it can learn
        narrowing = -F.softplus(narrowing - 3)
        given = (image_mask.flatten(1).amax(1) + labels_mask.flatten(1).amax(1)) > 0
        given = given[:, None]
        return Seen(
            torch.where(given[..., None], tokens, self.nothing),
            torch.where(given, mean, 0.0),
            torch.where(given, narrowing, 0.0),
        )

    @staticmethod
    def _inputs(conditions: VisualConditions) -> tuple[Tensor, ...]:
        """Image, its mask, classes (B, C, S, S), their mask, and landmarks, for `layout`."""
        image, image_mask = conditions.image, conditions.image_mask
        labels, labels_mask = conditions.labels, conditions.labels_mask
        like = image if image is not None else labels_mask
        if image is None:
            image_mask = torch.zeros_like(labels_mask)
            image = image_mask.expand(-1, 3, -1, -1)
        if labels is None:
            labels_mask = torch.zeros_like(image_mask)
            labels = torch.zeros_like(image_mask[:, 0], dtype=torch.int64)
        one_hot = F.one_hot(labels, NUM_LABELS).movedim(-1, 1).to(like)
        return image, image_mask, one_hot, labels_mask, conditions.landmarks
