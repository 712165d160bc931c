"""Supervised descent: what the difference of two label maps says about that of their heads.

Xiong and De la Torre 2013: the direction in which features change is learned once, for each step of
its own, instead of derived for each head.  The features are sums over classes (`encoders.layout`),
which change smoothly; the difference alone is used, so a head whose map is the one asked for stays
what it is.  Rows of a latent that no map shows (colours, the beard) are left alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..encoders.layout import GRID, PLACES, class_places
from ..encoders.visual import NUM_LABELS

SHOWN = ("shape", "eyes", "hair", "accessories")  # rows of the latent that maps show
LEARNED = 2  # rounds with a learned step; in later ones outlines alone are followed
FARTHEST = 4.0  # deviations that a difference counts as
TURNS = 3  # powers of the camera's yaw that directions depend on, the first one 0
_YAW = 0.5  # radians, about the deviation of training cameras
_RIDGE = 0.1  # times the number of samples


def map_features(labels: Tensor, given: Tensor) -> Tensor:
    """Features (B, F) of label maps (B, S, S), pixels where given (B, 1, S, S) is 0 left out."""
    kept = F.one_hot(labels.long(), NUM_LABELS).movedim(-1, 1).to(given) * given
    shares = F.adaptive_avg_pool2d(kept, GRID)
    return torch.cat([class_places(kept).flatten(1), shares.flatten(1)], 1)


@dataclass(frozen=True)
class Descent:
    """Learned steps: which of the features are used (F,) bool, one over their deviations (f,), for
    each of n steps slopes (n, TURNS f, numbers) of a latent's numbers in the rows SHOWN."""

    used: Tensor
    scale: Tensor
    slopes: Tensor

    def __len__(self) -> int:
        return len(self.slopes)

    def fits(self) -> bool:
        """Whether the shapes agree with each other, and with the features and rounds there are."""
        count = int(self.used.sum())
        features = NUM_LABELS * (PLACES + GRID**2)
        return (
            self.used.shape == (features,)
            and self.scale.shape == (count,)
            and self.slopes.ndim == 3
            and self.slopes.shape[:2] == (LEARNED, TURNS * count)
        )

    def step(self, number: int, difference: Tensor, cam2world: Tensor) -> Tensor:
        """How heads' latents differ from those wanted, (B, numbers), by the difference (B, F) of
        their maps' features, seen by the same cameras (B, 4, 4)."""
        return self._turned(difference, cam2world) @ self.slopes[number]

    def _turned(self, difference: Tensor, cam2world: Tensor) -> Tensor:
        standard = (difference[:, self.used] * self.scale).clamp(-FARTHEST, FARTHEST)
        return (standard[:, :, None] * _turns(cam2world)[:, None]).flatten(1)

    def to(self, device: torch.device | str) -> Descent:
        """The same on a device."""
        return Descent(**{name: value.to(device) for name, value in vars(self).items()})

    @classmethod
    def begin(cls, differences: Tensor, shown: Tensor, numbers: int) -> Descent:
        """No steps yet; units from differences (N, F) of training maps of which `shown` (N, F)
        says where a feature occurs."""
        used = shown.float().mean(0) > 0.02
        scale = 1 / differences[:, used].std(0).clamp_min(1e-3)
        slopes = scale.new_zeros(0, TURNS * int(used.sum()), numbers)
        return cls(used, scale, slopes)

    def learn(self, differences: Tensor, cam2world: Tensor, errors: Tensor) -> Descent:
        """With one more step: ridge regression of errors (N, numbers) on differences (N, F)."""
        x = self._turned(differences, cam2world).double()
        gram = x.T @ x + _RIDGE * len(x) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        slopes = torch.linalg.solve(gram, x.T @ errors.double()).to(self.slopes)
        return replace(self, slopes=torch.cat([self.slopes, slopes[None]]))


def _turns(cam2world: Tensor) -> Tensor:
    """Powers (B, TURNS) of the yaw of cameras (B, 4, 4), of mean about 0 but for the first."""
    forward = cam2world[:, :3, 2]
    yaw = torch.atan2(-forward[:, 0], forward[:, 1]).clamp(-math.pi / 2, math.pi / 2) / _YAW
    return torch.stack([torch.ones_like(yaw), yaw, yaw.square() - 1], 1)
