"""What the denoiser's training asks of its heads, whichever generator makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..conditions.conditions import Conditions
from ..conditions.table import Attribute
from ..latent.style_space import StyleSpace
from ..latent.w_space import WSpace

_HELD_OUT_OF = 50
TOGETHER = 8  # heads with pictures in a row that one process draws


@dataclass(frozen=True)
class Batch:
    """Conditions kept of B heads; for each head N rows of clean latents (B N, k, d), noise of that
    shape and times (B N,)."""

    clean: Tensor
    noise: Tensor
    t: Tensor
    conditions: Conditions


@dataclass(frozen=True)
class Request:
    """A batch to draw: how many heads, with how many draws of noise each, with pictures or without,
    and whether of those that are never trained on.

    part = (i, n) asks for the i-th of n shares of the batch that one process would see.
    """

    count: int
    noises: int = 1
    pictures: bool = False
    held_out: bool = False
    part: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        processes, least = self.part[1], self._together * self.part[1]
        if processes > 1 and self.count % least:
            groups = f" in groups of {TOGETHER}" if self.pictures else ""
            raise ValueError(
                f"a batch of {self.count} heads cannot be shared by {processes} processes{groups}; "
                f"choose a multiple of {least}"
            )

    @property
    def own(self) -> Tensor:
        """Numbers of the heads of the whole batch that are asked for."""
        heads = torch.arange(self.count)
        return heads[heads // self._together % self.part[1] == self.part[0]]

    @property
    def _together(self) -> int:
        return TOGETHER if self.pictures else 1

    def noise_and_times(
        self, shape: tuple[int, int], rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Noise (B N, k, d) and times (B N,) of own heads.

        One time in each of as many equal intervals: less noise in the loss than independent times.
        """
        noise = torch.randn(self.count, self.noises, *shape, generator=rng)
        draws = self.count * self.noises
        t = (torch.randperm(draws, generator=rng) + torch.rand(draws, generator=rng)) / draws
        return noise[self.own].flatten(0, 1), t.view(self.count, -1)[self.own].flatten()


class Heads(Protocol):
    """Where a training's heads come from; the same `rng` gives the same batch.

    `table` says what their attributes are, `pictured` how many pictures there are to train on.
    """

    table: tuple[Attribute, ...]
    pictured: int

    def to(self, device: torch.device) -> None:
        """Move the generator."""
        ...

    def fit_space(self) -> WSpace | StyleSpace:
        """The space of their latents, with its statistics."""
        ...

    def draw(self, space: WSpace | StyleSpace, request: Request, rng: torch.Generator) -> Batch:
        """A batch with noise, times and conditions."""
        ...


@dataclass(frozen=True)
class HeldOut:
    """Rows of a pool to train on, and rows of heads that no step may see: every 50th head, which
    stays so when the pool grows; where there are fewer, the last."""

    training: Tensor
    held_out: Tensor

    @classmethod
    def of(cls, head: Tensor) -> HeldOut:
        """Split rows by the numbers (N,) of their heads."""
        held = head % _HELD_OUT_OF == _HELD_OUT_OF - 1
        if not held.any():
            held = head == head.max()
        if held.all():
            raise ValueError("the pool holds one head only: make more, one is needed for checking")
        return cls((~held).nonzero()[:, 0], held.nonzero()[:, 0])

    def draw(self, request: Request, rng: torch.Generator) -> Tensor:
        """Rows of the heads that a request asks for."""
        rows = self.held_out if request.held_out else self.training
        return rows[torch.randint(len(rows), (request.count,), generator=rng)[request.own]]
