"""Operators on official models: add, verify, remove, read the licence, choose one."""

from __future__ import annotations

from pathlib import Path

import bpy

from . import model_actions
from .jobs import Progress
from .model_cache import refresh_models, shown_models
from .model_list import wrapped
from .model_task import ModelTask, current_model_task
from .preferences import chosen_device
from .settings import BUNDLED_MODEL
from .task_operator import TaskOperator, redraw_progress


def refresh(context: bpy.types.Context) -> None:
    """Read the list of models again and draw it."""
    refresh_models()
    redraw_progress(context)


class ModelOperator(TaskOperator):
    """What operators share that work on models."""

    def ended(self, context: bpy.types.Context) -> None:
        """Read the list of models again."""
        refresh(context)


class AVATARMMC_OT_add_model(ModelOperator, bpy.types.Operator):
    """Convert a released Next3D or EG3D file, with its FLAME file, and keep it for this computer"""

    bl_idname = "avatarmmc.add_model"
    bl_label = "Convert and Add"

    filepath: bpy.props.StringProperty(name="Generator", subtype="FILE_PATH")
    flame: bpy.props.StringProperty(name="FLAME", subtype="FILE_PATH")

    def new_task(self, context: bpy.types.Context) -> ModelTask:
        """Convert on the thread; what is not wanted any more is deleted."""
        path = Path(bpy.path.abspath(self.filepath))
        flame = Path(bpy.path.abspath(self.flame)) if self.flame else None
        return ModelTask(
            lambda callback: model_actions.prepare_model(path, flame, callback),
            lambda prepared: prepared.discard(),
        )

    def finish(self, context: bpy.types.Context, made: model_actions.PreparedModel) -> str:
        """Put the new model among the others and name it."""
        return f"Added {model_actions.keep_model(made).id}"


class AVATARMMC_OT_verify_model(ModelOperator, bpy.types.Operator):
    """Check this model's shapes and values and render a test picture with it"""

    bl_idname = "avatarmmc.verify_model"
    bl_label = "Verify"

    model: bpy.props.StringProperty(name="Model")

    def new_task(self, context: bpy.types.Context) -> ModelTask:
        """Verify on the thread; the picture of a cancelled task is forgotten."""
        model, device = self.model, chosen_device(context)
        return ModelTask(
            lambda callback: model_actions.verify_model(model, device, callback),
            lambda verified: None,
        )

    def finish(self, context: bpy.types.Context, made: model_actions.Verified) -> str:
        """Keep the picture and say what was found."""
        model_actions.keep_picture(made)
        return f"{made.model_id}: {made.tensors} tensors in order; {made.note}"


class AVATARMMC_OT_remove_model(ModelOperator, bpy.types.Operator):
    """Delete this converted model from this computer; the released file stays where it is"""

    bl_idname = "avatarmmc.remove_model"
    bl_label = "Remove Model"

    model: bpy.props.StringProperty(name="Model")
    stray: bpy.props.BoolProperty(
        name="Stray", description="Delete it even if it is a folder that is no model"
    )
    confirmed: bpy.props.BoolProperty(options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask first, then start in the background."""
        if self.confirmed:
            return ModelOperator.invoke(self, context, event)
        self.confirmed = True
        what = "folder, which is no model, with all that is in it" if self.stray else "model"
        return context.window_manager.invoke_confirm(
            self, event, title=f"Delete {self.model}?", message=f"This deletes the {what}."
        )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Delete it: at once for scripts, in the background when the user has confirmed."""
        if not self.confirmed or bpy.app.background:
            return ModelOperator.execute(self, context)
        bpy.ops.avatarmmc.remove_model(
            "INVOKE_DEFAULT", model=self.model, stray=self.stray, confirmed=True
        )
        return {"FINISHED"}

    def new_task(self, context: bpy.types.Context) -> ModelTask:
        """Delete on the thread; disks can take their time."""
        model, stray = self.model, self.stray

        def remove(callback: Progress) -> str:
            callback("removing", 0.0)
            model_actions.remove_model(model, stray)
            return model

        return ModelTask(remove)

    def finish(self, context: bpy.types.Context, made: str) -> str:
        """Name what was deleted."""
        return f"Removed {made}"


class AVATARMMC_OT_refresh_models(bpy.types.Operator):
    """Read the list of models again, after it was changed outside this Blender"""

    bl_idname = "avatarmmc.refresh_models"
    bl_label = "Refresh Models"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read the list."""
        refresh(context)
        return {"FINISHED"}


class AVATARMMC_OT_cancel_model(bpy.types.Operator):
    """Stop the work on a model; nothing is changed"""

    bl_idname = "avatarmmc.cancel_model"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There must be something to cancel."""
        return current_model_task() is not None and not current_model_task().cancelled

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask the task to end."""
        current_model_task().cancel()
        return {"FINISHED"}


class AVATARMMC_OT_model_licence(bpy.types.Operator):
    """Read under which terms this model may be used"""

    bl_idname = "avatarmmc.model_licence"
    bl_label = "Licence"

    model: bpy.props.StringProperty(name="Model")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show the licence in a box."""
        licences = {shown.info.id: shown.info.licence for shown in shown_models()}
        text = licences.get(self.model, "There is no such model.")
        lines = [line for part in text.splitlines() for line in wrapped(part)]

        def draw(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
            for line in lines:
                menu.layout.label(text=line)

        context.window_manager.popup_menu(draw, title=self.model, icon="INFO")
        return {"FINISHED"}


class AVATARMMC_OT_choose_model(bpy.types.Operator):
    """Make the next head with this model"""

    bl_idname = "avatarmmc.choose_model"
    bl_label = "Choose Model"
    bl_options = {"REGISTER", "UNDO"}

    model: bpy.props.StringProperty(name="Model", default=BUNDLED_MODEL)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the model of the scene."""
        context.scene.avatarmmc.model = self.model
        return {"FINISHED"}


CLASSES = (
    AVATARMMC_OT_add_model,
    AVATARMMC_OT_verify_model,
    AVATARMMC_OT_remove_model,
    AVATARMMC_OT_refresh_models,
    AVATARMMC_OT_cancel_model,
    AVATARMMC_OT_model_licence,
    AVATARMMC_OT_choose_model,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
