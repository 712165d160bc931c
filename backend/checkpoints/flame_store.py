"""FLAME arrays beside a converted generator, and whether the two belong together."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from .errors import CheckpointError, about_file
from .flame_file import FlameArrays, read_flame
from .landmarks_file import LandmarkEmbedding, read_landmarks
from .licences import LICENCES
from .stored_model import FLAME, FLAME_DESCRIPTION, LANDMARKS

LANDMARK_NAMES = ("landmark_embedding.npy", "landmark_embedding.npz")
# FLAME editions share their triangles; a few differ where people closed the mouth or the eyes.
SAME_TRIANGLES = 0.95


@dataclass(frozen=True)
class Head:
    """A FLAME model and, if it was found beside it, its landmark embedding."""

    flame: FlameArrays
    landmarks: LandmarkEmbedding | None


def read_head(path: Path) -> Head:
    """Read a FLAME file and the landmark embedding in its folder."""
    flame = read_flame(path)
    beside = [path.with_name(name) for name in LANDMARK_NAMES]
    landmarks = next((read_landmarks(file) for file in beside if file.is_file()), None)
    if landmarks is not None:
        used = max(landmarks.static_faces.max(), landmarks.dynamic_faces.max())
        if used >= len(flame.faces):
            raise CheckpointError(
                f"the landmark embedding beside {path.name} points at triangle {used} of "
                f"{len(flame.faces)}; expected the one of the DECA or FLAME project"
            )
    return Head(flame, landmarks)


def check_head_fits(head: Head, family: str, state: dict[str, Tensor], name: str) -> None:
    """Raise CheckpointError unless the FLAME file is of the generator's kind and topology."""
    if family != "next3d":
        return
    arrays = head.flame
    if arrays.variant != "generic":
        raise CheckpointError(
            f"{name} is FLAME's {arrays.variant} model and Next3D's meshes come from the generic "
            "one; expected generic_model.pkl or flame2023.pkl of the FLAME project"
        )
    ours, theirs = _triangles(arrays.faces), _triangles(state["faces"][0].numpy())
    shared = len(np.intersect1d(ours, theirs))
    if shared < SAME_TRIANGLES * max(len(ours), len(theirs)):
        raise CheckpointError(
            f"{name} has another topology than the generator (of its {len(theirs)} triangles "
            f"{shared} are the same); expected FLAME's own mesh of 5023 vertices, from the FLAME "
            "project"
        )


def save_head(folder: Path, head: Head) -> None:
    """Write the arrays and a description."""
    np.savez(folder / FLAME, **_arrays(head.flame))
    description = {"variant": head.flame.variant, "licence": LICENCES["flame"]}
    (folder / FLAME_DESCRIPTION).write_text(json.dumps(description, indent=1), encoding="utf-8")
    if head.landmarks is not None:
        np.savez(folder / LANDMARKS, **_arrays(head.landmarks))


def load_flame(folder: Path) -> FlameArrays:
    """Read the FLAME model that `save_head` wrote; raises CheckpointError if it is damaged."""
    flame = read_flame(folder / FLAME)
    with about_file(f"{FLAME_DESCRIPTION} of {folder.name}", "what was stored there beside FLAME"):
        try:
            description = json.loads((folder / FLAME_DESCRIPTION).read_text(encoding="utf-8"))
            return replace(flame, variant=str(description["variant"]))
        except (ValueError, KeyError, TypeError):
            raise CheckpointError("is damaged") from None


def load_landmarks(folder: Path) -> LandmarkEmbedding:
    """Read the landmarks that `save_head` wrote; raises CheckpointError if they are damaged."""
    return read_landmarks(folder / LANDMARKS)


def _arrays(record: FlameArrays | LandmarkEmbedding) -> dict[str, np.ndarray]:
    values = {f.name: getattr(record, f.name) for f in fields(record)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def _triangles(faces: np.ndarray) -> np.ndarray:
    """One number per distinct triangle, whatever its first corner and orientation."""
    corners = np.sort(np.asarray(faces, np.int64), axis=1)
    return np.unique(corners @ np.array([1 << 40, 1 << 20, 1]))
