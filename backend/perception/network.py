"""One network that reads faces: labels, landmarks, rotation and identity on a shared trunk."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ..encoders.backbone import Backbone, Decoder
from .landmarks import LandmarkHead, PoseHead
from .parser import ParserHead
from .verification import IdentityHead


@dataclass(frozen=True)
class FaceReadings:
    """Of B photos: label logits (B, 19, S, S), landmarks (B, 68, 2) in units of the side, their
    log heat maps (B, 68, h, w), rotation (B, 3, 3) from head to camera, embedding (B, 128)."""

    logits: Tensor
    landmarks: Tensor
    log_heat: Tensor
    rotation: Tensor
    embedding: Tensor


class FaceNetwork(nn.Module):
    """Photos (B, 3, S, S) sRGB 0..1, cut as `framing` says -> readings."""

    def __init__(self):
        super().__init__()
        self.backbone = Backbone(3)
        self.decoder = Decoder()
        self.parser = ParserHead()
        self.landmarks = LandmarkHead()
        self.pose = PoseHead()
        self.identity = IdentityHead()

    def forward(self, image: Tensor) -> FaceReadings:
        """Read all of B photos in one pass."""
        features = self.backbone(4 * image - 2)
        decoded = self.decoder(features)
        landmarks, log_heat = self.landmarks(decoded)
        return FaceReadings(
            self.parser(decoded, features),
            landmarks,
            log_heat,
            self.pose(features, landmarks),
            self.identity(features),
        )
