"""The official models as they were last read, so that drawing reads no file.

Blender draws panels whenever the mouse moves over them.  The list is read at registration, after a
model was added, verified or removed, and when the user asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
import bpy.utils.previews

from .backend.checkpoints.stored_model import PREVIEW
from .models_store import ModelInfo, listed_models, models_folder


@dataclass(frozen=True)
class ShownModel:
    """A model, and its test render if it has one."""

    info: ModelInfo
    picture: bpy.types.ImagePreview | None


_pictures: bpy.utils.previews.ImagePreviewCollection | None = None
_models: tuple[ShownModel, ...] = ()
_folder = Path()


def shown_models() -> tuple[ShownModel, ...]:
    """Return the models by id, as of the last `refresh_models`."""
    return _models


def shown_folder() -> Path:
    """Return the folder that they were read from."""
    return _folder


def refresh_models() -> None:
    """Read the list and the pictures; does nothing while the add-on is not registered."""
    global _models, _folder
    if _pictures is None:
        return
    _models = ()  # they hold pictures that are about to be freed
    _pictures.clear()
    _folder = models_folder()
    try:
        found = listed_models()
    except OSError:  # a folder that may not be read has no models to choose
        found = []
    _models = tuple(ShownModel(info, _picture(info)) for info in found)


def _picture(info: ModelInfo) -> bpy.types.ImagePreview | None:
    path = info.folder / PREVIEW
    if not path.is_file():
        return None
    picture = _pictures.load(info.id, str(path), "IMAGE")
    picture.image_size[:]  # Blender reads the file when this is first asked for
    return picture


def register() -> None:
    """Make room for pictures and read the list."""
    global _pictures
    _pictures = bpy.utils.previews.new()
    refresh_models()


def unregister() -> None:
    """Free the pictures."""
    global _pictures, _models
    _models = ()
    bpy.utils.previews.remove(_pictures)
    _pictures = None
