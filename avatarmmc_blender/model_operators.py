"""Operators on official models: add, verify, remove, read the licence, choose one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy

from . import model_actions
from .errors import AvatarError, Cancelled
from .jobs import Progress
from .model_cache import refresh_models, shown_models
from .model_list import wrapped
from .model_task import ModelTask, current_model_task
from .preferences import chosen_device
from .settings import BUNDLED_MODEL
from .task_operator import OneAtATime

TICK_SECONDS = 0.1


def refresh(context: bpy.types.Context) -> None:
    """Read the list of models again and draw it."""
    refresh_models()
    redraw(context)


def redraw(context: bpy.types.Context) -> None:
    """Draw preferences and sidebars anew, which show the models."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("PREFERENCES", "VIEW_3D"):
                area.tag_redraw()


class BackgroundOperator(OneAtATime):
    """Does its work on a thread when invoked, and at once when called from a script.

    Operators add `work()`, which returns a function of a callback that touches none of Blender's
    data, and `done(result)`, which makes that function's result last, on Blender's own thread, and
    returns what to tell of it.  A result that is not wanted any more is given to `drop`.
    """

    drop: Callable[[object], None] | None = None

    _task: ModelTask | None = None
    _timer: bpy.types.Timer | None = None

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Start in the background."""
        self._task = ModelTask(self.work(), self.drop)
        self._task.start()
        manager = context.window_manager
        self._timer = manager.event_timer_add(TICK_SECONDS, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Show progress until the work is done."""
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        redraw(context)
        try:
            if not self._task.step():
                return {"PASS_THROUGH"}
            message = self.done(self._task.result)
        except Cancelled as error:
            return self._end(context, {"INFO"}, str(error), {"CANCELLED"})
        except AvatarError as error:
            return self._end(context, {"ERROR"}, str(error), {"CANCELLED"})
        except Exception:
            self._end(context, {"ERROR"}, "This failed; see Blender's console.", {"CANCELLED"})
            raise
        return self._end(context, {"INFO"}, message, {"FINISHED"})

    def cancel(self, context: bpy.types.Context) -> None:
        """End the task because its window is closed."""
        self._task.finish()
        context.window_manager.event_timer_remove(self._timer)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Do the work and return when it is done, for scripts."""
        try:
            message = self.done(self.work()(lambda stage, fraction: None))
        except AvatarError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            refresh(context)
        self.report({"INFO"}, message)
        return {"FINISHED"}

    def _end(
        self, context: bpy.types.Context, kind: set[str], message: str, returned: set[str]
    ) -> set[str]:
        context.window_manager.event_timer_remove(self._timer)
        refresh(context)
        self.report(kind, message)
        return returned


class AVATARMMC_OT_add_model(BackgroundOperator, bpy.types.Operator):
    """Convert a released Next3D or EG3D file, with its FLAME file, and keep it for this computer"""

    bl_idname = "avatarmmc.add_model"
    bl_label = "Convert and Add"

    filepath: bpy.props.StringProperty(name="Generator", subtype="FILE_PATH")
    flame: bpy.props.StringProperty(name="FLAME", subtype="FILE_PATH")

    def work(self) -> Callable[[Progress], object]:
        """Convert on the thread."""
        path = Path(bpy.path.abspath(self.filepath))
        flame = Path(bpy.path.abspath(self.flame)) if self.flame else None
        return lambda callback: model_actions.prepare_model(path, flame, callback)

    def done(self, result: object) -> str:
        """Put the new model among the others and name it."""
        return f"Added {model_actions.keep_model(result).id}"

    @staticmethod
    def drop(result: object) -> None:
        """Delete what was converted."""
        result.discard()


class AVATARMMC_OT_verify_model(BackgroundOperator, bpy.types.Operator):
    """Check this model's shapes and values and render a test picture with it"""

    bl_idname = "avatarmmc.verify_model"
    bl_label = "Verify"

    model: bpy.props.StringProperty(name="Model")

    def work(self) -> Callable[[Progress], object]:
        """Verify on the thread."""
        model, device = self.model, chosen_device(bpy.context)
        return lambda callback: model_actions.verify_model(model, device, callback)

    def done(self, result: object) -> str:
        """Keep the picture and say what was found."""
        model_actions.keep_picture(result)
        return f"{result.model_id}: {result.tensors} tensors in order; {result.note}"

    @staticmethod
    def drop(result: object) -> None:
        """Forget the picture."""


class AVATARMMC_OT_remove_model(BackgroundOperator, bpy.types.Operator):
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
            return BackgroundOperator.invoke(self, context, event)
        self.confirmed = True
        what = "folder, which is no model, with all that is in it" if self.stray else "model"
        return context.window_manager.invoke_confirm(
            self, event, title=f"Delete {self.model}?", message=f"This deletes the {what}."
        )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Delete it: at once for scripts, in the background when the user has confirmed."""
        if not self.confirmed or bpy.app.background:
            return BackgroundOperator.execute(self, context)
        bpy.ops.avatarmmc.remove_model(
            "INVOKE_DEFAULT", model=self.model, stray=self.stray, confirmed=True
        )
        return {"FINISHED"}

    def work(self) -> Callable[[Progress], object]:
        """Delete on the thread; disks can take their time."""
        model, stray = self.model, self.stray

        def remove(callback: Progress) -> str:
            callback("removing", 0.0)
            model_actions.remove_model(model, stray)
            return model

        return remove

    def done(self, result: object) -> str:
        """Name what was deleted."""
        return f"Removed {result}"


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
