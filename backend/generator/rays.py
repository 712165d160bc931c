"""Rays against boxes and signed distances."""

from collections.abc import Callable

import torch
from torch import Tensor

_HIT = 0.0004  # metres


def box_range(
    origin: Tensor, direction: Tensor, low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor]:
    """Where rays (M, 3) enter and leave the box low..high (3,); near >= far for a miss."""
    slope = torch.where(direction.abs() < 1e-9, torch.full_like(direction, 1e-9), direction)
    one, other = (low - origin) / slope, (high - origin) / slope
    near = torch.minimum(one, other).amax(-1).clamp_min(0)
    return near, torch.maximum(one, other).amin(-1)


def sphere_trace(
    distance: Callable[[Tensor], Tensor],
    origin: Tensor,
    direction: Tensor,
    near: Tensor,
    far: Tensor,
    steps: int,
    scale: float = 0.9,
) -> Tensor:
    """Distance (M,) along rays (M, 3) to where `distance` (N, 3) -> (N,) ends, infinite for a miss.

    near and far (M,) bound each ray; `scale` below 1 makes up for distances that are too long
    (Hart 1996).
    """
    found = torch.full_like(near, torch.inf)
    running = (near < far).nonzero()[:, 0]
    depth = near[running]
    for _ in range(steps):
        if len(running) == 0:
            break
        value = distance(origin[running] + depth[:, None] * direction[running])
        hit = value < _HIT
        found[running[hit]] = depth[hit]
        depth = depth + scale * value.clamp_min(_HIT)
        going = ~hit & (depth < far[running])
        running, depth = running[going], depth[going]
    return found
