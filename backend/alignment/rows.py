"""Which numbers of a latent hold which parts of a head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..latent.w_space import WSpace


def numbers_of(space: WSpace, parts: Sequence[str]) -> Tensor:
    """Places (n,) of the numbers of a flattened latent whose rows have these names."""
    width = space.shape[1]
    rows = [row for row, name in enumerate(space.row_names) if name in parts]
    return torch.tensor([row * width + i for row in rows for i in range(width)])
