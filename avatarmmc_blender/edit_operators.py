"""The operator that makes another head from the selected one."""

from __future__ import annotations

import bpy

from .edit_head import edit_head
from .generate_task import GenerateTask, encoded
from .metadata import find_rig
from .operators import HeadsOperator
from .paint_map import map_rig
from .paint_operators import head_of, needs_bundled_head
from .panel_settings import edit_from_panel


class AVATARMMC_OT_edit(HeadsOperator, bpy.types.Operator):
    """Make another head from this one, which stays, as map and attributes ask"""

    bl_idname = "avatarmmc.edit"
    bl_label = "Edit Head"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There must be a head of the bundled model."""
        return needs_bundled_head(cls, _asked_for(context)[0]) and super().poll(context)

    def new_task(self, context: bpy.types.Context) -> GenerateTask:
        """Read the head and the panel."""
        rig, labels = _asked_for(context)
        head = head_of(rig)
        settings, request, pixels = edit_from_panel(context, head, labels)
        return GenerateTask(
            encoded(lambda callback: [edit_head(head, request, settings, callback, pixels)])
        )


def _asked_for(
    context: bpy.types.Context,
) -> tuple[bpy.types.Object | None, bpy.types.Image | None]:
    """Return the armature of the head to edit and its map: in an Image Editor those that it shows,
    elsewhere the selected head and the panel's map, unless that shows another head."""
    image = getattr(context.space_data, "image", None)
    rig = map_rig(image)
    if rig is not None:
        return rig, image
    rig, labels = find_rig(context.object), context.scene.avatarmmc.edit_map
    return rig, labels if map_rig(labels) in (None, rig) else None


def register() -> None:
    """Register the operator."""
    bpy.utils.register_class(AVATARMMC_OT_edit)


def unregister() -> None:
    """Unregister the operator."""
    bpy.utils.unregister_class(AVATARMMC_OT_edit)
