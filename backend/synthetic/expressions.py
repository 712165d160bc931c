"""Random facial expressions for training and evaluation."""

from __future__ import annotations

import torch
from torch import Tensor

from ..head_model.arkit import EXPRESSIONS

NEUTRAL_SHARE = 0.35
# Shapes with a left and a right form: how often they take part, in non-neutral faces.
PAIRED = {
    "eyeBlink": 0.45,
    "mouthSmile": 0.32,
    "browDown": 0.15,
    "browOuterUp": 0.15,
    "eyeWide": 0.10,
    "eyeSquint": 0.15,
    "cheekSquint": 0.10,
    "mouthFrown": 0.12,
    "mouthStretch": 0.08,
    "mouthUpperUp": 0.12,
    "mouthLowerDown": 0.14,
    "noseSneer": 0.10,
    "mouthPress": 0.06,
    "mouthDimple": 0.06,
}
SINGLE = {
    "browInnerUp": 0.20,
    "mouthPucker": 0.12,
    "mouthFunnel": 0.10,
    "jawLeft": 0.06,
    "jawRight": 0.06,
    "jawForward": 0.05,
    "cheekPuff": 0.08,
    "mouthLeft": 0.05,
    "mouthRight": 0.05,
    "mouthRollLower": 0.05,
    "mouthRollUpper": 0.05,
    "mouthShrugUpper": 0.05,
    "mouthShrugLower": 0.05,
}
JAW_SHARE, JAW_RANGE = 0.50, 0.70
TONGUE_SHARE = 0.15  # of the open mouths
GAZE_SHARE, GAZE_RANGE = 0.40, 0.90
ONE_SIDED_SHARE = 0.12


def sample_expressions(n: int, seed: int) -> Tensor:
    """ARKit weights (n, 52) in 0..1: about a third neutral, jaw and lids moving in half the rest.

    Pairs move together with a little asymmetry, now and then on one side only.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = torch.zeros(n, len(EXPRESSIONS))

    def uniform() -> Tensor:
        return torch.rand(n, generator=generator)

    def put(name: str, amount: Tensor) -> None:
        weights[:, EXPRESSIONS.index(name)] = amount

    for name, share in PAIRED.items():
        amount = uniform() * (uniform() < share)
        for side in ("Left", "Right"):
            jitter = 0.08 * torch.randn(n, generator=generator) * (amount > 0)
            put(name + side, (amount + jitter).clamp(0, 1) * (uniform() > ONE_SIDED_SHARE))
    for name, share in SINGLE.items():
        put(name, uniform() * (uniform() < share))
    jaw = JAW_RANGE * uniform() ** 1.3 * (uniform() < JAW_SHARE)
    put("jawOpen", jaw)
    put("tongueOut", uniform() * (uniform() < TONGUE_SHARE) * (jaw > 0.25))
    looking = GAZE_RANGE * (uniform() < GAZE_SHARE)
    sideways, upwards = (2 * uniform() - 1) * looking, (2 * uniform() - 1) * looking
    for name, amount in _gaze(sideways, upwards).items():
        put(name, amount)
    weights[uniform() < NEUTRAL_SHARE] = 0
    return weights


def _gaze(left: Tensor, up: Tensor) -> dict[str, Tensor]:
    """Look shapes of both eyes for a gaze to the subject's left and up, each (n,) in -1..1."""
    return {
        "eyeLookOutLeft": left.clamp(min=0),
        "eyeLookInRight": left.clamp(min=0),
        "eyeLookInLeft": (-left).clamp(min=0),
        "eyeLookOutRight": (-left).clamp(min=0),
        "eyeLookUpLeft": up.clamp(min=0),
        "eyeLookUpRight": up.clamp(min=0),
        "eyeLookDownLeft": (-up).clamp(min=0),
        "eyeLookDownRight": (-up).clamp(min=0),
    }
