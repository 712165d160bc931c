"""The light of a photo, from the colours and normals of the head that is fitted to it.

Irradiance is a polynomial of second order in the normal (Ramamoorthi and Hanrahan 2001), found by
least squares for each colour channel; a pull to plain white light keeps dark skin dark.
"""

from __future__ import annotations

import torch
from torch import Tensor

_GAMMA = 2.2
_PULL = 0.02  # of the number of pixels: weight of the pull to white light
_DARKEST = 0.02


def lit(color: Tensor, normal: Tensor, photo: Tensor, mask: Tensor) -> Tensor:
    """Colours (3, S, S) under the light of a photo (3, S, S) where mask (1, S, S) is 1.

    The light is found anew at each call and has no gradient: it is explained, not followed.
    """
    with torch.no_grad():
        light = _irradiance(color.detach(), normal, photo, mask)
    bright = color.clamp(1e-3, 1) ** _GAMMA * light
    return bright.clamp(1e-4, 1) ** (1 / _GAMMA)


def _irradiance(color: Tensor, normal: Tensor, photo: Tensor, mask: Tensor) -> Tensor:
    """Irradiance (3, S, S) at all pixels; 1 is white light at which colours look as they are."""
    basis = _basis(normal.flatten(1).T)
    own = mask.flatten() > 0.5
    albedo, seen = (image.flatten(1).T.clamp(0, 1) ** _GAMMA for image in (color, photo))
    channels = []
    for channel in range(3):
        rows = basis[own] * albedo[own, channel, None]
        pull = _PULL * own.sum().clamp_min(1) * albedo[own, channel].square().mean().clamp_min(1e-4)
        system = rows.T @ rows + pull * torch.eye(basis.shape[1], device=basis.device)
        white = torch.zeros_like(basis[0])
        white[0] = 1
        found = torch.linalg.solve(system, rows.T @ seen[own, channel] + pull * white)
        channels.append(basis @ found)
    light = torch.stack(channels).nan_to_num(1.0).clamp_min(_DARKEST)
    return light.view_as(color)


def _basis(normal: Tensor) -> Tensor:
    """Polynomials (M, 9) of normals (M, 3), the first one 1."""
    x, y, z = normal.unbind(-1)
    one = torch.ones_like(x)
    terms = [one, x, y, z, x * y, y * z, x * z, x * x - y * y, 3 * z * z - 1]
    return torch.stack(terms, -1)
