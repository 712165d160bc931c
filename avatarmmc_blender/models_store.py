"""Where converted official models are kept on this computer, and which there are.

Reading the list needs no PyTorch, so that the panel can show it at any time.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import AvatarError
from .models import import_torch

if TYPE_CHECKING:
    from .backend.checkpoints.store import ModelStore

FOLDER_VARIABLE = "AVATARMMC_MODELS"  # names another folder than the user's own
FAMILY_NAMES = {"next3d": "Next3D", "eg3d": "EG3D"}
DESCRIPTION, FLAME, LANDMARKS, PREVIEW = "model.json", "flame.npz", "landmarks.npz", "preview.png"


@dataclass(frozen=True)
class ModelInfo:
    """What the list shows of a converted model; `problem` is empty if it can be used."""

    id: str
    folder: Path
    family: str
    source: str
    licence: str
    memory_bytes: int
    has_flame: bool
    problem: str

    @property
    def family_name(self) -> str:
        """The family as people write it."""
        return FAMILY_NAMES.get(self.family, self.family)


def models_folder() -> Path:
    """Return the folder of converted models, which may not exist yet."""
    if FOLDER_VARIABLE in os.environ:
        return Path(os.environ[FOLDER_VARIABLE])
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library/Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    return base / "avatarmmc" / "models"


def open_store() -> ModelStore:
    """Return the store of converted models; loads PyTorch."""
    import_torch()
    try:
        from .backend.checkpoints.store import ModelStore
    except ImportError as error:
        raise AvatarError(
            f"The Python package {error.name!r} is missing; install it for this Python "
            "and start again (the README says how)."
        ) from error
    return ModelStore(models_folder())


def listed_models() -> list[ModelInfo]:
    """Return the converted models by id."""
    folder = models_folder()
    if not folder.is_dir():
        return []
    found = [item for item in folder.iterdir() if not item.name.startswith(".")]
    return [_info(item) for item in sorted(found) if item.is_dir()]


def _info(folder: Path) -> ModelInfo:
    try:
        values = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        licence, memory = str(values["licence"]), int(values["memory_bytes"])
        family, source = str(values["family"]), str(values["provenance"]["source"])
    except (OSError, ValueError, KeyError, TypeError):
        problem = "damaged: remove it and add its file again"
        return ModelInfo(folder.name, folder, "", "", "", 0, False, problem)
    flame = (folder / FLAME).is_file()
    needed = [FLAME] if family == "eg3d" else [FLAME, LANDMARKS]
    missing = [name for name in needed if not (folder / name).is_file()]
    problem = "add it again with its FLAME file to make heads" if missing else ""
    return ModelInfo(folder.name, folder, family, source, licence, memory, flame, problem)
