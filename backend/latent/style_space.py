"""StyleSpace: the outputs of all style layers of a generator, one row each (Wu et al. 2021).

AvatarMMC's latent.  Rows shorter than the longest are filled up with ones, the neutral style.
Styles reach the networks as values: a layer that is asked for its style answers with the given one,
whatever w says, since its weight is nought and its bias is the style in a functional call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

PADDING = 1.0


@dataclass(frozen=True)
class StyleLayer:
    """A layer that turns row `row` of ws into a style: its name in the generator and its width."""

    name: str
    row: int
    width: int


class StyleSpace(nn.Module):
    """Exact map between the styles of a generator's layers and latents (B, k, d) of unit scale."""

    def __init__(self, layers: Sequence[StyleLayer]):
        super().__init__()
        self.layers = tuple(layers)
        self.row_names = tuple(layer.name for layer in self.layers)
        self.shape = (len(self.layers), max(layer.width for layer in self.layers))
        self.register_buffer("mean", torch.zeros(self.shape))
        self.register_buffer("scale", torch.ones(self.shape))
        self.register_buffer("deviation", torch.ones(self.shape))

    def styles(self, generator: nn.Module, ws: Tensor) -> list[Tensor]:
        """What the layers of `generator` make of ws (B, R, w_dim): k tensors (B, width)."""
        return [generator.get_submodule(layer.name)(ws[:, layer.row]) for layer in self.layers]

    def pack(self, styles: Sequence[Tensor]) -> Tensor:
        """k styles (B, width) -> rows (B, k, d), short ones filled up with ones."""
        self._check([style.shape[1] for style in styles])
        packed = styles[0].new_full((len(styles[0]), *self.shape), PADDING)
        for i, style in enumerate(styles):
            packed[:, i, : style.shape[1]] = style
        return packed

    def unpack(self, packed: Tensor) -> list[Tensor]:
        """Rows (B, k, d) -> k styles (B, width)."""
        if tuple(packed.shape[1:]) != self.shape:
            raise ValueError(
                f"expected rows of shape (B, {self.shape[0]}, {self.shape[1]}), "
                f"given {tuple(packed.shape)}"
            )
        return [packed[:, i, : layer.width] for i, layer in enumerate(self.layers)]

    def encode(self, styles: Sequence[Tensor]) -> Tensor:
        """k styles (B, width) -> latents (B, k, d) of zero mean and unit variance."""
        return (self.pack(styles) - self.mean) / self.scale

    def decode(self, x: Tensor) -> list[Tensor]:
        """Latents (B, k, d) -> k styles (B, width)."""
        return self.unpack(x * self.scale + self.mean)

    @torch.no_grad()
    def fit(self, packed: Tensor) -> StyleSpace:
        """Set the statistics from rows (N, k, d); what never varies keeps its scale."""
        self.mean.copy_(packed.mean(0))
        deviation = packed.std(0)
        varies = deviation > 1e-6
        self.scale.copy_(torch.where(varies, deviation, 1.0))
        self.deviation.copy_(varies)
        return self

    def call(
        self, generator: nn.Module, method: str, styles: Sequence[Tensor], *args, **kwargs
    ) -> Any:
        """generator.method(*args, **kwargs), its layers answering with the styles of one head.

        The ws among the arguments then only say how many rows there are.
        """
        if len(styles[0]) != 1:
            raise ValueError(f"expected the styles of one head, given {len(styles[0])}")
        self._check([style.shape[1] for style in styles])
        replaced: dict[str, Tensor] = {}
        for layer, style in zip(self.layers, styles, strict=True):
            module = generator.get_submodule(layer.name)
            name = f"generator.{layer.name}"
            replaced[f"{name}.weight"] = torch.zeros_like(module.weight)
            replaced[f"{name}.bias"] = style[0] / getattr(module, "bias_gain", 1.0)
        return functional_call(_Method(generator, method), replaced, args, kwargs)

    def _check(self, widths: list[int]) -> None:
        expected = [layer.width for layer in self.layers]
        if widths != expected:
            raise ValueError(f"expected styles of widths {expected}, given {widths}")


class _Method(nn.Module):
    """One method of a generator as a module's forward, which functional calls need."""

    def __init__(self, generator: nn.Module, method: str):
        super().__init__()
        self.generator, self.method = generator, method

    def forward(self, *args, **kwargs) -> Any:
        """generator.method(*args, **kwargs)."""
        return getattr(self.generator, self.method)(*args, **kwargs)


def style_layers(network: nn.Module, prefix: str, first_row: int) -> list[StyleLayer]:
    """Layers of the blocks b4, b8... of a synthesis network at `prefix` of a generator.

    A block takes its rows from 2 log2(r) - 5 on (0 for b4): conv0, conv1 and toRGB, of which the
    last is also the next block's first.
    """
    layers = []
    for name, block in network.named_children():
        if not name.startswith("b") or not name[1:].isdigit():
            continue
        row = first_row + max(0, 2 * (int(name[1:]).bit_length() - 1) - 5)
        for part in ("conv0", "conv1", "torgb"):
            if hasattr(block, part):
                affine = getattr(block, part).affine
                width = affine.weight.shape[0]
                layers.append(StyleLayer(f"{prefix}{name}.{part}.affine", row, width))
                row += 1
    return layers
