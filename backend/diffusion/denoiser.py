"""The denoiser: a 1D U-Net over the rows of a latent, attending to the conditions' tokens.

AvatarMMC's network at a smaller size: residual blocks, self-attention and cross-attention at every
level.  Rows are few, so attention is full instead of linear.  Two things make it learn far sooner:
each row has its own map in and out, since the numbers of different rows have nothing in common, and
the sum of the tokens joins the time embedding, the rows, and through one linear map the answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes: a latent is `rows` x `row_width`; level i has width * multipliers[i] channels."""

    rows: int = 16
    row_width: int = 16
    width: int = 192
    multipliers: tuple[int, ...] = (1, 2)
    head_width: int = 32
    context_width: int = 256


@dataclass(frozen=True)
class Context:
    """What is asked of B heads: tokens (B, T, D), and what pictures say of each number of the
    latents: its mean (B, k, d) and the logarithm of how much narrower it is than beforehand."""

    tokens: Tensor
    mean: Tensor
    narrowing: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def join(cls, parts: Sequence[Context]) -> Context:
        """Several batches as one."""
        names = ("tokens", "mean", "narrowing")
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class PreparedContext:
    """What the denoiser needs of a context, the same at every step: the tokens' scaled sum (B, D),
    keys and values (B, T, 2 C) for each stage, and what pictures say, as it is and in rows
    (B, R, C)."""

    pooled: Tensor
    key_values: tuple[Tensor, ...]
    known: Tensor
    mean: Tensor
    narrowing: Tensor

    def __len__(self) -> int:
        return len(self.pooled)


class RowwiseLinear(nn.Module):
    """A linear map of its own for each row."""

    def __init__(self, rows: int, in_width: int, out_width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(rows, in_width, out_width) / math.sqrt(in_width))
        self.bias = nn.Parameter(torch.zeros(rows, out_width))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, R, in) -> (B, R, out)."""
        return torch.einsum("bri,rio->bro", x, self.weight) + self.bias


class RowBlock(nn.Module):
    """Two convolutions along the rows, scaled and shifted by the time embedding."""

    def __init__(self, in_width: int, out_width: int, embedding: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(8, in_width)
        self.conv1 = nn.Conv1d(in_width, out_width, 3, padding=1)
        self.film = nn.Linear(embedding, 2 * out_width)
        self.norm2 = nn.GroupNorm(8, out_width)
        self.conv2 = nn.Conv1d(out_width, out_width, 3, padding=1)
        same = in_width == out_width
        self.skip = nn.Identity() if same else nn.Conv1d(in_width, out_width, 1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (B, in, R), embedding (B, E) -> (B, out, R)."""
        y = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.film(embedding)[..., None].chunk(2, 1)
        y = self.norm2(y) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(y))


