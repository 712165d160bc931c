"""How official models are drawn: the list in the preferences and the menu in the panel."""

from __future__ import annotations

import bpy
import bpy.utils.previews

from .model_task import current_model_task
from .models_store import PREVIEW, ModelInfo, listed_models, models_folder
from .settings import BUNDLED_MODEL

PICTURE_SCALE = 6.0
_pictures: bpy.utils.previews.ImagePreviewCollection | None = None


def draw_models(layout: bpy.types.UILayout, checkpoint: str, flame: str) -> None:
    """Draw the converted models and what converts the files `checkpoint` and `flame`."""
    task = current_model_task()
    row = layout.row(align=True)
    if task is not None:
        text = f"{task.stage[:1].upper()}{task.stage[1:]} {task.fraction:.0%}"
        row.progress(factor=task.fraction, type="BAR", text=text)
        row.operator("avatarmmc.cancel_model", text="", icon="X")
    else:
        row.enabled = bool(checkpoint)
        operator = row.operator("avatarmmc.add_model", icon="IMPORT")
        operator.filepath, operator.flame = checkpoint, flame
    for model in listed_models():
        _draw_model(layout.box(), model)
    layout.label(text=f"Converted models are kept in {models_folder()}")


def _draw_model(layout: bpy.types.UILayout, model: ModelInfo) -> None:
    layout.label(text=model.id, icon="USER")
    row = layout.row()
    row.operator("avatarmmc.model_licence", icon="INFO").model = model.id
    row.operator("avatarmmc.verify_model", icon="CHECKMARK").model = model.id
    row.operator("avatarmmc.remove_model", text="", icon="TRASH").model = model.id
    head = "with FLAME" if model.has_flame else "without FLAME"
    memory = f"about {model.memory_bytes / 1e9:.1f} GB of memory"
    if model.family:
        layout.label(text=f"{model.family_name}, {head}, {memory}, from {model.source}")
    if model.problem:
        layout.label(text=model.problem.capitalize(), icon="ERROR")
    icon = _picture_icon(model)
    if icon:
        layout.template_icon(icon_value=icon, scale=PICTURE_SCALE)


def _picture_icon(model: ModelInfo) -> int:
    """Return the icon of the model's test render, 0 if it has none."""
    path = model.folder / PREVIEW
    try:
        key = f"{model.id}-{path.stat().st_mtime_ns}"
    except OSError:
        return 0
    if key not in _pictures:
        _pictures.load(key, str(path), "IMAGE")
    return _pictures[key].icon_id


def model_label(model: str) -> str:
    """Return the words for a model in the panel."""
    return "Bundled Model" if model == BUNDLED_MODEL else model


class AVATARMMC_MT_model(bpy.types.Menu):
    """The models to choose from."""

    bl_label = "Model"
    bl_idname = "AVATARMMC_MT_model"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the bundled model and the converted ones."""
        for model in (BUNDLED_MODEL, *(item.id for item in listed_models())):
            operator = self.layout.operator("avatarmmc.choose_model", text=model_label(model))
            operator.model = model


def register() -> None:
    """Register the menu and make room for pictures."""
    global _pictures
    _pictures = bpy.utils.previews.new()
    bpy.utils.register_class(AVATARMMC_MT_model)


def unregister() -> None:
    """Unregister the menu and free the pictures."""
    bpy.utils.unregister_class(AVATARMMC_MT_model)
    bpy.utils.previews.remove(_pictures)
