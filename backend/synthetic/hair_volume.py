"""Long hair, ponytail and bun as volumes in space."""

from __future__ import annotations

import torch
from torch import Tensor

from .latent import HeadMeasures
from .params import HeadParams
from .smooth import gauss, smooth_max, smooth_min, smoothstep

FAR = 0.5
AXIS_Y = 0.075
# Ponytail: offsets (m) from the knot at the back of the head and radii (m) along the tail.
TAIL_POINTS = (
    (0.0, 0.0, 0.0),
    (0.0, 0.026, 0.008),
    (0.0, 0.046, -0.030),
    (0.0, 0.044, -0.080),
    (0.0, 0.036, -0.125),
    (0.0, 0.026, -0.168),
)
TAIL_RADII = (0.0150, 0.0230, 0.0300, 0.0290, 0.0215, 0.0050)


def hair_volume(q: Tensor, params: HeadParams, measures: HeadMeasures) -> tuple[Tensor, Tensor]:
    """Return the distance (m, approximate) to hair volumes and their shade (B, N).

    `q` (B, N, 3) are points of the model frame. Heads without volumes return 0.5 m.
    """
    distance = torch.full_like(q[..., 0], FAR)
    shade = torch.ones_like(distance)
    for name, volume in (("long", _long_hair), ("tail", _ponytail), ("bun", _bun)):
        amount = getattr(params, name)
        on = torch.nonzero(amount > 0.05)[:, 0]
        if len(on) == 0:
            continue
        d, s = volume(q[on], params.select(on), measures.select(on))
        # Between styles a volume shrinks away into the head.
        d = d + 0.04 * (1.0 - amount[on])[:, None]
        old = distance[on]
        shade[on] = torch.where(d < old, s, shade[on])
        distance[on] = smooth_min(d, old, 0.005)
    return distance, shade


def _lock(a: Tensor) -> Tensor:
    """Return the ridge profile 0 (crevice) .. 1 of phase `a` (radians)."""
    return torch.sqrt(torch.sin(a).abs() + 1e-4)


def _long_hair(q: Tensor, params: HeadParams, m: HeadMeasures) -> tuple[Tensor, Tensor]:
    """Return a shell that hangs from the crown to the hem, open at the face."""
    hw, yb, zt, ew = (v[:, None] for v in (m.hw, m.yb, m.zt, m.ew))
    side, top, zend, vol, wave = (
        v[:, None] for v in (params.side, params.top, params.zend, params.vol, params.wave)
    )
    x, y, z = q.unbind(-1)
    back = y - AXIS_Y
    az = torch.atan2(x, back)
    rise = ((z - 0.02) / (zt + top - 0.02)).clamp(0.0, 0.995)
    dome = torch.sqrt(1.0 - rise * rise)
    low = smoothstep((-0.03 - z) / (-0.03 - zend), 0.0, 1.0)
    # Radii: fuller below the ears with volume, drawn in at the ends (bob) or on the shoulders.
    puff = smoothstep(-z, -0.09, 0.03)
    rx = hw + 0.3 * side + 0.006 + 0.016 * vol * puff
    # Wide enough for the ears.
    rx = smooth_max(rx, (ew + 0.004) * smoothstep(-z, -0.110, 0.0), 0.012)
    rx = rx * (1.0 - 0.16 * low * (1.2 - vol)) * dome
    ry = (yb - AXIS_Y + 0.006 + 0.008 * vol * smoothstep(-z, -0.05, 0.05) - 0.030 * low) * dome
    lock, strand, sway = hanging_locks(q, wave)
    safe_x, safe_y = rx.clamp(min=1e-3), ry.clamp(min=1e-3)
    radial = torch.sqrt((x / safe_x) ** 2 + (back / safe_y) ** 2 + 1e-9)
    outer = (radial - 1.0) * torch.minimum(rx, ry).clamp(max=0.11)
    outer = outer - 0.0046 * (lock - 0.5) * (0.5 + 0.9 * low) - 0.024 * sway
    # A shell: thick on the head, thinning towards the ends.
    thickness = 0.036 - 0.014 * low
    shell = (outer + 0.5 * thickness).abs() - 0.5 * thickness
    return _trim(q, shell, lock, az, params), 0.50 + 0.44 * lock + 0.075 * strand


