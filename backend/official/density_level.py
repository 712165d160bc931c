"""At which raw density a generator's head begins, from its values on a coarse lattice."""

from __future__ import annotations

import torch
from torch import Tensor

PREFERRED = 10.0  # what the public programs extract shapes at
# Share of the box that a head may fill: less is dust, more is fog.
FILLED = (0.02, 0.6)
TRIMMED = 0.01  # of the values at either end, which may be extreme
BINS = 256


def choose_level(density: Tensor) -> float:
    """Return the raw density to extract the surface at, from values of any shape in the box.

    The public programs' level where it gives a head; otherwise the threshold that separates the
    values best (Otsu 1979), for generators whose densities have another scale.  Raises ValueError
    if the density is not finite or the same everywhere.
    """
    values = density.flatten().float().cpu()
    if not torch.isfinite(values).all():
        raise ValueError("the generator's density is not finite; the checkpoint may be damaged")
    if _filled(values, PREFERRED):
        return PREFERRED
    low, high = torch.quantile(values, values.new_tensor([TRIMMED, 1.0 - TRIMMED])).tolist()
    if high - low < 1e-6:
        raise ValueError(
            f"the generator's density is {low:.3g} everywhere, so that there is no surface; "
            "try another seed or a higher truncation"
        )
    level = _otsu(values.clamp(low, high), low, high)
    if not _filled(values, level):  # a threshold that cuts off a few outliers only
        level = torch.quantile(values, 0.75).item()
    return level


def slope_at(density: Tensor, level: float, spacing: float) -> float:
    """Return how fast values (n,n,n) change where they cross `level`, per unit of `spacing`.

    The ninth decile over lattice edges that cross, so that distances come out rather short.
    """
    density = density.float().cpu()
    changes = []
    for axis in range(3):
        size = density.shape[axis] - 1
        low, high = density.narrow(axis, 0, size), density.narrow(axis, 1, size)
        crossing = (low < level) != (high < level)
        changes.append((high - low)[crossing].abs())
    change = torch.cat(changes)
    if not len(change):
        raise ValueError(f"the generator's density never crosses {level:.3g}; try another seed")
    return max(torch.quantile(change, 0.9).item() / spacing, 1e-6)


def _filled(values: Tensor, level: float) -> bool:
    share = (values > level).float().mean().item()
    return FILLED[0] <= share <= FILLED[1]


def _otsu(values: Tensor, low: float, high: float) -> float:
    counts = torch.histc(values, BINS, low, high).double()
    centres = torch.linspace(low, high, BINS + 1, dtype=torch.float64)
    centres = ((centres[1:] + centres[:-1]) / 2.0).to(counts)
    below, weighted = counts.cumsum(0), (counts * centres).cumsum(0)
    above = below[-1] - below
    means = weighted / below.clamp_min(1), (weighted[-1] - weighted) / above.clamp_min(1)
    between = below * above * (means[0] - means[1]) ** 2
    return centres[between.argmax()].item()
