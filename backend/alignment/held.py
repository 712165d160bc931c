"""What is kept of a head that is brought into line with a map: the numbers that were asked for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..conditions.attributes import ATTRIBUTE_BY_NAME
from ..conditions.edited_values import edited_columns
from ..conditions.measure import shape_slope
from ..conditions.table import SHAPE_MAP
from ..generator.mapping import HeadValues
from ..latent.manifold import Manifold

_SHAPE = 0.5  # of a change of the shape's attributes is taken back: the map says more of them


class Held:
    """Puts latents back on the manifold with values of the attributes `names` as at the `start`
    (1, k, d), and their shape half as far from it.

    Choices are not kept: a style of hair is asked for by its name, and drawn by the map.
    """

    @torch.no_grad()
    def __init__(self, manifold: Manifold, start: Tensor, names: Sequence[str]):
        numbers = [name for name in names if not ATTRIBUTE_BY_NAME[name].choices]
        self.manifold = manifold
        self.start = manifold.generator.readout(manifold.space.decode(start))
        self.columns = edited_columns(numbers).to(start.device)
        model = manifold.generator.model
        slopes = [shape_slope(name, model) for name in numbers if name in SHAPE_MAP]
        self.slopes = (
            torch.stack(slopes) if slopes else start.new_zeros(0, len(self.start.betas[0]))
        )

    @torch.no_grad()
    def __call__(self, latent: Tensor) -> Tensor:
        """Latent (1, k, d) with what is kept as it was."""
        space, generator = self.manifold.space, self.manifold.generator
        read = generator.readout(space.decode(latent))
        values = torch.where(self.columns, self.start.values, read.values)
        change = read.betas - self.start.betas
        asked = change @ self.slopes.T @ torch.linalg.pinv(self.slopes).T
        change = change - _SHAPE * asked
        kept = HeadValues(self.start.betas + change, values)
        return self.manifold(space.encode(generator.style_rows(kept)))
