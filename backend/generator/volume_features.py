"""Fixed strand patterns of hanging hair, given to the volume branch as inputs.

Locks are thinner than a texel of the planes; like the detail fields of the scalp they are known
functions with fixed phase, here of the point itself, so that the network learns amplitudes only.
Waves shift the locks, so the patterns are given for no, half and full waves.
"""

import torch
from torch import Tensor

from ..synthetic.hair_volume import AXIS_Y, hanging_locks
from ..synthetic.smooth import smoothstep

_WAVES = (0.0, 0.5, 1.0)
_TAIL_Y = 0.235  # axis of a ponytail on the average head
_BUN = (0.0, 0.155, 0.122)
NUM_VOLUME_FEATURES = 20


def volume_features(q: Tensor) -> Tensor:
    """Patterns at points q (..., 3) in metres -> (..., NUM_VOLUME_FEATURES), about [-1, 1]."""
    x, y, z = q.unbind(-1)
    azimuth = torch.atan2(x, y - AXIS_Y)
    wave = torch.sin(62.0 * z + 1.5 * torch.sin(3.0 * azimuth)) * smoothstep(-z, -0.03, 0.08)
    out = [wave, torch.sin(azimuth), torch.cos(azimuth)]
    out += [torch.sin(2 * azimuth), torch.cos(2 * azimuth)]
    for amount in _WAVES:
        lock, strand = hanging_locks(azimuth, z, 0.16 * amount * wave)
        out += [2 * lock - 1, strand]
    radius = torch.sqrt(x * x + (y - AXIS_Y).square() + 1e-8)
    around_tail = torch.atan2(x, y - _TAIL_Y)
    bun = q - q.new_tensor(_BUN)
    bun_radius = bun.norm(dim=-1)
    around_bun = torch.atan2(bun[..., 0], bun[..., 2])
    out += [8 * radius - 1, 8 * x.abs() - 0.5, (20 * bun_radius - 1).clamp(-1, 1)]
    out += [2 * torch.sin(4 * around_tail + 10 * z).abs() - 1]
    out += [2 * torch.sin(2.5 * around_bun + 60 * bun_radius).abs() - 1]
    out += [torch.sin(20 * z), torch.cos(20 * z), torch.sin(60 * z), torch.cos(60 * z)]
    return torch.stack(out, -1)
