"""FLAME with the landmarks by which Next3D finds the mouth."""

from __future__ import annotations

import numpy as np

from ..checkpoints.flame_file import FlameArrays
from ..checkpoints.landmarks_file import LandmarkEmbedding
from .flame import FlameModel


def flame_with_landmarks(arrays: FlameArrays, landmarks: LandmarkEmbedding | None) -> FlameModel:
    """Return the model of a file's arrays with the landmarks of a head that looks ahead."""
    if landmarks is None:
        return FlameModel.from_file(arrays)
    # the contour of a head that looks ahead, then brows, nose, eyes and mouth
    return FlameModel.from_file(
        arrays,
        np.concatenate([landmarks.dynamic_faces[0], landmarks.static_faces]),
        np.concatenate([landmarks.dynamic_weights[0], landmarks.static_weights]),
    )
