"""The button of panels that begins a task, and its progress while it runs."""

from __future__ import annotations

import bpy

from . import live_preview
from .generate_task import current_task


def draw_task_button(layout: bpy.types.UILayout, operator: str, text: str, icon: str) -> None:
    """Draw a large button, or the progress of what is being made, with a button to cancel it."""
    row = layout.row(align=True)
    row.scale_y = 1.5
    task = current_task()
    if task is None:
        row.operator(operator, text=text, icon=icon)
    else:
        row.progress(factor=task.fraction, type="BAR", text=task.text)
        row.operator("avatarmmc.cancel", text="", icon="X")
        live_preview.draw(layout)
