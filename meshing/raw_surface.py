"""The surface of a field as a part of its own, for inspection."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from .head_part import normalized_weights
from .rigged_head import Material, Part


def raw_part(surface, head: Part, color: np.ndarray) -> Part:
    """The field's surface as it is, skinned like the nearest head vertices; color (3,) sRGB."""
    _, nearest = cKDTree(head.vertices).query(surface.vertices)
    return Part(
        name="Raw Surface",
        vertices=np.asarray(surface.vertices, np.float32),
        faces=np.asarray(surface.faces, np.int32),
        uvs=None,
        material_index=np.zeros(len(surface.faces), np.int32),
        materials=(Material("Raw Surface", tuple(float(c) for c in color)),),
        weights=normalized_weights(head.weights[nearest]),
    )
