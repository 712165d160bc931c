"""Converted models as their folders tell: names of files, descriptions, the list, removal.

Needs no PyTorch, so that a list can be drawn before anything is loaded.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import CheckpointError, shown
from .licences import LICENCES
from .settings import check_settings

FORMAT = 1
WEIGHTS, DESCRIPTION, PREVIEW = "weights.safetensors", "model.json", "preview.png"
FLAME, FLAME_DESCRIPTION, LANDMARKS = "flame.npz", "flame.json", "landmarks.npz"
FLAME_FILES = (FLAME, FLAME_DESCRIPTION)
ASIDE = ".adding-"
MODEL_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
MAX_DESCRIPTION = 1 << 20


@dataclass(frozen=True)
class StoredModel:
    """A converted model; `problem` says in a sentence why it cannot be used.

    `stray` is a folder among the models that none was ever converted into.
    """

    id: str
    folder: Path
    family: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    source_rule: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    memory_bytes: int = 0
    has_flame: bool = False
    has_landmarks: bool = False
    problem: str | None = None
    stray: bool = False


def stored_models(root: Path) -> list[StoredModel]:
    """Return what is in the folder of models by name, with damaged ones and stray folders."""
    return [stored_model(folder) for folder in _folders(root)]


def stored_model(folder: Path) -> StoredModel:
    """Return what a folder tells of its model; damage becomes its `problem`."""
    if not _is_models(folder):
        problem = f"the folder {folder.name} is no converted model: remove it, or move it elsewhere"
        return StoredModel(folder.name, folder, problem=problem, stray=True)
    try:
        return _described(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        problem = (
            f"the stored model {folder.name} is damaged ({error}): remove it and add its file again"
        )
        return StoredModel(folder.name, folder, problem=problem)


def model_folder(root: Path, model_id: str) -> Path:
    """Return where a model of this id is or would be; raise CheckpointError if it is no id."""
    if not isinstance(model_id, str) or not MODEL_ID.fullmatch(model_id):
        raise CheckpointError(
            f"{shown(model_id)} is no model's id; ids have small letters, digits, - and _"
        )
    return root / model_id


def remove_stored(root: Path, name: str, stray: bool = False) -> None:
    """Delete a model, damaged or not, and with `stray` also a folder that is none.

    Nothing outside `root` is touched: the name has to be one of those in it, and links are deleted
    without what they lead to.  Raises CheckpointError if it cannot be.
    """
    folder = next((item for item in _folders(root) if item.name == name), None)
    if folder is None:
        known = ", ".join(item.name for item in _folders(root)) or "none"
        raise CheckpointError(f"there is no model {shown(name)}; stored models: {known}")
    if not stray and not _is_models(folder):
        raise CheckpointError(
            f"the folder {shown(name)} is no converted model: delete it with all that is in it by "
            "`models remove --stray`, or move it elsewhere"
        )
    doomed = root / f"{ASIDE}removed-{os.getpid()}-{time.monotonic_ns()}"
    try:
        if folder.is_symlink():
            folder.unlink()
        else:
            folder.rename(doomed)
            shutil.rmtree(doomed)
    except OSError as error:
        raise CheckpointError(
            f"{shown(name)} cannot be removed ({error.strerror}): "
            "close the programs that use it and try again"
        ) from None


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    found = [item for item in root.iterdir() if not item.name.startswith(".") and item.is_dir()]
    return sorted(found)


def _is_models(folder: Path) -> bool:
    """Whether the folder is a model's, whole or damaged."""
    files = (DESCRIPTION, WEIGHTS)
    return bool(MODEL_ID.fullmatch(folder.name)) and any((folder / n).is_file() for n in files)


def _described(folder: Path) -> StoredModel:
    file = folder / DESCRIPTION
    if file.stat().st_size > MAX_DESCRIPTION:
        raise CheckpointError("its description is too long")
    values = json.loads(file.read_text(encoding="utf-8"))
    if values["format"] != FORMAT or values["family"] not in LICENCES:
        raise CheckpointError("its description is of another version")
    size = (folder / WEIGHTS).stat().st_size
    if size != values["weights_bytes"]:
        raise CheckpointError(f"its weights have {size} bytes for {values['weights_bytes']}")
    check_settings(values["config"])
    has_flame = all((folder / name).is_file() for name in FLAME_FILES)
    licence = str(values["licence"]) + ("\n" + LICENCES["flame"] if has_flame else "")
    return StoredModel(
        id=folder.name,
        folder=folder,
        family=values["family"],
        config=values["config"],
        source_rule=values["source_rule"],
        provenance=dict(values["provenance"]),
        licence=licence,
        memory_bytes=int(values["memory_bytes"]),
        has_flame=has_flame,
        has_landmarks=has_flame and (folder / LANDMARKS).is_file(),
    )
