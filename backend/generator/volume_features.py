"""Fixed strand patterns of hanging hair, given to the volume branch as inputs.

Locks are thinner than a texel of the planes; like the detail fields of the scalp they are known
functions with fixed phase, here of the point itself, so that the network learns amplitudes only.
Where tails and buns sit, and how waves push the locks, comes from the head's own read-out.
"""

import torch
from torch import Tensor

from ..synthetic.hair_volume import (
    AXIS_Y,
    bun_coordinates,
    bun_locks,
    hanging_locks,
    tail_coordinates,
    tail_locks,
)
from ..synthetic.latent import HeadMeasures

NUM_VOLUME_FEATURES = 24
# The box (metres) that holds all hanging hair; the branch is trained inside and cut off outside.
HAIR_BOX = ((-0.17, -0.07, -0.225), (0.17, 0.31, 0.235))


def volume_features(q: Tensor, measures: HeadMeasures, wave: Tensor) -> Tensor:
    """Patterns at points q (B, N, 3) in metres -> (B, N, NUM_VOLUME_FEATURES), about [-1, 1].

    measures: sizes of the heads' meshes; wave (B,): how wavy the hair is.
    """
    x, y, z = q.unbind(-1)
    width, back, top, ears = (
        v[:, None] for v in (measures.hw, measures.yb, measures.zt, measures.ew)
    )
    azimuth = torch.atan2(x, y - AXIS_Y)
    lock, strand, sway = hanging_locks(q, wave[:, None])
    across, along = x / width, (y - AXIS_Y) / (back - AXIS_Y)
    out = [torch.sin(azimuth), torch.cos(azimuth), torch.cos(2 * azimuth), torch.sin(7 * azimuth)]
    out += [2 * lock - 1, strand, 5 * sway, across, along, (z - top) * 5, (x.abs() - ears) * 20]
    out += [torch.sqrt(across.square() + along.square() + 1e-6) - 1]
    tail, bun = tail_coordinates(q, measures), bun_coordinates(q, measures)
    for local, locks in ((tail, tail_locks(tail)), (bun, bun_locks(bun))):
        near = (15 * local).clamp(-1, 1)
        out += [2 * locks[0] - 1, locks[1], *near.unbind(-1)]
        out += [(20 * local.norm(dim=-1) - 1).clamp(-1, 1)]
    return torch.stack(out, -1)


def hair_box_distance(q: Tensor) -> Tensor:
    """Signed distance (...,) of points q (..., 3) to `HAIR_BOX`, metres, negative inside."""
    low, high = q.new_tensor(HAIR_BOX)
    beyond = torch.maximum(low - q, q - high)
    return beyond.clamp_min(0).norm(dim=-1) + beyond.amax(-1).clamp_max(0)
