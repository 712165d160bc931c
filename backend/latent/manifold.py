"""Puts latents back where heads are: all of a latent follows from what the read-outs tell of it.

The bundled generator makes its style rows of 64 shape coefficients and 62 derived values and reads
them off again, so its heads are a surface of 126 dimensions in W's 256.  Off that surface planes
still make something, but nothing that was trained: ragged hair, patches of other colours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..generator.generator import Generator
from ..generator.mapping import HeadValues
from ..synthetic.latent import derive, sample_latents
from .w_space import WSpace

_HEADS, _SEED = 4000, 5


class Manifold:
    """The heads of one generator in its latent space; low and high (K,) are the lowest and highest
    that heads have of each derived value."""

    @torch.no_grad()
    def __init__(self, generator: Generator, space: WSpace):
        self.generator, self.space = generator, space
        model = generator.model
        drawn = derive(sample_latents(_HEADS, _SEED).to(model.device), model).vector()
        self.low, self.high = drawn.amin(0), drawn.amax(0)

    @torch.no_grad()
    def __call__(self, latents: Tensor) -> Tensor:
        """Latents (B, k, d) of heads with the same coefficients, and the same values as far as
        heads have such."""
        read = self.generator.readout(self.space.decode(latents))
        values = HeadValues(read.betas, read.values.clamp(self.low, self.high))
        return self.space.encode(self.generator.style_rows(values))
