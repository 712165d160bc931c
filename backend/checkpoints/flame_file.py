"""FLAME head models as downloaded: FLAME 2020 and 2023, Python 2 pickles or npz, no chumpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import CheckpointError, about_file
from .file_bytes import read_file
from .npz_file import is_npz, read_npz
from .numeric import to_array
from .released import FLAME_VERTICES
from .unpickle import read_pickle

EXPECTED = "a FLAME model of the FLAME project (generic_model.pkl or flame2023.pkl)"
SHAPES, EXPRESSIONS = 300, 100
JOINTS = 5
POSE_FEATURES = 36
OTHER_MODELS = {
    6890: "a SMPL body",
    10475: "a SMPL-X body",
    778: "a MANO hand",
    6449: "a STAR body",
}
KEYS = {
    "v_template",
    "f",
    "faces",
    "shapedirs",
    "exprdirs",
    "expressiondirs",
    "posedirs",
    "J_regressor",
    "kintree_table",
    "weights",
    "lbs_weights",
}


@dataclass(frozen=True)
class FlameArrays:
    """FLAME as plain arrays, in metres, x the picture's right, y up, z towards the viewer.

    `variant` is "male" or "female" if the file's name says so, else "generic".
    """

    v_template: np.ndarray  # (5023, 3) float32
    shapedirs: np.ndarray  # (5023, 3, S) float32
    exprdirs: np.ndarray  # (5023, 3, E) float32
    posedirs: np.ndarray  # (36, 15069) float32
    J_regressor: np.ndarray  # (5, 5023) float32
    kintree_table: np.ndarray  # (2, 5) int64, the root's parent is -1
    lbs_weights: np.ndarray  # (5023, 5) float32
    faces: np.ndarray  # (F, 3) int64
    variant: str = "generic"


def read_flame(path: Path) -> FlameArrays:
    """Return the arrays of a FLAME file; raise CheckpointError that says what it is instead."""
    path = Path(path)
    with about_file(path.name, EXPECTED):
        if "no_jaw" in path.stem.lower():
            raise CheckpointError("is the variant without the jaw's rotation")
        values = read_npz(path, KEYS) if is_npz(path) else _read_pickled(path)
        return _flame(values, _variant(path))


def _read_pickled(path: Path) -> dict[str, Any]:
    root = read_pickle(read_file(path), encoding="latin-1")
    if type(root) is not dict:
        raise CheckpointError("holds no dictionary")
    if "G_ema" in root:
        raise CheckpointError("is a generator, not a head model")
    return root


def _flame(values: dict[str, Any], variant: str) -> FlameArrays:
    template = _array(values, "v_template")
    if template.ndim == 2 and template.shape[0] in OTHER_MODELS:
        raise CheckpointError(f"is {OTHER_MODELS[template.shape[0]]}, not a FLAME head")
    _check(template, "v_template", (FLAME_VERTICES, 3))
    shapes, expressions = _directions(values)
    return FlameArrays(
        v_template=template,
        shapedirs=shapes,
        exprdirs=expressions,
        posedirs=_pose_directions(values),
        J_regressor=_check(_array(values, "J_regressor"), "J_regressor", (JOINTS, FLAME_VERTICES)),
        kintree_table=_kinematic_tree(values),
        lbs_weights=_check(
            _array(values, "weights", "lbs_weights"), "weights", (FLAME_VERTICES, JOINTS)
        ),
        faces=_faces(values),
        variant=variant,
    )


def _array(values: dict[str, Any], *names: str, kind: type = np.float32) -> np.ndarray:
    """Return the first of `names` as finite numbers."""
    name = next((name for name in names if values.get(name) is not None), None)
    if name is None:
        raise CheckpointError(f"lacks {names[0]}")
    return to_array(values[name], name, kind)


def _check(array: np.ndarray, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if array.shape != shape:
        raise CheckpointError(f"has {name} of shape {array.shape} for {shape}")
    return array


def _directions(values: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Shape and expression directions, which releases keep in one array."""
    both = _array(values, "shapedirs")
    if both.ndim != 3 or both.shape[:2] != (FLAME_VERTICES, 3):
        raise CheckpointError(f"has shapedirs of shape {both.shape} for (5023, 3, 400)")
    separate = values.get("exprdirs"), values.get("expressiondirs")
    if any(value is not None for value in separate):
        expressions = _array(values, "exprdirs", "expressiondirs")
        if expressions.ndim != 3 or expressions.shape[:2] != (FLAME_VERTICES, 3):
            raise CheckpointError(f"has exprdirs of shape {expressions.shape} for (5023, 3, 100)")
        return both, expressions
    if both.shape[2] != SHAPES + EXPRESSIONS:
        raise CheckpointError(
            f"has {both.shape[2]} shape directions for 400 (300 shapes and 100 expressions)"
        )
    return both[:, :, :SHAPES].copy(), both[:, :, SHAPES:].copy()


def _pose_directions(values: dict[str, Any]) -> np.ndarray:
    """(36, 15069), whichever way the file has them."""
    array = _array(values, "posedirs")
    flat = (POSE_FEATURES, FLAME_VERTICES * 3)
    if array.shape == flat:
        return array
    _check(array, "posedirs", (FLAME_VERTICES, 3, POSE_FEATURES))
    return np.ascontiguousarray(array.reshape(-1, POSE_FEATURES).T)


def _kinematic_tree(values: dict[str, Any]) -> np.ndarray:
    """(2, 5): parents above joints; the root's parent is written as 2**32 - 1 or -1."""
    tree = _check(_array(values, "kintree_table", kind=np.int64), "kintree_table", (2, JOINTS))
    tree = tree.copy()
    tree[0, 0] = -1
    if not all(0 <= parent < joint for joint, parent in enumerate(tree[0, 1:], start=1)):
        raise CheckpointError(f"has the joints' parents {tree[0].tolist()}, which are no tree")
    return tree


def _faces(values: dict[str, Any]) -> np.ndarray:
    faces = _array(values, "f", "faces", kind=np.int64)
    if faces.ndim != 2 or faces.shape[1] != 3 or not len(faces):
        raise CheckpointError(f"has faces of shape {faces.shape} for (9976, 3)")
    if faces.min() < 0 or faces.max() >= FLAME_VERTICES:
        raise CheckpointError(f"has faces that point outside its {FLAME_VERTICES} vertices")
    return faces


def _variant(path: Path) -> str:
    words = path.stem.lower().replace("-", "_").split("_")
    return next((word for word in ("female", "male") if word in words), "generic")
