"""Losses of the direct 3D supervision: offsets, slopes, colours, labels, hanging hair, read-out."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..generator.generator import VOLUME_RANGE, SurfaceSample
from ..generator.mapping import HeadValues
from ..synthetic.labels import LABELS

MILLIMETRE = 1e-3
# classes that are small on the head and large in the picture
_FINE = ("eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "mouth", "u_lip", "l_lip")


def label_weights() -> Tensor:
    """Colour weight of each label class (L,): three for the fine features of the face."""
    return torch.tensor([3.0 if name in _FINE else 1.0 for name in LABELS])


def offset_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """Mean error of skin-to-surface offsets (..., ) in mm, relaxed where hair is thick."""
    error = (predicted - true).abs() / MILLIMETRE
    return (error / (1 + 0.12 * true.abs() / MILLIMETRE)).mean()


def slope_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """Mean error of offset differences between neighbours (B, N, 2) in mm: bumps and waviness."""
    difference = (predicted - true)[..., 0] - (predicted - true)[..., 1]
    scale = 1 + 0.12 * true.abs().mean(-1) / MILLIMETRE
    return (difference.abs() / MILLIMETRE / scale).mean()


def color_loss(predicted: Tensor, true: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Label-weighted L1 of colours (..., 3)."""
    weight = weights[labels]
    return ((predicted - true).abs().mean(-1) * weight).sum() / weight.sum()


def surface_losses(
    sample: SurfaceSample, offset: Tensor, color: Tensor, labels: Tensor, weights: Tensor
) -> dict[str, Tensor]:
    """Losses of the surface branch; predictions and truths flat (B, 2 N), pairs adjacent."""
    paired = (len(offset), -1, 2)
    logits = sample.logits.reshape(-1, sample.logits.shape[-1])
    return {
        "offset": offset_loss(sample.offset, offset),
        "slope": slope_loss(sample.offset.reshape(paired), offset.reshape(paired)),
        "color": color_loss(sample.color, color, labels, weights),
        "label": F.cross_entropy(logits, labels.reshape(-1)),
    }


def volume_losses(
    sdf: Tensor, shade: Tensor, true_sdf: Tensor, true_shade: Tensor
) -> dict[str, Tensor]:
    """Losses of the volume branch (B, M): distance near the surface in mm, shade on it.

    Heads without hanging hair take no part: the read-out tells that they have none.
    """
    limit = 0.6 * VOLUME_RANGE
    hanging = (true_sdf.amin(1, keepdim=True) < limit).to(sdf.dtype).expand_as(sdf)
    target = true_sdf.clamp(-limit, limit)
    near = torch.exp(-true_sdf.abs() / 0.008) * hanging
    # beyond the range only the side matters
    error = torch.where(true_sdf > limit, F.relu(target - sdf), (sdf - target).abs())
    error = (0.10 * hanging + near) * error / MILLIMETRE
    return {
        "volume": error.sum() / (hanging.sum() + 1.0),
        "shade": ((shade - true_shade).abs() * near).sum() / (near.sum() + 1.0),
    }


def readout_losses(read: HeadValues, betas: Tensor, values: Tensor) -> dict[str, Tensor]:
    """Mean squared errors of the values read back off the latent."""
    return {
        "betas": (read.betas - betas).square().mean(),
        "values": (read.values - values).square().mean(),
    }
