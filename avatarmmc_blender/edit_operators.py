"""The operator that makes another head from the selected one."""

from __future__ import annotations

import bpy

from .edit_head import edit_head
from .generate_task import GenerateTask, encoded
from .operators import HeadsOperator
from .paint_operators import needs_bundled_head, selected_head
from .panel_settings import edit_from_panel


class AVATARMMC_OT_edit(HeadsOperator, bpy.types.Operator):
    """Make another head from the selected one, which stays, as map and attributes ask"""

    bl_idname = "avatarmmc.edit"
    bl_label = "Edit Head"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The active object must belong to a head of the bundled model."""
        return needs_bundled_head(cls, context) and super().poll(context)

    def new_task(self, context: bpy.types.Context) -> GenerateTask:
        """Read the head and the panel."""
        head = selected_head(context)
        settings, request, pixels = edit_from_panel(context, head)
        return GenerateTask(
            encoded(lambda callback: [edit_head(head, request, settings, callback, pixels)])
        )


def register() -> None:
    """Register the operator."""
    bpy.utils.register_class(AVATARMMC_OT_edit)


def unregister() -> None:
    """Unregister the operator."""
    bpy.utils.unregister_class(AVATARMMC_OT_edit)
