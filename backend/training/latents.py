"""Training latents: Gaussian heads with rare features drawn more often than chance would."""

import torch
from torch import Tensor

from ..synthetic.latent import APPEARANCE_INDEX, LATENT_LIMIT, STYLE_DIRECTIONS, STYLE_SLICE
from ..synthetic.styles import STYLE_NAMES

# share of heads for which a feature that is rare among Gaussian latents is switched on
_BOOSTS = {
    "freckles": 0.25,
    "blush": 0.25,
    "full": 0.15,
    "age": 0.15,
    "lipstick": 0.15,
    "beard_len": 0.15,
}
_STYLE_SHARE = 0.7
HANGING_STYLES = ("bob", "long", "long wavy", "ponytail", "bun")


def sample_training_latents(count: int, rng: torch.Generator) -> Tensor:
    """Latents (count, D): Gaussian, with hair styles drawn evenly and rare features boosted."""
    z = torch.randn(count, max(APPEARANCE_INDEX.values()) + 1, generator=rng)
    even = torch.rand(count, generator=rng) < _STYLE_SHARE
    share = torch.tensor([2.0 if name in HANGING_STYLES else 1.0 for name in STYLE_NAMES])
    style = torch.multinomial(share, count, True, generator=rng)
    jitter = 0.35 * torch.randn(count, STYLE_DIRECTIONS.shape[1], generator=rng)
    z[even, STYLE_SLICE] = (2.4 * STYLE_DIRECTIONS[style] + jitter)[even]
    for name, share in _BOOSTS.items():
        chosen = torch.rand(count, generator=rng) < share
        z[chosen, APPEARANCE_INDEX[name]] = 1.0 + torch.rand(int(chosen.sum()), generator=rng)
    beard = ("beard", "must", "goatee", "full")
    bearded = torch.rand(count, generator=rng) < 0.12
    for name in beard:
        z[bearded, APPEARANCE_INDEX[name]] = 0.4 + torch.rand(int(bearded.sum()), generator=rng)
    return z.clamp(-LATENT_LIMIT, LATENT_LIMIT)