def hanging_locks(q: Tensor, wave: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return lock profile (0..1), strands (-1..1) and sway of hanging hair at `q` (B, N, 3).

    `wave` (B, 1) is how far waves push the locks sideways.
    """
    x, y, z = q.unbind(-1)
    az = torch.atan2(x, y - AXIS_Y)
    bend = wave * smoothstep(-z, -0.03, 0.08)
    sway = 0.16 * bend * torch.sin(62.0 * z + 1.5 * torch.sin(3.0 * az))
    drift = 0.12 * torch.sin(23.0 * z + 2.0 * az) + 0.08 * torch.sin(41.0 * z - 3.0 * az)
    across = 9.0 * az + 6.0 * sway + drift
    wide = _lock(across + 0.9 * torch.sin(2.3 * az) + 0.7 * torch.sin(5.3 * az + 1.0))
    narrow = _lock(
        2.3 * across + 1.1 + 1.3 * torch.sin(4.1 * az) + 0.8 * torch.sin(18.0 * z + 6.0 * az)
    )
    strand = torch.sin(11.0 * across + 2.5 * torch.sin(7.0 * az) + 9.0 * drift)
    strand = strand * (0.6 + 0.4 * torch.sin(14.0 * az + 15.0 * z))
    return 0.62 * wide + 0.38 * narrow, strand, sway


def _trim(q: Tensor, shell: Tensor, lock: Tensor, az: Tensor, params: HeadParams) -> Tensor:
    """Cut the shell at the face and at the hem; locks end at different heights."""
    x, y, z = q.unbind(-1)
    zend = params.zend[:, None]
    long_hem = smoothstep(-zend, 0.13, 0.17)
    forward = (0.008 + 0.022 * long_hem) * smoothstep(-z, 0.06, 0.15)
    face = 0.028 + 0.018 * smoothstep(-z, -0.05, 0.02) - forward
    face = face - 0.22 * (x.abs() - 0.09).clamp(min=0.0)
    ends = 0.5 + 0.3 * torch.sin(7.0 * az + 0.5) + 0.2 * torch.sin(16.0 * az)
    uneven = (1.0 - lock) * (0.004 + 0.006 * long_hem) + ends * (0.002 + 0.011 * long_hem)
    hem = zend + uneven + 0.010 * torch.cos(2.0 * az) ** 2
    hem = hem + 0.12 * (y - 0.07) * (1.0 - long_hem)
    d = smooth_max(shell, face - y, 0.022)
    d = smooth_max(d, hem - z, 0.014)
    return smooth_max(d, z - 0.118, 0.030)


def tail_coordinates(q: Tensor, m: HeadMeasures) -> Tensor:
    """Return `q` (B, N, 3) relative to the knot of a ponytail (m)."""
    knot = torch.zeros(len(q), 1, 3).to(q)
    knot[:, 0, 1] = m.yb - 0.014
    knot[:, 0, 2] = 0.070
    return q - knot


def tail_locks(local: Tensor) -> tuple[Tensor, Tensor]:
    """Return lock profile (0..1) and strands (-1..1) of a ponytail at `tail_coordinates`."""
    x, y, z = local.unbind(-1)
    angle = torch.atan2(x, y - 0.030)
    lock = _lock(4.0 * angle + 10.0 * z + 0.5 * torch.sin(30.0 * z))
    return lock, torch.sin(23.0 * angle + 40.0 * z)


def bun_coordinates(q: Tensor, m: HeadMeasures) -> Tensor:
    """Return `q` (B, N, 3) relative to the centre of a bun, its axes made equal (m)."""
    centre = torch.zeros(len(q), 1, 3).to(q)
    centre[:, 0, 1] = m.yb - 0.046
    centre[:, 0, 2] = 0.124
    return (q - centre) / q.new_tensor([1.1, 0.92, 1.0])


def bun_locks(local: Tensor) -> tuple[Tensor, Tensor]:
    """Return lock profile (0..1) and strands (-1..1) of a bun at `bun_coordinates`."""
    angle = torch.atan2(local[..., 0], local[..., 2])
    spiral = 2.5 * angle + 60.0 * local.norm(dim=-1) + 0.9 * torch.sin(angle)
    spiral = spiral + 28.0 * local[..., 1]
    return _lock(spiral), torch.sin(5.0 * spiral)


def _ponytail(q: Tensor, params: HeadParams, m: HeadMeasures) -> tuple[Tensor, Tensor]:
    """Return a tail of tapered capsules that hangs from the back of the head."""
    local = tail_coordinates(q, m)
    points = q.new_tensor(TAIL_POINTS)
    distance, travel = torch.full_like(q[..., 0], FAR), torch.zeros_like(q[..., 0])
    for i in range(len(points) - 1):
        axis = points[i + 1] - points[i]
        gap = local - points[i]
        t = ((gap @ axis) / (axis @ axis)).clamp(0.0, 1.0)
        radius = TAIL_RADII[i] + (TAIL_RADII[i + 1] - TAIL_RADII[i]) * t
        d = (gap - t[..., None] * axis).norm(dim=-1) - radius
        travel = torch.where(d < distance, t + i, travel)
        distance = smooth_min(d, distance, 0.012)
    lock, strand = tail_locks(local)
    # A tie: the tail is pinched behind the knot.
    tie = gauss(travel - 0.55, 0.22)
    distance = distance - 0.0028 * (lock - 0.5) + 0.004 * tie
    return distance, (0.42 + 0.52 * lock + 0.09 * strand) * (1.0 - 0.45 * tie)


def _bun(q: Tensor, params: HeadParams, m: HeadMeasures) -> tuple[Tensor, Tensor]:
    """Return a ball of wound locks at the back of the crown."""
    local = bun_coordinates(q, m)
    lock, strand = bun_locks(local)
    distance = local.norm(dim=-1) - 0.036 - 0.0030 * (lock - 0.5)
    return distance, 0.42 + 0.52 * lock + 0.08 * strand
