"""Detail fields: fixed functions of the canonical position that carry all fine patterns.

Truth and generator share them: latents (or decoded planes) only modulate their amplitudes, so
that no network has to store lock, curl or freckle patterns in its planes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .cells import CROWN, curls, freckles, scalp_direction
from .curves import (
    azimuth,
    brow_center,
    brow_q,
    ear_clearance,
    hairline,
    lid_lower,
    lid_u,
    lid_upper,
    lip_outline,
)
from .noise import noise_xyz
from .smooth import fall, gauss, polyline, smoothstep

DETAIL_NAMES = (
    # Locks of hair, -1 crevice .. 1 ridge: coarse 17 mm, mid 7 mm, strands 3 mm, per hair flow.
    "whorl_coarse", "whorl_mid", "whorl_strand", "left_coarse", "left_mid", "left_strand",
    "right_coarse", "right_mid", "right_strand", "centre_coarse", "centre_mid", "centre_strand",
    "back_coarse", "back_mid", "back_strand", "tuft",
    # Curls: profiles -1 between .. 1 ridge, winding along the curl, one random value per curl.
    "curl_large", "curl_small", "curl_twist", "curl_tone",
    # Noises: slow (about 150, 50, 20 and 8 mm), irregular hairline, beard strands, brow hairs.
    "slow", "medium", "quick", "fine", "hairline_noise", "beard_coarse", "beard_fine",
    "brow_hairs", "lip_folds", "freckle",
    # Coordinates on the scalp: hairline / 8 mm and / 50 mm, azimuth, ear border, crown, nape.
    "hairline", "hairline_wide", "azimuth", "ear", "crown", "height",
    # Coordinates of lids (u, upper, lower margin), lips (r, line, outlines) and brows.
    "lid_u", "lid_upper", "lid_lower", "lip_r", "lip_line", "lip_upper", "lip_lower",
    "brow_q", "brow_z",
    # Wrinkles, 0..1: strongest at the bottom of the fold.
    "forehead_lines", "crows_feet", "nasolabial", "glabella", "eye_bag", "marionette",
    # Beard region coordinates, positive inside, and where blush goes, 0..1.
    "beard_cheek", "moustache", "chin", "blush",
)  # fmt: skip
DETAIL_INDEX = {name: i for i, name in enumerate(DETAIL_NAMES)}
DETAIL_DIM = len(DETAIL_NAMES)

PARTING_X = 0.034
PARTING_END_Y = 0.125
CURLS_LARGE = 330
CURLS_SMALL = 950
# Lock widths (m) divide a full turn of LOCK_RADIUS: 30, 69 and 160 locks, without a seam.
_COARSE, _MID, _STRAND = 0.0170, 0.0170 * 30 / 69, 0.0170 * 30 / 160
LOCK_RADIUS = 30 * _COARSE / (2.0 * math.pi)


def column(detail: Tensor, name: str) -> Tensor:
    """Return the detail field `name` (...) out of `detail` (..., DETAIL_DIM)."""
    return detail[..., DETAIL_INDEX[name]]


def detail_fields(p: Tensor) -> Tensor:
    """Return the detail fields (..., DETAIL_DIM) in [-1, 1] at canonical points `p` (..., 3), m.

    The result is a view of field-major memory: taking a column is contiguous.
    """
    x, y, z = (c.contiguous() for c in p.unbind(-1))
    ax = x.abs()
    fields = _noises(p, x, y, z, ax)
    fields.update(_locks(x, y, z, fields))
    fields.update(_curls(p, fields))
    fields.update(_scalp(x, y, z, ax))
    front = fall(y, 0.010, 0.034)
    fields.update(_features(x, z, ax, front))
    fields.update(_wrinkles(x, y, z, ax, front))
    fields.update(beard_regions(x, y, z, ax))
    stacked = torch.stack([fields[name] for name in DETAIL_NAMES]).clamp_(-1.0, 1.0)
    return stacked.movedim(0, -1)


def _noises(p: Tensor, x: Tensor, y: Tensor, z: Tensor, ax: Tensor) -> dict[str, Tensor]:
    """Return the noise patterns."""
    long_z = 0.28 * z  # strands of a beard run downwards
    beard_coarse = noise_xyz(x, y, long_z, 2.0, 620.0)
    face = gauss(z + 0.028, 0.026) * gauss(ax - 0.02, 0.045) * fall(y, 0.01, 0.03)
    quick = noise_xyz(x, y, z, 0.7, 230.0)
    fine = noise_xyz(x, y, z, 1.9, 520.0)
    return {
        "slow": noise_xyz(x, y, z, 0.4, 38.0),
        "medium": noise_xyz(x, y, z, 2.4, 110.0),
        "quick": quick,
        "fine": fine,
        "hairline_noise": 0.6 * quick + 0.4 * fine,
        "beard_coarse": beard_coarse,
        "beard_fine": noise_xyz(x, y, long_z + 0.002 * beard_coarse, 3.3, 1250.0),
        "brow_hairs": torch.sin(1900.0 * (ax - 0.55 * z) + 2.0 * fine),
        "lip_folds": torch.sin(2100.0 * x + 1.5 * fine) * gauss(z + 0.083, 0.014),
        "freckle": freckles(p) * face,
    }


def _lock(a: Tensor, width: float, warp: Tensor) -> Tensor:
    """Return ridges of `width` m in the across coordinate `a` (m), -1 crevice .. 1 ridge."""
    return 2.0 * torch.sin(a * (math.pi / width) + warp).abs().pow(0.75) - 1.0


def _parted(dx: Tensor, y: Tensor) -> Tensor:
    """Return the coordinate (m) across hair that falls to both sides of a parting at dx = 0.

    Behind the parting's end the hair radiates from that end, as from a whorl.
    """
    behind = (y - PARTING_END_Y).clamp(min=0.0)
    turn = torch.atan2(behind, dx.abs() + 0.004)
    return torch.minimum(y, torch.full_like(y, PARTING_END_Y)) + 0.11 * turn - 0.35 * dx.abs()


def _locks(x: Tensor, y: Tensor, z: Tensor, fields: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the lock patterns of all hair flows, from coordinates across the strands."""
    slow, medium, fine = fields["slow"], fields["medium"], fields["fine"]
    dx, dy = x - CROWN[0], CROWN[1] - y
    # Locks radiate from the whorl; they fork 85 mm away from it to keep their width.
    angle = torch.atan2(dx, dy)
    radius = torch.sqrt(dx * dx + dy * dy + 1e-9)
    fork = smoothstep(radius, 0.085, 0.11)
    around = LOCK_RADIUS * angle
    sweep = -0.25 * (0.12 - z)
    flows = {
        "left": _parted(x - PARTING_X, y) + sweep,
        "right": _parted(x + PARTING_X, y) + sweep,
        "centre": _parted(x, y) + sweep,
        "back": LOCK_RADIUS * torch.atan2(x, z - 0.03),
    }
    coarse_warp = 1.1 * slow + 0.35 * medium
    mid_warp = 1.1 * slow + 0.70 * medium
    strand_warp = 2.0 * slow + 1.4 * medium + 0.5 * fine
    out = {}
    for name, a in flows.items():
        out[f"{name}_coarse"] = _lock(a, _COARSE, coarse_warp)
        out[f"{name}_mid"] = _lock(a, _MID, mid_warp)
        out[f"{name}_strand"] = _lock(a, _STRAND, strand_warp)
    for scale, width, warp in (
        ("coarse", _COARSE, coarse_warp),
        ("mid", _MID, mid_warp),
        ("strand", _STRAND, strand_warp),
    ):
        near = _lock(around, width, warp)
        out[f"whorl_{scale}"] = near + (_lock(2.0 * around, width, warp) - near) * fork
    # Choppy tufts: short locks that start and end along the fall of the hair.
    steps = torch.sin(radius * 190.0 + 2.2 * torch.sin(9.0 * angle + slow) + 2.0 * medium)
    across = torch.sin(2.0 * around * (math.pi / 0.012) + 2.2 * slow + 1.3 * medium)
    out["tuft"] = 0.55 * (2.0 * across.abs() - 1.0) + 0.45 * steps
    return out


