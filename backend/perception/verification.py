"""Whether two photos show the same head: an embedding learned from renders of the same head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..encoders.backbone import WIDTHS, Features, ResidualBlock

EMBEDDING = 128
_WIDTH = 128


class IdentityHead(nn.Module):
    """Features of stride 8 -> unit vectors."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(
            ResidualBlock(WIDTHS[2], _WIDTH, 2), ResidualBlock(_WIDTH, _WIDTH, 2)
        )
        self.out = nn.Linear(_WIDTH * 16, EMBEDDING)
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def forward(self, features: Features) -> Tensor:
        """Features of B images -> embeddings (B, 128) of length 1."""
        pooled = F.adaptive_avg_pool2d(self.blocks(features.eighth), 4).flatten(1)
        return F.normalize(self.out(pooled.float()), dim=-1)


def similarity(one: Tensor, other: Tensor) -> Tensor:
    """Cosine (B,) of embeddings (B, 128): 1 the same head, about 0 others."""
    return (one * other).sum(-1)


def identity_loss(embedding: Tensor, head: Tensor, log_scale: Tensor) -> Tensor:
    """Every image must find the others of its head among the batch (Khosla et al. 2020)."""
    scores = embedding @ embedding.T * log_scale.exp().clamp(max=40.0)
    own = torch.eye(len(head), dtype=torch.bool, device=head.device)
    scores = scores.masked_fill(own, -torch.inf)
    same = (head[:, None] == head[None]) & ~own
    log_share = F.log_softmax(scores, 1).masked_fill(~same, 0.0)
    count = same.sum(1)
    return -(log_share.sum(1) / count.clamp_min(1))[count > 0].mean()
