"""Operators that make heads: generate, cancel, seed, attributes."""

import random

import bpy

from .errors import AvatarError, Cancelled
from .generate_task import GenerateTask, add_to_scene, current_task, generate_and_encode
from .jobs import running_job
from .metadata import find_rig, head_parts
from .placement import look_at
from .properties import reset_group, settings_from_panel
from .settings import SEED_LIMIT

TICK_SECONDS = 0.05


def redraw_panels(context: bpy.types.Context) -> None:
    """Draw the sidebars anew, which show a task's progress."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


class AVATARMMC_OT_generate(bpy.types.Operator):
    """Make a head from the seed and the attributes above"""

    bl_idname = "avatarmmc.generate"
    bl_label = "Generate Head"
    bl_options = {"REGISTER", "UNDO"}

    _task: GenerateTask | None = None
    _timer: bpy.types.Timer | None = None
    _shown = ""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only one thing is done at a time."""
        job = running_job()
        if job is not None:
            cls.poll_message_set(job.title)
        return job is None

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Start making the head in the background."""
        try:
            settings = settings_from_panel(context)
        except AvatarError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self._task = GenerateTask(settings)
        self._task.start()
        manager = context.window_manager
        self._timer = manager.event_timer_add(TICK_SECONDS, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Show progress; at the end add the head to the scene."""
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            finished = self._task.step()
        except Cancelled as error:
            return self._end(context, {"INFO"}, str(error))
        except AvatarError as error:
            return self._end(context, {"ERROR"}, str(error))
        except Exception:
            self._end(context, {"ERROR"}, "The head could not be made; see Blender's console.")
            raise
        self._show(context)
        if not finished:
            return {"PASS_THROUGH"}
        self._stop_timer(context)
        if context.scene.avatarmmc.look_at_head:
            look_at(head_parts(find_rig(context.object)))
        return {"FINISHED"}

    def cancel(self, context: bpy.types.Context) -> None:
        """End the task because its window is closed or another file is loaded."""
        self._task.finish()
        self._stop_timer(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the head and return when it is in the scene, for scripts."""
        try:
            settings = settings_from_panel(context)
            for head, images in generate_and_encode(settings, lambda stage, fraction: None):
                add_to_scene(head, images)
        except AvatarError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}

    def _show(self, context: bpy.types.Context) -> None:
        text = progress_text(self._task)
        if text != self._shown:  # drawing takes the window's time
            self._shown = text
            context.workspace.status_text_set(f"AvatarMMC: {text}")
            redraw_panels(context)

    def _end(self, context: bpy.types.Context, kind: set[str], message: str) -> set[str]:
        self._stop_timer(context)
        self.report(kind, message)
        return {"CANCELLED"}

    def _stop_timer(self, context: bpy.types.Context) -> None:
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
        if context.workspace is not None:
            context.workspace.status_text_set(None)
        redraw_panels(context)


def progress_text(task: GenerateTask) -> str:
    """Return what `task` is doing, for people."""
    if task.cancelled:
        return "Cancelling…"
    if task.waiting:
        return "Ready: return to Object Mode to add the head"
    return f"{task.stage.capitalize()} {task.fraction:.0%}"


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


def register() -> None:
    """Register the operators."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Unregister the operators."""
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
