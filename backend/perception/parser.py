"""Labels from a photo: the 19 classes of CelebAMask-HQ, pixel by pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..encoders.backbone import DECODER_WIDTH, WIDTHS, Features, convolve, enlarge

NUM_LABELS = 19
_WIDTH = 32
_LOW_WIDTH = 16
_FEATURES = (2, 4, 5, 6, 7, 11, 12)  # nose, eyes, brows, lips
_LEAST_SKIN, _LEAST_FEATURES = 0.03, 4
_FINE = (3, 4, 5, 6, 7, 10, 11, 12, 15)  # glasses, eyes, brows, mouth, lips, earrings


class ParserHead(nn.Module):
    """Decoder features and those of stride 2 -> logits at full size."""

    def __init__(self):
        super().__init__()
        self.narrow = convolve(DECODER_WIDTH, _WIDTH, kernel=1)
        self.low = convolve(WIDTHS[0], _LOW_WIDTH, kernel=1)
        self.join = convolve(_WIDTH + _LOW_WIDTH, _WIDTH)
        self.out = nn.Conv2d(_WIDTH, NUM_LABELS, 1)

    def forward(self, decoded: Tensor, features: Features) -> Tensor:
        """decoded (B, C, S / 4, S / 4) -> logits (B, 19, S, S)."""
        x = torch.cat([enlarge(self.narrow(decoded)), self.low(features.half)], 1)
        return enlarge(self.out(self.join(x)).float())


def shows_face(labels: Tensor) -> bool:
    """Whether labels (S, S) of a framed picture are those of a face: skin, and features in it."""
    share = torch.bincount(labels.flatten(), minlength=NUM_LABELS) / labels.numel()
    skin = share[1] + share[2]
    features = int((share[list(_FEATURES)] > 0).sum())
    return bool(skin > _LEAST_SKIN) and features >= _LEAST_FEATURES


def parser_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice of the classes that occur: small ones count as large ones."""
    weight = logits.new_ones(NUM_LABELS)
    weight[list(_FINE)] = 2.0
    entropy = F.cross_entropy(logits, labels, weight)
    # every other pixel is enough for the shares
    share = torch.softmax(logits[:, :, ::2, ::2], 1)
    few = labels[:, None, ::2, ::2]
    hits = share.gather(1, few).flatten()
    both = share.new_zeros(NUM_LABELS).index_add(0, few.flatten(), hits)
    truth = torch.bincount(few.flatten(), minlength=NUM_LABELS)
    total = share.sum((0, 2, 3)) + truth
    occurs = truth > 0
    dice = 1 - (2 * both + 1) / (total + 1)
    return entropy + 0.5 * dice[occurs].mean()


def overlaps(predicted: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels in common and in either, per class: (19,) and (19,) float64, to be summed up."""
    index = NUM_LABELS * labels.flatten() + predicted.flatten()
    table = torch.bincount(index, minlength=NUM_LABELS**2).view(NUM_LABELS, NUM_LABELS).double()
    both = table.diagonal()
    return both, table.sum(0) + table.sum(1) - both
