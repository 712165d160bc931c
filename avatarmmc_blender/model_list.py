"""How official models are drawn: the list in the preferences and the menu in the panel.

What is drawn was read before: see `model_cache`.
"""

from __future__ import annotations

import textwrap

import bpy

from .model_cache import ShownModel, shown_folder, shown_models
from .model_task import current_model_task
from .settings import BUNDLED_MODEL

PICTURE_SCALE = 6.0
LINE = 70  # characters


def draw_models(layout: bpy.types.UILayout, checkpoint: str, flame: str) -> None:
    """Draw the converted models and what converts the files `checkpoint` and `flame`."""
    task = current_model_task()
    row = layout.row(align=True)
    if task is not None:
        row.progress(factor=task.fraction, type="BAR", text=task.text)
        row.operator("avatarmmc.cancel_model", text="", icon="X")
    else:
        row.enabled = bool(checkpoint)
        operator = row.operator("avatarmmc.add_model", icon="IMPORT")
        operator.filepath, operator.flame = checkpoint, flame
    for shown in shown_models():
        _draw_model(layout.box(), shown)
    row = layout.row()
    row.label(text=f"Converted models are kept in {shown_folder()}")
    row.operator("avatarmmc.refresh_models", text="", icon="FILE_REFRESH")


def _draw_model(layout: bpy.types.UILayout, shown: ShownModel) -> None:
    model = shown.info
    layout.label(text=model.id, icon="FILE_FOLDER" if model.stray else "USER")
    row = layout.row()
    if model.family:
        row.operator("avatarmmc.model_licence", icon="INFO").model = model.id
        row.operator("avatarmmc.verify_model", icon="CHECKMARK").model = model.id
    remove = row.operator("avatarmmc.remove_model", text="", icon="TRASH")
    remove.model, remove.stray = model.id, model.stray
    head = "with FLAME" if model.has_flame else "without FLAME"
    memory = f"about {model.memory_bytes / 1e9:.1f} GB of memory"
    if model.family:
        layout.label(text=f"{model.family_name}, {head}, {memory}, from {model.source}")
    if model.problem:
        lines = layout.column(align=True)
        for index, line in enumerate(wrapped(model.problem[:1].upper() + model.problem[1:])):
            lines.label(text=line, icon="BLANK1" if index else "ERROR")
    if shown.picture is not None:
        layout.template_icon(icon_value=shown.picture.icon_id, scale=PICTURE_SCALE)


def wrapped(text: str) -> list[str]:
    """Return a text as lines that fit into the preferences."""
    return textwrap.wrap(text, LINE)


def model_label(model: str) -> str:
    """Return the words for a model in the panel."""
    return "Bundled Model" if model == BUNDLED_MODEL else model


class AVATARMMC_MT_model(bpy.types.Menu):
    """The models to choose from."""

    bl_label = "Model"
    bl_idname = "AVATARMMC_MT_model"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the bundled model and the converted ones that are whole."""
        whole = [shown.info.id for shown in shown_models() if shown.info.family]
        for model in (BUNDLED_MODEL, *whole):
            operator = self.layout.operator("avatarmmc.choose_model", text=model_label(model))
            operator.model = model


def register() -> None:
    """Register the menu."""
    bpy.utils.register_class(AVATARMMC_MT_model)


def unregister() -> None:
    """Unregister the menu."""
    bpy.utils.unregister_class(AVATARMMC_MT_model)
