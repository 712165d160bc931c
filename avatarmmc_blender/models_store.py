"""Where converted official models are kept on this computer, and which there are.

Reading the list needs no PyTorch, so that the panel can show it at any time.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .backend.checkpoints.stored_model import StoredModel, stored_models
from .errors import AvatarError
from .models import import_torch

if TYPE_CHECKING:
    from .backend.checkpoints.store import ModelStore

FOLDER_VARIABLE = "AVATARMMC_MODELS"  # names another folder than the user's own
FAMILY_NAMES = {"next3d": "Next3D", "eg3d": "EG3D"}


@dataclass(frozen=True)
class ModelInfo:
    """What the list shows of a converted model; `problem` is empty if it can make heads.

    `family` is empty if it is damaged, or `stray`: a folder that no model was converted into.
    """

    id: str
    folder: Path
    family: str
    source: str
    licence: str
    memory_bytes: int
    has_flame: bool
    problem: str
    stray: bool

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
    """Return the converted models by id, with damaged ones and stray folders."""
    return [_info(model) for model in stored_models(models_folder())]


def _info(model: StoredModel) -> ModelInfo:
    return ModelInfo(
        id=model.id,
        folder=model.folder,
        family=model.family,
        source=str(model.provenance.get("source", "")),
        licence=model.licence,
        memory_bytes=model.memory_bytes,
        has_flame=model.has_flame,
        problem=model.problem or _missing(model),
        stray=model.stray,
    )


def _missing(model: StoredModel) -> str:
    if not model.has_flame:
        return (
            "it has no FLAME file to make a rigged head of: add its file again with its FLAME file "
            "(`models add FILE --flame FILE`)"
        )
    if model.family == "next3d" and not model.has_landmarks:
        return (
            "it has no landmarks, which Next3D finds the mouth by: put landmark_embedding.npy "
            "beside the FLAME file and add its file again with its FLAME file"
        )
    return ""
