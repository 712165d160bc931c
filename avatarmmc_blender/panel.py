"""The sidebar tab: what the next head is to be.  `head_panel` is about the selected one."""

from __future__ import annotations

import bpy

from .backend.conditions.table import ATTRIBUTES
from .model_cache import shown_models
from .model_list import model_label
from .paint_map import CATEGORY
from .properties import GROUPS, guidance_name, label_of, switch_name
from .settings import BUNDLED_MODEL
from .task_button import draw_task_button


class SidebarPanel:
    """Where all panels of the add-on are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = CATEGORY


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
        layout.prop(settings, "variants")
        heads = settings.variants
        text = "Generate Head" if heads == 1 else f"Generate {heads} Heads"
        draw_task_button(layout, "avatarmmc.generate", text, "USER")


class AVATARMMC_PT_guidance(SidebarPanel, bpy.types.Panel):
    """How much each thing that is asked for counts, and how answers are found."""

    bl_label = "Guidance"
    bl_parent_id = "AVATARMMC_PT_generate"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Official models are asked for nothing."""
        return context.scene.avatarmmc.model == BUNDLED_MODEL

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel; what has no effect now is grey."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = context.scene.avatarmmc
        photo, labels = settings.photo is not None, settings.segmentation is not None
        effective = {"photo": photo, "map": photo or labels, "attributes": True}
        column = layout.column(align=True)
        for name, active in effective.items():
            row = column.row()
            row.active = active
            row.prop(settings, guidance_name(name), slider=True)
        layout.prop(settings, "method")
        row = layout.row()
        row.active = settings.method == "diffusion"
        row.prop(settings, "steps")
        row = layout.row()
        row.active = settings.method == "diffusion" and photo
        row.prop(settings, "personalise")


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


class AVATARMMC_PT_pictures(SidebarPanel, bpy.types.Panel):
    """The photo and the label map that the next head is to be like."""

    bl_label = "Photo & Map"
    bl_idname = "AVATARMMC_PT_pictures"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout = self.layout
        settings = context.scene.avatarmmc
        if settings.model != BUNDLED_MODEL:
            layout.label(text="Only the bundled model knows pictures")
            return
        draw_picture(layout, settings, "photo")
        if settings.photo is not None:
            layout.prop(settings, "use_crop")
            if settings.use_crop:
                column = layout.column(align=True)
                for name in ("crop_x", "crop_y", "crop_side"):
                    column.prop(settings, name)
        draw_picture(layout, settings, "segmentation", "LABELS")
        if settings.segmentation is not None:
            layout.prop(settings, "snap")
        if settings.photo is not None or settings.segmentation is not None:
            draw_picture(layout, settings, "mask", "MASK")


def draw_picture(
    layout: bpy.types.UILayout,
    settings: bpy.types.PropertyGroup,
    name: str,
    purpose: str = "SEE",
    new: bool = True,
) -> None:
    """Draw the picker of a picture under its name, and what opens the picture to see or paint."""
    column = layout.column(align=True)
    row = column.row()
    row.label(text=settings.bl_rna.properties[name].name)
    image = getattr(settings, name)
    paint = purpose != "SEE"
    if image is not None:
        icon = "BRUSH_DATA" if paint else "ZOOM_ALL"
        button = row.operator("avatarmmc.open_image", text="", icon=icon, emboss=False)
        button.image, button.purpose = image.name, purpose
    if paint and new:
        column.template_ID(settings, name, new="image.new", open="image.open")
    else:
        column.template_ID(settings, name, open="image.open")


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
        for group in GROUPS:
            header, body = self.layout.panel(f"avatarmmc_{group}", default_closed=True)
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


CLASSES = (
    AVATARMMC_PT_generate,
    AVATARMMC_PT_guidance,
    AVATARMMC_PT_quality,
    AVATARMMC_PT_pictures,
    AVATARMMC_PT_attributes,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
