"""The sidebar tab: the selected head, its expressions, edits and export."""

from __future__ import annotations

import textwrap

import bpy

from .expression_presets import PRESETS
from .expressions import EXPRESSION_PREFIX, is_flame_face
from .label_panel import draw_legend
from .metadata import PREFIX, VERSION_KEY, find_rig, head_mesh, is_bundled, read_notes
from .paint_map import BEFORE_KEY, map_rig
from .panel import SidebarPanel, draw_picture
from .panel_settings import attributes_from_panel
from .properties import label_of
from .task_button import draw_task_button

LAYER_TITLES = {"FACE": "Face", "GAZE": "Gaze", "SPEECH": "Speech"}
COLUMNS = {"FACE": 2, "GAZE": 2, "SPEECH": 5}
FLAME_SLIDERS = 10
LETTER = 7.5  # pixels of a letter at a scale of 1, on average


class HeadPanel(SidebarPanel):
    """A panel about the selected head; it is there when there is one."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The active object must belong to a head."""
        return find_rig(context.object) is not None


class AVATARMMC_PT_expression(HeadPanel, bpy.types.Panel):
    """Expression presets and keyframes."""

    bl_label = "Expression"
    bl_idname = "AVATARMMC_PT_expression"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout = self.layout
        face = head_mesh(find_rig(context.object))
        if face is not None and is_flame_face(face):
            _draw_flame_expressions(layout, face)
            _draw_keyframe_buttons(layout)
            return
        settings = context.scene.avatarmmc
        layout.prop(settings, "strength", slider=True)
        for layer, title in LAYER_TITLES.items():
            header, body = layout.panel(f"avatarmmc_{layer}", default_closed=layer == "SPEECH")
            header.label(text=title)
            if body is None:
                continue
            grid = body.grid_flow(
                row_major=True, columns=COLUMNS[layer], even_columns=True, align=True
            )
            for name, preset in PRESETS.items():
                if preset.layer == layer:
                    button = grid.operator("avatarmmc.apply_expression", text=preset.label)
                    button.preset = name
                    button.strength = settings.strength
        _draw_keyframe_buttons(layout)


def _draw_flame_expressions(layout: bpy.types.UILayout, face: bpy.types.Object) -> None:
    """FLAME's expressions have no names; the first ones say the most."""
    column = layout.column(align=True)
    blocks = [b for b in face.data.shape_keys.key_blocks if b.name.startswith(EXPRESSION_PREFIX)]
    for block in blocks[:FLAME_SLIDERS]:
        column.prop(block, "value", text=block.name.replace("_", " "), slider=True)
    layout.label(text="Jaw, neck and eyes turn by their bones")


def _draw_keyframe_buttons(layout: bpy.types.UILayout) -> None:
    row = layout.row(align=True)
    row.operator("avatarmmc.insert_keyframe", icon="KEY_HLT")
    row.operator("avatarmmc.clear_expression", text="", icon="LOOP_BACK")


class AVATARMMC_PT_edit(HeadPanel, bpy.types.Panel):
    """Another head from the selected one: its map repainted, other attributes."""

    bl_label = "Edit"
    bl_idname = "AVATARMMC_PT_edit"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout = self.layout
        settings = context.scene.avatarmmc
        if not is_bundled(find_rig(context.object)):
            layout.label(text="Only heads of the bundled model")
            return
        layout.operator("avatarmmc.paint_map", icon="BRUSH_DATA")
        _draw_map(layout, context)
        draw_picture(layout, settings, "edit_mask", "MASK")
        names = [label_of(name) for name in attributes_from_panel(settings)]
        asked = ", ".join(names) or "none set above"
        draw_text(layout, context, f"Attributes: {asked}")
        layout.prop(settings, "edit_strength", slider=True)
        layout.prop(settings, "identity_lock")
        draw_task_button(layout, "avatarmmc.edit", "Edit Head", "GREASEPENCIL")


def _draw_map(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    settings = context.scene.avatarmmc
    draw_picture(layout, settings, "edit_map", "LABELS", new=False)
    labels = settings.edit_map
    if labels is None:
        return
    shown = map_rig(labels)
    if shown not in (None, find_rig(context.object)):
        draw_text(layout, context, f"Not used: it is a map of {shown.name}", "INFO")
        return
    if BEFORE_KEY not in labels:
        layout.prop(settings, "edit_snap")
    header, body = layout.panel("avatarmmc_legend", default_closed=True)
    header.label(text="Labels")
    if body is not None:
        draw_legend(body, context)


class AVATARMMC_PT_export(HeadPanel, bpy.types.Panel):
    """The selected head into a file."""

    bl_label = "Export"
    bl_idname = "AVATARMMC_PT_export"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        row = self.layout.row(align=True)
        for text, suffix in (("GLB", ".glb"), ("FBX", ".fbx"), ("Blender", ".blend")):
            row.operator("avatarmmc.export", text=text).file_format = suffix


class AVATARMMC_PT_head(HeadPanel, bpy.types.Panel):
    """How the selected head was made."""

    bl_label = "Selected Head"
    bl_idname = "AVATARMMC_PT_head"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout = self.layout
        rig = find_rig(context.object)
        column = layout.column(align=True)
        column.label(text=f"{rig.name}, seed {rig.get(PREFIX + 'seed', 'unknown')}")
        column.label(text=f"Made by AvatarMMC {rig[VERSION_KEY]}")
        column.label(text=f"Model: {rig.get(PREFIX + 'model', 'unknown')}")
        for note in read_notes(rig):
            draw_text(layout, context, note, "INFO")
        layout.operator("avatarmmc.restore_settings", icon="FILE_REFRESH")


def draw_text(
    layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str = "NONE"
) -> None:
    """Draw a sentence in as many lines as the sidebar's width needs."""
    scale = context.preferences.system.ui_scale or 1.0  # 0 without a window
    width = 0 if context.region is None else context.region.width
    letters = max(20, int(width / (LETTER * scale)) - 6)
    column = layout.column(align=True)
    for index, line in enumerate(textwrap.wrap(text[:1].upper() + text[1:], letters)):
        column.label(text=line, icon=icon if index == 0 else "BLANK1")


CLASSES = (
    AVATARMMC_PT_edit,
    AVATARMMC_PT_expression,
    AVATARMMC_PT_export,
    AVATARMMC_PT_head,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
