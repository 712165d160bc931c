"""The losses of the baseline: AvatarMMC optimises a GAN's latent with several, after the paper.

Masked L1, features of the face network (where the paper's kind of work uses LPIPS), cross-entropy
of labels, attributes, landmarks, and distance from the latents' mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..conditions.conditions import NUM_LABELS, Conditions
from ..generator.generator import Generator
from ..generator.mapping import HeadValues
from ..perception.framing import SIZE
from ..perception.network import FaceNetwork
from ..synthetic.labels import LABEL_INDEX
from .attribute_loss import AttributeLoss
from .lighting import lit
from .picture import Picture
from .visible import Camera

_SCALES = (1, 4)  # labels are compared as they are, and by their shares of larger squares
_FLOOR = 0.02  # share that every class has in the cross-entropy
_SEEN = 0.5
# hats, necklaces and clothes: no head of the generator has them, they only hide it
_WORN = tuple(LABEL_INDEX[name] for name in ("hat", "neck_l", "cloth"))
_WORN_SHARE = 0.2


@dataclass(frozen=True)
class LossWeights:
    """Weight of each loss; pixels, features, labels and attributes as the spec suggests."""

    pixels: float = 1.0
    features: float = 0.8
    labels: float = 0.5
    attributes: float = 0.5
    landmarks: float = 2.0
    prior: float = 3e-4


@dataclass(frozen=True)
class Target:
    """Conditions of one head, the camera they are seen from, and landmarks (68, 2) if known."""

    conditions: Conditions
    camera: Camera
    landmarks: Tensor | None = None

    def __post_init__(self) -> None:
        if len(self.conditions) != 1:
            raise ValueError(f"expected conditions of one head, given {len(self.conditions)}")


class Losses:
    """All losses of one target, compared at `size` pixels a side.

    Without a face network there is no loss of features.
    """

    def __init__(
        self,
        target: Target,
        generator: Generator,
        weights: LossWeights,
        size: int,
        network: FaceNetwork | None = None,
    ):
        self.weights, self.landmarks, self.network = weights, target.landmarks, network
        conditions = target.conditions
        self.attributes = AttributeLoss(conditions, generator)
        self.image, self.shares = None, None
        if bool(conditions.given("image")):
            self.image = _resize(conditions.image, size)[0]
            self.image_mask = (_resize(conditions.image_mask, size)[0] > 0.99).float()
        if bool(conditions.given("labels")):
            one_hot = F.one_hot(conditions.labels, NUM_LABELS).movedim(-1, 1).float()
            self.shares = _resize(one_hot, size)[0]
            self.worn = self.shares[list(_WORN)].sum(0, keepdim=True) > _WORN_SHARE
            mask = (_resize(conditions.labels_mask, size)[0] > 0.99) & ~self.worn
            self.labels_mask = mask.float()

    def __call__(
        self, latent: Tensor, centre: Tensor, read: HeadValues, picture: Picture | None
    ) -> dict[str, Tensor]:
        """Weighted losses of a head: its latent (1, k, d), the latent it should stay near to, what
        is read off it, and its picture (None where nothing asked is seen)."""
        found = {"prior": (latent - centre).square().sum()}
        if self.attributes.names:
            found["attributes"] = self.attributes(read)
        if picture is not None:
            found |= self._seen(picture)
        return {name: getattr(self.weights, name) * value for name, value in found.items()}

    @property
    def needs_picture(self) -> bool:
        """Whether anything is asked that only a picture can show."""
        return self.image is not None or self.shares is not None or self.landmarks is not None

    def _seen(self, picture: Picture) -> dict[str, Tensor]:
        found = {}
        if self.shares is not None:
            found["labels"] = self._label_loss(picture)
        if self.image is not None:
            mask = self.image_mask * (picture.coverage.detach() > _SEEN)
            if self.shares is not None:  # what the photo shows beside the head is not the head
                beside = (self.shares[:1] >= _SEEN) & (self.labels_mask > _SEEN)
                mask = mask * ~(beside | self.worn)
            color = lit(picture.color, picture.normal, self.image, mask)
            away = (color - self.image).abs() * mask
            found["pixels"] = away.sum() / (3 * mask.sum()).clamp_min(1)
            if self.network is not None:
                found["features"] = self._feature_loss(color, mask)
        if self.landmarks is not None:
            away = (picture.landmarks - self.landmarks).abs()
            weight = torch.ones_like(away)
            weight[:17] = 0.3  # the jaw's slide along the outline
            found["landmarks"] = (weight * away).mean()
        return found

    def _label_loss(self, picture: Picture) -> Tensor:
        """Cross-entropy of the labels seen against those asked, above that of a perfect answer."""
        total = picture.labels.new_zeros(())
        mask = self.labels_mask
        for scale in _SCALES:
            own, asked, given = (
                F.avg_pool2d(x, scale) for x in (picture.labels, self.shares, mask)
            )
            entropy = -(asked * (own + _FLOOR).log()).sum(0) + (asked * (asked + _FLOOR).log()).sum(
                0
            )
            total = total + (entropy * given[0]).sum() / given.sum().clamp_min(1)
        return total / len(_SCALES)

    def _feature_loss(self, color: Tensor, mask: Tensor) -> Tensor:
        """Distance of the face network's features, the photo where the head is not."""
        own = self.image + mask * (color - self.image)
        both = torch.stack([own, self.image])
        both = F.interpolate(both, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
        features = self.network.backbone(4 * both - 2)
        total = color.new_zeros(())
        for level in (features.half, features.quarter, features.eighth):
            unit = F.normalize(level, dim=1)
            total = total + (unit[0] - unit[1].detach()).abs().sum(0).mean()
        return total / 3


def _resize(x: Tensor, size: int) -> Tensor:
    """Means of squares: (B, C, S, S) -> (B, C, size, size)."""
    return F.adaptive_avg_pool2d(x, size)
