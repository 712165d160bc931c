"""Where accessories sit on a fitted head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .eyes import eyeball
from .template import PART_LEFT_EYE, PART_RIGHT_EYE, Template

# Canonical positions (m) on the average head.
LOBES = np.array([[0.094, 0.083, -0.052], [-0.094, 0.083, -0.052]])
BRIDGE = np.array([0.0, -0.034, -0.004])


@dataclass(frozen=True)
class AccessoryAnchors:
    """Places on one head in metres; pairs are the subject's left, then right.

    eye_centres (2, 3), eye_radius; bridge (3,) of the nose; lobes (2, 3) of the ears; temple is
    half the width of the head in front of the ears.
    """

    eye_centres: np.ndarray
    eye_radius: float
    bridge: np.ndarray
    lobes: np.ndarray
    temple: float

    @classmethod
    def of(cls, template: Template, cage: np.ndarray) -> AccessoryAnchors:
        """Measure the anchors on a fitted cage (V, 3)."""
        surface = template.surface(cage)
        canonical = template.surface_canonical
        left, right = (eyeball(template, cage, p) for p in (PART_LEFT_EYE, PART_RIGHT_EYE))

        def place(position: np.ndarray) -> np.ndarray:
            return surface[np.linalg.norm(canonical - position, axis=1).argmin()]

        _, y, z = canonical.T
        beside = (np.abs(z - 0.008) < 0.012) & (y > -0.01) & (y < 0.075)
        return cls(
            eye_centres=np.stack([left.centre, right.centre]),
            eye_radius=0.5 * (left.radius + right.radius),
            bridge=place(BRIDGE),
            lobes=np.stack([place(lobe) for lobe in LOBES]),
            temple=float(np.abs(surface[beside, 0]).max()),
        )
