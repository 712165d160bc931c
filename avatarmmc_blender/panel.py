"""The sidebar tab: generate, attributes, quality, expressions, export, the selected head."""

from __future__ import annotations

import bpy

from .backend.conditions.table import ATTRIBUTES
from .expression_presets import PRESETS
from .expressions import EXPRESSION_PREFIX, is_flame_face
from .generate_task import current_task
from .metadata import PREFIX, VERSION_KEY, find_rig, head_mesh
from .model_cache import shown_models
from .model_list import model_label
from .operators import progress_text
from .properties import GROUPS, label_of, switch_name
from .settings import BUNDLED_MODEL

LAYER_TITLES = {"FACE": "Face", "GAZE": "Gaze", "SPEECH": "Speech"}
COLUMNS = {"FACE": 2, "GAZE": 2, "SPEECH": 5}
FLAME_SLIDERS = 10


class SidebarPanel:
    """Where all panels of the add-on are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "AvatarMMC"


class AVATARMMC_PT_generate(SidebarPanel, bpy.types.Panel):
    """Seed, variety and the Generate button."""

    bl_label = "Generate"
    bl_idname = "AVATARMMC_PT_generate"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout = self.layout
        settings = context.scene.avatarmmc
        if settings.model != BUNDLED_MODEL or shown_models():
            layout.menu("AVATARMMC_MT_model", text=model_label(settings.model))
        row = layout.row(align=True)
        row.prop(settings, "seed")
        row.operator("avatarmmc.randomize_seed", text="", icon="FILE_REFRESH")
        layout.prop(settings, "truncation", slider=True)
        task = current_task()
        if task is None:
            column = layout.column()
            column.scale_y = 1.5
            column.operator("avatarmmc.generate", icon="USER")
        else:
            row = layout.row(align=True)
            row.scale_y = 1.5
            row.progress(factor=task.fraction, type="BAR", text=progress_text(task))
            row.operator("avatarmmc.cancel", text="", icon="X")


class AVATARMMC_PT_quality(SidebarPanel, bpy.types.Panel):
    """How fine the head is."""

    bl_label = "Quality"
    bl_parent_id = "AVATARMMC_PT_generate"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = context.scene.avatarmmc
        layout.prop(settings, "resolution")
        layout.prop(settings, "texture")
        layout.prop(settings, "raw_surface")
        layout.prop(settings, "look_at_head")


class AVATARMMC_PT_attributes(SidebarPanel, bpy.types.Panel):
    """The attributes of the next head, in groups."""

    bl_label = "Attributes"
    bl_idname = "AVATARMMC_PT_attributes"

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        """Draw the button that resets all attributes."""
        row = self.layout.row()
        row.operator("avatarmmc.reset_attributes", text="", icon="LOOP_BACK", emboss=False)

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the groups as sub-panels that fold (Blender 4.1 and later)."""
        settings = context.scene.avatarmmc
        if settings.model != BUNDLED_MODEL:
            self.layout.label(text="Only the bundled model knows attributes")
            return
        for index, group in enumerate(GROUPS):
            header, body = self.layout.panel(f"avatarmmc_{group}", default_closed=index > 0)
            header.label(text=label_of(group))
            reset = header.operator(
                "avatarmmc.reset_attributes", text="", icon="LOOP_BACK", emboss=False
            )
            reset.group = group
            if body is not None:
                _draw_group(body.column(align=True), settings, group)


def _draw_group(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup, group: str) -> None:
    for attribute in ATTRIBUTES:
        if attribute.group != group:
            continue
        row = layout.row(align=True)
        row.prop(settings, switch_name(attribute.name), text="")
        value = row.row(align=True)
        value.active = getattr(settings, switch_name(attribute.name))
        if attribute.choices:
            value.prop(settings, attribute.name)
        else:
            value.prop(settings, attribute.name, slider=True)


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
        layout.operator("avatarmmc.restore_settings", icon="FILE_REFRESH")


CLASSES = (
    AVATARMMC_PT_generate,
    AVATARMMC_PT_quality,
    AVATARMMC_PT_attributes,
    AVATARMMC_PT_expression,
    AVATARMMC_PT_export,
    AVATARMMC_PT_head,
)


def register() -> None:
    """Register the panels."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Unregister the panels."""
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