class Attention(nn.Module):
    """Pre-norm multi-head attention of the rows to tokens, or to themselves."""

    def __init__(self, width: int, head_width: int, context_width: int | None = None):
        super().__init__()
        self.heads = max(1, width // head_width)
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(context_width or width, 2 * width, bias=False)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, key_value: Tensor | None = None) -> Tensor:
        """x (B N, C, R), keys and values (B, T, 2 C) or None for the rows' own -> (B N, C, R)."""
        rows = self.norm(x.transpose(1, 2))
        query = self._split(self.query(rows))
        if key_value is None:
            key_value = self.key_value(rows)
        key_value = key_value.repeat_interleave(len(rows) // len(key_value), 0)
        key, value = (self._split(part) for part in key_value.chunk(2, -1))
        mixed = F.scaled_dot_product_attention(query, key, value)
        mixed = mixed.transpose(1, 2).flatten(2)
        return x + self.out(mixed).transpose(1, 2)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Stage(nn.Module):
    """Residual block, self-attention, cross-attention."""

    def __init__(self, in_width: int, out_width: int, embedding: int, config: DenoiserConfig):
        super().__init__()
        self.block = RowBlock(in_width, out_width, embedding)
        self.own = Attention(out_width, config.head_width)
        self.cross = Attention(out_width, config.head_width, config.context_width)

    def forward(self, x: Tensor, embedding: Tensor, key_value: Tensor) -> Tensor:
        """x (B, in, R), embedding (B, E), the tokens' key_value (B, T, 2 out) -> (B, out, R)."""
        return self.cross(self.own(self.block(x, embedding)), key_value)


class Denoiser(nn.Module):
    """Predicts v of noisy latents under conditions; see the module's docstring."""

    def __init__(self, config: DenoiserConfig):
        super().__init__()
        self.config = c = config
        embedding = 2 * c.width
        widths = [c.width * m for m in c.multipliers]
        self.stride = 2 ** (len(widths) - 1)
        padded = -(-c.rows // self.stride) * self.stride
        self.padding = padded - c.rows
        self.padded = padded
        self.stem = RowwiseLinear(padded, c.row_width, c.width)
        self.rows = nn.Linear(c.context_width, padded * c.width)
        self.known = RowwiseLinear(padded, 2 * c.row_width, c.width)
        nn.init.zeros_(self.known.weight)
        self.time = nn.Sequential(
            nn.Linear(c.width, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        self.pooled = nn.Linear(c.context_width, embedding)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        last = c.width
        for i, width in enumerate(widths):
            self.down.append(Stage(last, width, embedding, c))
            if i + 1 < len(widths):
                self.shrink.append(nn.Conv1d(width, width, 4, stride=2, padding=1))
            last = width
        self.middle = Stage(last, last, embedding, c)
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        for i, width in reversed(list(enumerate(widths))):
            self.up.append(Stage(last + width, width, embedding, c))
            if i:
                self.grow.append(nn.Conv1d(width, width, 3, padding=1))
            last = width
        self.norm = nn.GroupNorm(8, last)
        self.head = RowwiseLinear(padded, last, c.row_width)
        nn.init.zeros_(self.head.weight)
        self.direct = nn.Linear(c.context_width, padded * c.row_width)
        self.gate = nn.Linear(embedding, c.context_width)
        for parameter in self.direct.parameters():
            nn.init.zeros_(parameter)

    def prepare(self, context: Context) -> PreparedContext:
        """Map a context as far as no step has a part in it: for many steps, once."""
        stages: Sequence[Stage] = [*self.down, self.middle, *self.up]
        tokens = context.tokens
        known = torch.cat([context.mean, context.narrowing], 2)
        return PreparedContext(
            tokens.sum(1) / math.sqrt(tokens.shape[1]),
            tuple(stage.cross.key_value(tokens) for stage in stages),
            self.known(F.pad(known, (0, 0, self.padding, 0))),
            context.mean,
            context.narrowing,
        )

    def forward(self, x: Tensor, t: Tensor, context: PreparedContext) -> Tensor:
        """x_t (B N, k, d) less its mean, times t (B N,) in 0..1 -> v (B N, k, d), in units.

        The context of a head is that of N latents in a row.
        """
        key_values = iter(context.key_values)
        embedding = self.time(time_features(t, self.config.width))
        pooled = context.pooled.repeat_interleave(len(x) // len(context), 0)
        embedding = F.silu(embedding + self.pooled(pooled))
        y = self.stem(F.pad(x, (0, 0, self.padding, 0)))
        y = y + self.rows(pooled).unflatten(1, (self.padded, -1))
        y = (y + context.known.repeat_interleave(len(x) // len(context), 0)).transpose(1, 2)
        skips = []
        for i, stage in enumerate(self.down):
            y = stage(y, embedding, next(key_values))
            skips.append(y)
            if i < len(self.shrink):
                y = self.shrink[i](y)
        y = self.middle(y, embedding, next(key_values))
        for i, stage in enumerate(self.up):
            y = stage(torch.cat([y, skips.pop()], 1), embedding, next(key_values))
            if i < len(self.grow):
                y = self.grow[i](y.repeat_interleave(2, -1))
        y = self.head(F.silu(self.norm(y)).transpose(1, 2))
        direct = self.direct(pooled * (1 + self.gate(embedding)))
        y = y + direct.unflatten(1, (self.padded, -1))
        return y[:, self.padding :]


def time_features(t: Tensor, width: int) -> Tensor:
    """Sines and cosines (B, width) of times t (B,), periods from 1/1000 of the whole up."""
    rates = torch.exp(
        torch.linspace(0, -math.log(10_000), width // 2, device=t.device, dtype=t.dtype)
    )
    angle = 1000 * t[:, None] * rates
    return torch.cat([angle.sin(), angle.cos()], 1)
