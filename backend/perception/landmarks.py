"""68 landmarks and the head's rotation from a photo."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..encoders.backbone import DECODER_WIDTH, WIDTHS, Features, convolve
from .framing import LANDMARKS

_POSE_WIDTH = 96
_DISTANCE = 30.0  # weight of distances in units of the side beside the heat's entropy
_JAW = 17  # landmarks, the first
_SPREAD = 0.035  # of the side: deviation of the heat map that is asked for


class LandmarkHead(nn.Module):
    """A heat map for each landmark; its mean is the place (Nibali et al. 2018, DSNT)."""

    def __init__(self):
        super().__init__()
        self.join = convolve(DECODER_WIDTH, DECODER_WIDTH)
        self.out = nn.Conv2d(DECODER_WIDTH, LANDMARKS, 1)

    def forward(self, decoded: Tensor) -> tuple[Tensor, Tensor]:
        """decoded (B, C, h, w) -> places (B, 68, 2) in units of the side, log heat maps
        (B, 68, h, w)."""
        logits = self.out(self.join(decoded)).float()
        log_heat = F.log_softmax(logits.flatten(2), 2).view_as(logits)
        heat = log_heat.exp()
        y, x = (_centres(n, logits) for n in logits.shape[2:])
        places = torch.stack([(heat.sum(2) * x).sum(2), (heat.sum(3) * y).sum(2)], -1)
        return places, log_heat


class PoseHead(nn.Module):
    """The landmarks' shape and the deepest features -> rotation from head's axes to camera's."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(2 * LANDMARKS + WIDTHS[3] * 4, _POSE_WIDTH)
        self.out = nn.Linear(_POSE_WIDTH, 6)
        nn.init.normal_(self.out.weight, 0.0, 0.01)
        with torch.no_grad():  # a face seen from the front: right is -x, down is -z
            self.out.bias.copy_(torch.tensor([1.0, 0, 0, 0, 0, -1.0]))

    def forward(self, features: Features, landmarks: Tensor) -> Tensor:
        """Features, landmarks (B, 68, 2) -> rotations (B, 3, 3)."""
        pooled = F.adaptive_avg_pool2d(features.sixteenth, 2).flatten(1).float()
        centred = landmarks.detach() - landmarks.detach().mean(1, keepdim=True)
        size = centred.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-4)
        known = torch.cat([(centred / size).flatten(1), pooled], 1)
        return rotation_of(self.out(F.silu(self.hidden(known))))


def rotation_of(values: Tensor) -> Tensor:
    """Rotations (B, 3, 3) of any values (B, 6): their first two rows (Zhou et al. 2019)."""
    first = F.normalize(values[:, :3], dim=-1)
    second = values[:, 3:] - (first * values[:, 3:]).sum(-1, keepdim=True) * first
    second = F.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], 1)


def angles(rotation: Tensor) -> Tensor:
    """Yaw, pitch and roll (B, 3) in degrees of rotations (B, 3, 3) from head to camera.

    As `orbit_camera` counts them: 0 looks at the face, +yaw sees more of the subject's left,
    +pitch sees it from above, +roll turns the head clockwise in the picture.
    """
    forward = rotation[:, 2]  # the camera's axis in the head's: row 2
    yaw = torch.atan2(-forward[:, 0], forward[:, 1])
    pitch = torch.asin((-forward[:, 2]).clamp(-1, 1))
    up = -rotation[:, :, 2]  # the head's up in camera axes, x right and y down
    roll = torch.atan2(-up[:, 0], up[:, 1])
    return torch.rad2deg(torch.stack([yaw, pitch, roll], -1))


def uncertainty(log_heat: Tensor) -> Tensor:
    """Mean entropy (B,) of log heat maps (B, 68, h, w), without those of the jaw, which hair and
    clothes hide: exp of it is the number of cells in which a landmark may lie."""
    inner = log_heat[:, _JAW:]
    return -(inner.exp() * inner).sum((2, 3)).mean(1)


def landmark_loss(places: Tensor, log_heat: Tensor, truth: Tensor, seen: Tensor) -> Tensor:
    """The heat's shape, which teaches first, and the distance; hidden landmarks count less."""
    inside = ((truth > 0) & (truth < 1)).all(-1).float()
    weight = inside * (0.3 + 0.7 * seen.float())
    distance = (places - truth).norm(dim=-1)
    distance = (weight * distance).sum() / weight.sum().clamp_min(1)
    y, x = (_centres(n, places) for n in log_heat.shape[2:])
    away = (x - truth[..., :1]).square()[:, :, None, :] + (y - truth[..., 1:]).square()[..., None]
    wanted = torch.softmax((-0.5 * away / _SPREAD**2).flatten(2), 2).view_as(log_heat)
    cross = -(wanted * log_heat).sum((2, 3))
    return _DISTANCE * distance + (weight * cross).sum() / weight.sum().clamp_min(1)


def rotation_error(rotation: Tensor, truth: Tensor) -> Tensor:
    """Angle (B,) in degrees between rotations (B, 3, 3)."""
    trace = (rotation * truth).sum((1, 2))
    return torch.acos(((trace - 1) / 2).clamp(-1, 1)) * (180 / math.pi)


def _centres(count: int, like: Tensor) -> Tensor:
    return (torch.arange(count, device=like.device, dtype=like.dtype) + 0.5) / count
