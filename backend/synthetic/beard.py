"""Beard as thickness, cover, stubble and shade over the skin."""

from __future__ import annotations

import torch
from torch import Tensor

from .detail import column
from .params import HeadParams
from .smooth import fall, smoothstep


def beard(
    p: Tensor, detail: Tensor, params: HeadParams, lips: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return thickness (m), cover, stubble and shade (B, N) of the beard at `p` (B, N, 3).

    `detail` is detail_fields(p), `lips` (B, N) the lip cover, which stays free. Stubble tints
    the skin; cover mixes `params.hair * shade` over it (shade about 0.6..1.2).
    """
    _, y, z = p.unbind(-1)
    coarse, fine = column(detail, "beard_coarse"), column(detail, "beard_fine")
    strand = (0.5 + 0.34 * coarse + 0.24 * fine).clamp(0.0, 1.0)
    # Strands and slow noise break the borders, so that they read as hair and not as paint.
    broken = 0.30 * coarse + 0.16 * fine + 0.25 * column(detail, "quick")
    full_c = column(detail, "beard_cheek") + 0.38 * broken
    moustache_c = column(detail, "moustache") + 0.42 * broken
    chin_c = column(detail, "chin") + 0.42 * broken
    b_mu, b_go, b_fu = (v[:, None] for v in (params.b_mu, params.b_go, params.b_fu))
    moustache = torch.maximum(b_mu, 0.9 * torch.maximum(b_go, b_fu))
    moustache = moustache * smoothstep(moustache_c, -0.25, 0.60)
    chin = torch.maximum(b_go, b_fu) * smoothstep(chin_c, -0.25, 0.60)
    full = b_fu * smoothstep(full_c, -0.20, 0.85)
    free = 1.0 - lips
    cover = torch.maximum(torch.maximum(moustache, chin), full) * free
    # Thickness tapers to the borders and grows towards the chin.
    core = torch.maximum(
        moustache * smoothstep(moustache_c, 0.0, 1.0),
        torch.maximum(chin * smoothstep(chin_c, 0.0, 1.0), full * smoothstep(full_c, 0.0, 1.1)),
    )
    grown = b_fu * smoothstep(-z, 0.10, 0.135) + 0.35
    length = 0.0010 + params.b_len[:, None] * grown * fall(y, 0.005, 0.07)
    thickness = core * free * length * (0.60 + 0.70 * strand)
    stubble = params.b_st[:, None] * _stubble(detail, moustache_c, chin_c) * free
    shade = 0.68 + 0.42 * strand + 0.06 * column(detail, "medium")
    density = smoothstep(cover * (0.72 + 0.45 * strand), 0.08, 0.85)
    return thickness, density * (0.82 + 0.14 * strand), stubble, shade


def _stubble(detail: Tensor, moustache: Tensor, chin: Tensor) -> Tensor:
    """Return the stubble tint (0..0.45): soft over the whole beard area, dotted."""
    soft = smoothstep(column(detail, "beard_cheek"), -0.95, 1.0)
    lip = torch.maximum(smoothstep(moustache, -0.8, 0.8), 0.8 * smoothstep(chin, -0.8, 0.8))
    dots = 0.88 + 0.12 * column(detail, "beard_fine")
    return 0.40 * torch.maximum(soft, lip) * dots
