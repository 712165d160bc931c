"""Earrings: a small gold ball on each lobe."""

from __future__ import annotations

import numpy as np

from .accessory import HeadDistance, distance_gradient, rigid_part
from .anchors import AccessoryAnchors
from .geometry import normalize
from .part_values import PartValues
from .rigged_head import Material, Part
from .sweep import join, sphere

RADIUS = 0.0042  # m
OFFSET = np.array([0.004, -0.002, -0.003])  # outwards, then y and z, from the lobe
# The ball's centre lies this share of its radius off the skin: it touches, as on a short post.
STAND_OFF = 0.9
COLOR = (0.85, 0.66, 0.32)


def build_earrings(
    values: PartValues, anchors: AccessoryAnchors, head_distance: HeadDistance
) -> Part | None:
    """Return both studs as a rigid part, or None for a head without earrings.

    `head_distance` maps points (N, 3) to signed distances (N,) from the bare head, metres.
    """
    if values.ear <= 0.5:
        return None
    outwards = np.sign(anchors.lobes[:, :1])
    centres = anchors.lobes + OFFSET * np.concatenate([outwards, np.ones((2, 2))], axis=1)
    for _ in range(3):
        # Along the skin's normal, so that a stud neither floats nor sinks into the lobe.
        normal = normalize(distance_gradient(centres, head_distance))
        centres += (STAND_OFF * RADIUS - head_distance(centres))[:, None] * normal
    gold = Material("Gold", COLOR, roughness=0.22, specular=0.8)
    return rigid_part("Earrings", join([sphere(centre, RADIUS) for centre in centres]), gold)
