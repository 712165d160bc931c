"""FLAME's landmark embedding: where the 68 facial landmarks lie on the triangles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import ArrayRecord
from .errors import CheckpointError, about_file, shown
from .npz_file import is_npz, read_npy, read_npz
from .numeric import to_array
from .released import CONTOUR_LANDMARKS, INNER_LANDMARKS

EXPECTED = "landmark_embedding.npy of the DECA or FLAME project"
ROWS = 79  # turns of the head that the contour is given for
MAX_FACES = 1 << 20

# Array by its names in DECA's file and in others'.
NAMES = {
    "static_faces": ("static_lmk_faces_idx", "lmk_faces_idx", "static_faces"),
    "static_weights": ("static_lmk_bary_coords", "lmk_bary_coords", "static_weights"),
    "dynamic_faces": ("dynamic_lmk_faces_idx", "dynamic_faces"),
    "dynamic_weights": ("dynamic_lmk_bary_coords", "dynamic_weights"),
}


@dataclass(frozen=True)
class LandmarkEmbedding:
    """Triangles and barycentric weights of landmarks.

    51 static ones (brows, nose, eyes, mouth); 17 of the contour for each of 79 turns of the head
    (row 0 is a head that looks ahead).
    """

    static_faces: np.ndarray  # (51,) int64
    static_weights: np.ndarray  # (51, 3) float32
    dynamic_faces: np.ndarray  # (79, 17) int64
    dynamic_weights: np.ndarray  # (79, 17, 3) float32


def read_landmarks(path: Path) -> LandmarkEmbedding:
    """Return the embedding; raise CheckpointError that says what the file is instead."""
    path = Path(path)
    with about_file(path.name, EXPECTED):
        if is_npz(path):
            values = read_npz(path, {name for names in NAMES.values() for name in names})
        else:
            values = _dictionary(read_npy(path))
        return _embedding(values)


def _dictionary(value: Any) -> dict[str, Any]:
    """The dictionary in an array of one object."""
    if isinstance(value, ArrayRecord) and value.is_object and value.shape in ((), (1,)):
        value = value.data[0]
    if type(value) is not dict:
        raise CheckpointError(f"holds {shown(value)}, not a dictionary of landmarks")
    return value


def _embedding(values: dict[str, Any]) -> LandmarkEmbedding:
    static, dynamic = (INNER_LANDMARKS,), (ROWS, CONTOUR_LANDMARKS)
    return LandmarkEmbedding(
        _faces(values, "static_faces", static),
        _weights(values, "static_weights", (*static, 3)),
        _faces(values, "dynamic_faces", dynamic),
        _weights(values, "dynamic_weights", (*dynamic, 3)),
    )


def _faces(values: dict[str, Any], field: str, shape: tuple[int, ...]) -> np.ndarray:
    faces = _shaped(values, field, shape, np.int64)
    if faces.min() < 0 or faces.max() >= MAX_FACES:
        raise CheckpointError(f"has {NAMES[field][0]} that point outside every head")
    return faces


def _weights(values: dict[str, Any], field: str, shape: tuple[int, ...]) -> np.ndarray:
    return _shaped(values, field, shape, np.float32)


def _shaped(values: dict[str, Any], field: str, shape: tuple[int, ...], kind: type) -> np.ndarray:
    name = next((name for name in NAMES[field] if values.get(name) is not None), None)
    if name is None:
        raise CheckpointError(f"lacks {NAMES[field][0]}")
    array = to_array(values[name], name, kind)
    squeezed = array[0] if array.shape == (1, *shape) else array
    if squeezed.shape != shape:
        raise CheckpointError(f"has {name} of shape {array.shape} for {shape}")
    return squeezed