def _curls(p: Tensor, fields: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the curl patterns on noise-warped scalp directions."""
    warp = torch.stack([fields["quick"], fields["medium"], fields["slow"]], -1)
    unit = scalp_direction(p + 0.0026 * warp)
    large, _, tone = curls(unit, CURLS_LARGE, 3)
    small, twist, _ = curls(unit, CURLS_SMALL, 4)
    return {
        "curl_large": 2.0 * large - 1.0,
        "curl_small": 2.0 * small - 1.0,
        "curl_twist": twist,
        "curl_tone": tone,
    }


def _scalp(x: Tensor, y: Tensor, z: Tensor, ax: Tensor) -> dict[str, Tensor]:
    """Return coordinates on the scalp."""
    az = azimuth(x, y)
    over = z - hairline(az)
    return {
        "hairline": over / 0.008,
        "hairline_wide": over / 0.050,
        "azimuth": az * (2.0 / math.pi) - 1.0,
        "ear": ear_clearance(ax, y, z) / 0.010,
        "crown": (z - 0.10 * y - 0.068) / 0.030,
        "height": (z + 0.10 * (y - 0.07) - 0.065) / 0.060,
    }


def _features(x: Tensor, z: Tensor, ax: Tensor, front: Tensor) -> dict[str, Tensor]:
    """Return coordinates of lids, lips and brows, windowed to zero away from them, and blush."""
    u = lid_u(ax)
    near_lids = front * fall(u.abs(), 1.4, 2.2) * fall((z + 0.001).abs(), 0.012, 0.020)
    r, line, upper, lower = lip_outline(x)
    near_lips = front * fall(ax, 0.034, 0.044) * fall((z + 0.083).abs(), 0.020, 0.032)
    q = brow_q(ax)
    over_brow = z - brow_center(q)
    near_brows = front * fall(over_brow.abs(), 0.010, 0.020) * fall((q - 0.5).abs(), 0.65, 0.9)
    outer = ax - 0.055
    return {
        "blush": front * gauss(torch.hypot(outer / 1.4, z + 0.036 + 0.35 * outer), 0.017),
        "lid_u": (0.8 * u).clamp(-1, 1) * near_lids,
        "lid_upper": ((z - lid_upper(u)) / 0.002).clamp(-1, 1) * near_lids,
        "lid_lower": ((z - lid_lower(u)) / 0.002).clamp(-1, 1) * near_lids,
        "lip_r": (2.0 * r - 1.0) * near_lips,
        "lip_line": ((z - line) / 0.004).clamp(-1, 1) * near_lips,
        "lip_upper": ((upper - z) / 0.003).clamp(-1, 1) * near_lips,
        "lip_lower": ((z - lower) / 0.003).clamp(-1, 1) * near_lips,
        "brow_q": (2.0 * q - 1.0).clamp(-1, 1) * near_brows,
        "brow_z": (over_brow / 0.005).clamp(-1, 1) * near_brows,
    }


def _wrinkles(x: Tensor, y: Tensor, z: Tensor, ax: Tensor, front: Tensor) -> dict[str, Tensor]:
    """Return the wrinkle patterns (0..1, 1 at the bottom of a fold)."""
    t = ((-0.040 - z) / 0.042).clamp(0.0, 1.0)
    fold_x = 0.0225 + 0.017 * t.pow(0.9)
    nasolabial = gauss(ax - fold_x, 0.0035) * smoothstep(-z, 0.036, 0.046)
    nasolabial = nasolabial * smoothstep(z, -0.090, -0.078)
    forehead = gauss(ax, 0.045) * smoothstep(z, 0.034, 0.042) * fall(z, 0.072, 0.082)
    lines = 0.5 + 0.5 * torch.cos((z + 0.0025 * torch.cos(70.0 * ax)) * (2 * math.pi / 0.0115))
    crow = gauss(ax - 0.064, 0.008) * gauss(z, 0.016) * fall(y, 0.036, 0.044)
    rays = (z - 0.25 * (ax - 0.064) * torch.tanh(z * 400.0)) * (2.0 * math.pi / 0.0068)
    rays = 0.5 + 0.5 * torch.cos(rays)
    marionette = gauss(ax - 0.0365 - 0.08 * (-0.09 - z), 0.003)
    marionette = marionette * smoothstep(-z, 0.088, 0.094) * smoothstep(z, -0.118, -0.102)
    bag = gauss(z + 0.0145 + 0.05 * (ax - 0.036), 0.0035) * gauss(ax - 0.036, 0.014)
    return {
        "forehead_lines": front * forehead * lines * lines * lines,
        "crows_feet": crow * rays * rays * rays,
        "nasolabial": front * nasolabial,
        "glabella": front * gauss(ax - 0.0055, 0.0022) * gauss(z - 0.022, 0.008),
        "eye_bag": front * bag,
        "marionette": front * marionette,
    }


CHEEK_LINE_X = (0.0, 0.030, 0.042, 0.055, 0.068, 0.076, 0.081, 0.086)
CHEEK_LINE_Z = (-0.098, -0.089, -0.075, -0.061, -0.040, -0.016, 0.010, 0.020)


def beard_regions(x: Tensor, y: Tensor, z: Tensor, ax: Tensor) -> dict[str, Tensor]:
    """Return beard coordinates in [-1, 1], positive inside: full / 16 mm, others / 6 mm."""
    cheek = polyline(ax, CHEEK_LINE_X, CHEEK_LINE_Z) - z
    throat = z - 0.12 * y.clamp(min=0.0) + 0.140
    # In front of the ear the beard narrows to a strip that meets the sideburn.
    behind = (0.070 - y) * 1.4
    full = torch.minimum(torch.minimum(cheek, throat), behind)
    out = (ax - 0.012).clamp(min=0.0)
    upper = -0.0590 - 0.30 * out - z
    lower = z + 0.0735 + 0.25 * (ax - 0.018).clamp(min=0.0)
    moustache = torch.minimum(torch.minimum(upper, lower), 0.6 * (0.0385 - ax))
    moustache = moustache - 0.2 * (y + 0.002).clamp(min=0.0)
    disc = torch.minimum(0.6 * (0.030 - ax), torch.minimum(-0.1020 - z, 0.6 * (z + 0.146)))
    strip = torch.minimum(0.0075 - (ax - 0.0345).abs(), torch.minimum(-0.069 - z, z + 0.120))
    soul = torch.minimum(0.0065 - ax, 0.0055 - (z + 0.1015).abs())
    chin = torch.maximum(torch.maximum(disc, strip), soul) - 0.5 * (y - 0.002).clamp(min=0.0)
    return {
        "beard_cheek": (full / 0.016).clamp(-1, 1),
        "moustache": (moustache / 0.006).clamp(-1, 1),
        "chin": (chin / 0.006).clamp(-1, 1),
    }
