"""Operators that make heads: generate, cancel, seed, attributes."""

import random
from collections.abc import Sequence

import bpy

from .generate_task import GenerateTask, current_task, heads_of
from .metadata import find_rig, head_parts, read_notes
from .panel_settings import request_from_panel, reset_group
from .placement import look_at
from .scene import NewHead
from .settings import SEED_LIMIT
from .task_operator import TaskOperator


class HeadsOperator(TaskOperator):
    """What operators share that add heads to the scene."""

    def finish(self, context: bpy.types.Context, made: Sequence[NewHead]) -> str:
        """Turn the view to the heads and return what there is to know about them."""
        rigs = [rig for rig in map(find_rig, context.view_layer.objects.selected) if rig]
        if rigs and context.scene.avatarmmc.look_at_head:
            look_at([part for rig in rigs for part in head_parts(rig)])
        return "; ".join(dict.fromkeys(note for rig in rigs for note in read_notes(rig)))


class AVATARMMC_OT_generate(HeadsOperator, bpy.types.Operator):
    """Make heads from the seed and all that is asked for below"""

    bl_idname = "avatarmmc.generate"
    bl_label = "Generate Head"
    bl_options = {"REGISTER", "UNDO"}

    def new_task(self, context: bpy.types.Context) -> GenerateTask:
        """Read the panel."""
        return GenerateTask(heads_of(*request_from_panel(context)))


class AVATARMMC_OT_cancel(bpy.types.Operator):
    """Stop making the head; the scene stays as it is"""

    bl_idname = "avatarmmc.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There must be something to cancel."""
        return current_task() is not None and not current_task().cancelled

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask the task to end."""
        current_task().cancel()
        return {"FINISHED"}


class AVATARMMC_OT_randomize_seed(bpy.types.Operator):
    """Take another seed"""

    bl_idname = "avatarmmc.randomize_seed"
    bl_label = "Randomize Seed"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Draw a short seed, which can be read out and typed."""
        context.scene.avatarmmc.seed = random.randint(0, min(SEED_LIMIT, 99_999))
        return {"FINISHED"}


class AVATARMMC_OT_reset_attributes(bpy.types.Operator):
    """Leave these attributes to the seed again"""

    bl_idname = "avatarmmc.reset_attributes"
    bl_label = "Reset Attributes"
    bl_options = {"REGISTER", "UNDO"}

    group: bpy.props.StringProperty(
        name="Group", description="Attributes to reset; empty for all", options={"SKIP_SAVE"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Switch the attributes of the group off."""
        reset_group(context.scene.avatarmmc, self.group)
        return {"FINISHED"}


CLASSES = (
    AVATARMMC_OT_generate,
    AVATARMMC_OT_cancel,
    AVATARMMC_OT_randomize_seed,
    AVATARMMC_OT_reset_attributes,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
