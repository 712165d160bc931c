"""The legend of label maps: a button for each class, beside the head and beside the map."""

from __future__ import annotations

import bpy
import bpy.utils.previews

from .backend.conditions.palette import PALETTE, TITLES, UNKNOWN_TO_MODEL
from .metadata import is_bundled
from .paint_map import CATEGORY, MAP_KEY, map_rig
from .task_button import draw_task_button

_ICON_SIZE = 16

# Icons in the colours of the classes, while the add-on is registered.
_icons: bpy.utils.previews.ImagePreviewCollection | None = None


def draw_legend(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Draw the classes that heads have, as buttons that give brushes their colours."""
    grid = layout.grid_flow(row_major=True, columns=2, even_columns=True, align=True)
    for label, title in enumerate(TITLES):
        if title not in UNKNOWN_TO_MODEL:
            icon = _icons[title].icon_id if _icons else 0
            button = grid.operator("avatarmmc.take_label", text=title, icon_value=icon)
            button.label = label
    layout.operator("avatarmmc.erase_label", text="Erase: Left to the Model", icon="X")
    column = layout.column(align=True)
    column.label(text="Left and right are the person's own")
    column.label(text="Shift X takes the color under the mouse")


class AVATARMMC_PT_labels(bpy.types.Panel):
    """The legend beside the map that is being painted."""

    bl_label = "Labels"
    bl_idname = "AVATARMMC_PT_labels"
    bl_space_type = "IMAGE_EDITOR"
    bl_region_type = "UI"
    bl_category = CATEGORY

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The editor must show a map that the add-on made."""
        image = context.space_data.image
        return image is not None and MAP_KEY in image

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        draw_legend(self.layout, context)
        rig = map_rig(context.space_data.image)
        if rig is not None and is_bundled(rig):
            column = self.layout.column()
            column.prop(context.scene.avatarmmc, "edit_strength", slider=True)
            draw_task_button(column, "avatarmmc.edit", f"Edit {rig.name}", "GREASEPENCIL")


def register() -> None:
    """Make the icons and register the panel."""
    global _icons
    _icons = bpy.utils.previews.new()
    for title, color in zip(TITLES, PALETTE, strict=True):
        icon = _icons.new(title)
        icon.icon_size = (_ICON_SIZE, _ICON_SIZE)
        pixel = [*(component / 255 for component in color), 1.0]
        icon.icon_pixels_float = pixel * _ICON_SIZE**2
    bpy.utils.register_class(AVATARMMC_PT_labels)


def unregister() -> None:
    """Take the panel and the icons away."""
    global _icons
    bpy.utils.unregister_class(AVATARMMC_PT_labels)
    if _icons is not None:
        bpy.utils.previews.remove(_icons)
        _icons = None
