"""Latent diffusion: denoiser, condition encoders and the space they work in, as one module."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..conditions.conditions import Conditions
from ..conditions.table import ATTRIBUTES, Attribute
from ..encoders.attributes import AttributeEncoder
from ..encoders.visual import Seen
from ..latent.style_space import StyleSpace
from ..latent.w_space import WSpace
from .denoiser import Context, Denoiser, DenoiserConfig, PreparedContext
from .schedule import alpha_sigma, diffuse, velocity


class LatentDiffusion(nn.Module):
    """Conditions -> tokens, and noisy latents under tokens -> v.

    `visual` is a VisualEncoder, or None for a model of attributes alone; `table` says what the
    attributes are.
    """

    def __init__(
        self,
        space: WSpace | StyleSpace,
        config: DenoiserConfig,
        visual: nn.Module | None = None,
        table: Sequence[Attribute] = ATTRIBUTES,
    ):
        super().__init__()
        if (config.rows, config.row_width) != space.shape:
            raise ValueError(
                f"denoiser of {config.rows} x {config.row_width}, latents {space.shape}"
            )
        self.config, self.space = config, space
        self.denoiser = Denoiser(config)
        self.attributes = AttributeEncoder(config.context_width, table)
        self.visual = visual

    def context(self, conditions: Conditions) -> Context:
        """Tokens and what is known of conditions; computed once a head, not once a step.

        Raises ValueError when a photo or a label map is asked of a model of attributes alone.
        """
        tokens = self.attributes(conditions.attributes, conditions.attributes_given)
        if self.visual is not None:
            seen = self._seen(conditions)
            tokens = torch.cat([seen.tokens, tokens], 1)
            shape = (len(conditions), *self.space.shape)
            mean = seen.mean.view(shape) * self.space.deviation
            return Context(tokens, mean, seen.narrowing.view(shape))
        for modality in ("image", "labels"):
            if conditions.given(modality).any():
                raise ValueError(
                    f"these weights know attributes only and cannot take {modality}; "
                    "use weights that were trained with photos"
                )
        nothing = tokens.new_zeros(len(conditions), *self.space.shape)
        return Context(tokens, nothing, nothing)

    def _seen(self, conditions: Conditions) -> Seen:
        """The encoder sees only heads that have a picture."""
        shown = conditions.given("image") | conditions.given("labels")
        unseen = self.visual.unseen(len(conditions))
        if not shown.any():
            return unseen
        own, index = self.visual(conditions.select(shown)), (shown.nonzero()[:, 0],)
        return Seen(
            unseen.tokens.to(own.tokens.dtype).index_put(index, own.tokens),
            unseen.mean.index_put(index, own.mean),
            unseen.narrowing.index_put(index, own.narrowing),
        )

    def prepare(self, context: Context) -> PreparedContext:
        """Map a context once for many steps."""
        return self.denoiser.prepare(context)

    def forward(self, x: Tensor, t: Tensor, context: Context | PreparedContext) -> Tensor:
        """x_t (B N, k, d), t (B N,), context of B heads -> v (B N, k, d).

        Were the numbers of a latent independent Gaussians, v would be `share` x - sigma mean, with
        x taken about the mean, give or take `spread`: that much is known beforehand, and the
        network predicts the rest in units of it (after Karras et al. 2022, section 5).  Mean and
        deviation are those of all heads, or of the heads that pictures leave possible.
        """
        if isinstance(context, Context):
            context = self.prepare(context)
        alpha, sigma = alpha_sigma(t)
        rows = len(x) // len(context)
        mean = context.mean.repeat_interleave(rows, 0)
        deviation = self.space.deviation * context.narrowing.exp().repeat_interleave(rows, 0)
        variance = deviation.square()
        noisy = alpha.square() * variance + sigma.square()
        share = alpha * sigma * (1 - variance) / noisy
        spread = (variance / noisy).sqrt()
        x = x - alpha * mean
        return share * x - sigma * mean + spread * self.denoiser(x / noisy.sqrt(), t, context)

    def loss(self, clean: Tensor, noise: Tensor, t: Tensor, context: Context) -> Tensor:
        """Squared error of the predicted v per latent, (B N,)."""
        v = self(diffuse(clean, noise, t), t, context)
        return (v - velocity(clean, noise, t)).square().mean((1, 2))

    def guess_loss(self, clean: Tensor, context: Context) -> Tensor:
        """How badly latents (B, k, d) agree with what pictures say of them, (B,): the negative
        logarithm of a Gaussian's likelihood, 0 where nothing is known and 0 is the latent."""
        deviation = self.space.deviation * context.narrowing.exp()
        error = ((clean - context.mean) / deviation).square()
        return (0.5 * error + context.narrowing).mean((1, 2))
