"""Gaussian z -> style rows `ws`, and the values a head's parts need read back off the rows."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Mapping(nn.Module):
    """Derived values of z -> w: a linear skip plus a small network, repeated over the rows.

    The closed form of z (colours, hair parameters, amounts) is the first stage of the mapping: a
    network fed with those learns far faster than one fed with raw z.  The linear skip keeps every
    value recoverable from w, see `Readout`.
    """

    def __init__(self, in_features: int, w_dim: int, num_ws: int):
        super().__init__()
        self.num_ws = num_ws
        self.skip = nn.Linear(in_features, w_dim)
        self.hidden = nn.Linear(in_features, w_dim)
        self.out = nn.Linear(w_dim, w_dim)
        nn.init.orthogonal_(self.skip.weight)

    def forward(self, derived: Tensor) -> Tensor:
        """derived (B, in_features) -> ws (B, num_ws, w_dim)."""
        w = self.skip(derived) + self.out(F.silu(self.hidden(derived)))
        return w[:, None, :].expand(-1, self.num_ws, -1)


@dataclass(frozen=True)
class HeadValues:
    """What is read off a latent beside its field: betas (B, 64) and appearance values (B, K)."""

    betas: Tensor
    values: Tensor


class Readout(nn.Module):
    """Last style row -> guide-mesh shape and the derived values that parts and palettes need.

    It makes any latent, sampled or edited, carry its own mesh guidance, iris colour, glasses...
    """

    def __init__(self, w_dim: int, num_betas: int, num_values: int, width: int = 384):
        super().__init__()
        self.num_betas = num_betas
        self.linear = nn.Linear(w_dim, num_betas + num_values)
        self.hidden = nn.Linear(w_dim, width)
        self.out = nn.Linear(width, num_betas + num_values)
        nn.init.normal_(self.out.weight, 0.0, 0.01)

    def forward(self, ws: Tensor) -> HeadValues:
        """ws (B, num_ws, w_dim) -> HeadValues."""
        w = ws[:, -1]
        out = self.linear(w) + self.out(F.silu(self.hidden(w)))
        return HeadValues(betas=out[:, : self.num_betas], values=out[:, self.num_betas :])


def scale_latents(z: Tensor, truncation: float) -> Tensor:
    """Truncation: z (B, D) drawn towards the average head; 1 leaves it, 0 gives the average.

    Done in z, before the closed form, since a mixture of, say, two hair styles in w is no head
    (the truncation trick of Brock et al. 2019 in Karras et al.'s w acts after the mapping).
    """
    return z * truncation if truncation != 1.0 else torch.clone(z)
