"""Operators on pictures: see or paint one, take a label's colour, the map of the selected head."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import bpy
import numpy as np

from .edit_head import front_of
from .generate_task import GenerateTask
from .head_file import StoredHead, stored_head
from .head_operators import NO_HEAD
from .metadata import find_rig, is_bundled
from .paint_map import (
    MAP_KEY,
    erase,
    label_palette,
    new_map_image,
    open_image,
    take_color,
    take_white,
)
from .preferences import chosen_device
from .task_operator import TaskOperator

NO_WINDOW = "Blender has no window here; open image {} in an Image Editor and paint on it"


class AVATARMMC_OT_open_image(bpy.types.Operator):
    """Show this picture in an Image Editor"""

    bl_idname = "avatarmmc.open_image"
    bl_label = "Open in Image Editor"

    image: bpy.props.StringProperty(name="Image")
    purpose: bpy.props.EnumProperty(
        name="Purpose",
        items=[
            ("SEE", "See", "Only look at it"),
            ("LABELS", "Labels", "Paint on it with the labels' colours"),
            ("MASK", "Mask", "Paint on it in white"),
        ],
        options={"SKIP_SAVE"},
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Open an editor, to paint if asked."""
        image = bpy.data.images.get(self.image)
        if image is None:
            self.report({"ERROR"}, f"There is no image {self.image}.")
            return {"CANCELLED"}
        if self.purpose == "LABELS":
            image[MAP_KEY] = image.get(MAP_KEY, "")  # of no head: the legend shows beside it
        elif self.purpose == "MASK":
            take_white(context)
        if not open_image(context, image, paint=self.purpose != "SEE"):
            self.report({"INFO"}, NO_WINDOW.format(image.name))
        return {"FINISHED"}


class AVATARMMC_OT_take_label(bpy.types.Operator):
    """Paint with the colour of this label"""

    bl_idname = "avatarmmc.take_label"
    bl_label = "Paint This Label"

    label: bpy.props.IntProperty(name="Label", min=0, max=18)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Give brushes the colour."""
        take_color(context, self.label)
        return {"FINISHED"}


class AVATARMMC_OT_erase_label(bpy.types.Operator):
    """Erase parts of the map, which the model may then fill as it likes"""

    bl_idname = "avatarmmc.erase_label"
    bl_label = "Erase"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Let the brush erase."""
        erase(context)
        return {"FINISHED"}


class AVATARMMC_OT_paint_map(TaskOperator, bpy.types.Operator):
    """Draw the label map of the selected head from the front and open it for painting"""

    bl_idname = "avatarmmc.paint_map"
    bl_label = "Paint Map"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The active object must belong to a head of the bundled model."""
        return needs_bundled_head(cls, find_rig(context.object)) and super().poll(context)

    def new_task(self, context: bpy.types.Context) -> GenerateTask:
        """Read the head."""
        rig = find_rig(context.object)
        head, device, name = head_of(rig), chosen_device(context), rig.name

        def build(labels: np.ndarray) -> Iterator[float]:
            bpy.context.scene.avatarmmc.edit_map = new_map_image(name, labels)
            label_palette()
            yield 1.0

        return GenerateTask(
            lambda callback: front_of(head, device)[1], build, "A map is being drawn"
        )

    def finish(self, context: bpy.types.Context, made: np.ndarray) -> str:
        """Open the map, but after this operator's step of undo: within an Image Editor in paint
        mode Blender would take it for a stroke of a brush, and undo would lose the map."""
        image = context.scene.avatarmmc.edit_map
        if bpy.app.background:
            return NO_WINDOW.format(image.name)
        bpy.app.timers.register(partial(_open_map, image.name), first_interval=0.0)
        return ""


def _open_map(name: str) -> None:
    image = bpy.data.images.get(name)
    if image is not None:
        open_image(bpy.context, image, paint=True)


def head_of(rig: bpy.types.Object) -> StoredHead:
    """Return what the head of an armature remembers; raises AvatarError if it is damaged."""
    return stored_head({name: rig[name] for name in rig.keys()}, rig.name)


def needs_bundled_head(operator: type, rig: bpy.types.Object | None) -> bool:
    """Whether there is an armature, of a head of the bundled model, for polls."""
    if rig is None:
        operator.poll_message_set(NO_HEAD)
        return False
    if not is_bundled(rig):
        operator.poll_message_set("Only heads of the bundled model can be edited")
        return False
    return True


CLASSES = (
    AVATARMMC_OT_open_image,
    AVATARMMC_OT_take_label,
    AVATARMMC_OT_erase_label,
    AVATARMMC_OT_paint_map,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
