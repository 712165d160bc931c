"""Latent diffusion: denoiser, condition encoders and the space they work in, as one module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..conditions.conditions import Conditions
from ..encoders.attributes import AttributeEncoder
from ..latent.w_space import WSpace
from .denoiser import Denoiser, DenoiserConfig, PreparedContext
from .schedule import alpha_sigma, diffuse, velocity


class LatentDiffusion(nn.Module):
    """Conditions -> tokens, and noisy latents under tokens -> v.

    `visual` is a VisualEncoder, or None for a model of attributes alone.
    """

    def __init__(self, space: WSpace, config: DenoiserConfig, visual: nn.Module | None = None):
        super().__init__()
        if (config.rows, config.row_width) != space.shape:
            raise ValueError(
                f"denoiser of {config.rows} x {config.row_width}, latents {space.shape}"
            )
        self.config, self.space = config, space
        self.denoiser = Denoiser(config)
        self.attributes = AttributeEncoder(config.context_width)
        self.visual = visual

    def context(self, conditions: Conditions) -> Tensor:
        """Tokens (B, T, context_width) of conditions; computed once a head, not once a step.

        Raises ValueError when a photo or a label map is asked of a model of attributes alone.
        """
        tokens = self.attributes(conditions.attributes, conditions.attributes_given)
        if self.visual is not None:
            return torch.cat([self._visual_tokens(conditions), tokens], 1)
        for modality in ("image", "labels"):
            if conditions.given(modality).any():
                raise ValueError(
                    f"these weights know attributes only and cannot take {modality}; "
                    "use weights that were trained with photos"
                )
        return tokens

    def _visual_tokens(self, conditions: Conditions) -> Tensor:
        """The encoder sees only heads that have a picture; all others share its null tokens."""
        shown = conditions.given("image") | conditions.given("labels")
        tokens = self.visual(Conditions.none(len(conditions), conditions.attributes.device))
        if not shown.any():
            return tokens
        own = self.visual(conditions.select(shown))
        return tokens.index_put((shown.nonzero()[:, 0],), own)

    def forward(self, x: Tensor, t: Tensor, context: Tensor | PreparedContext) -> Tensor:
        """x_t (B N, k, d), t (B N,), tokens (B, T, context_width), as they are or as the denoiser
        prepared them -> v (B N, k, d).

        Were the numbers of a latent independent Gaussians of the space's deviations, v would be
        `share` x give or take `spread`: that much is known beforehand, and the network predicts
        the rest in units of it (after Karras et al. 2022, section 5).
        """
        alpha, sigma = alpha_sigma(t)
        variance = self.space.deviation.square()
        noisy = alpha.square() * variance + sigma.square()
        share = alpha * sigma * (1 - variance) / noisy
        spread = (variance / noisy).sqrt()
        return share * x + spread * self.denoiser(x / noisy.sqrt(), t, context)

    def loss(self, clean: Tensor, noise: Tensor, t: Tensor, context: Tensor) -> Tensor:
        """Squared error of the predicted v per latent, (B N,), under tokens (B, T, C)."""
        v = self(diffuse(clean, noise, t), t, context)
        return (v - velocity(clean, noise, t)).square().mean((1, 2))
