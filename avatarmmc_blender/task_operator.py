"""What operators share that make something on a thread: progress, cancel, one undo step."""

from __future__ import annotations

from typing import Any

import bpy

from .errors import AvatarError, Cancelled
from .generate_task import GenerateTask
from .jobs import running_job

TICK_SECONDS = 0.05


class OneAtATime:
    """Waits for the job that runs, whichever operator began it."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only one thing is done at a time."""
        job = running_job()
        if job is not None:
            cls.poll_message_set(job.title)
        return job is None


class TaskOperator(OneAtATime):
    """Makes something in the background when invoked, and at once when called from a script.

    Operators add `new_task(context)`, which reads the scene into a GenerateTask and raises
    AvatarError if the scene does not allow it, and `finish(context, made)`, which is called once
    what was made is in the file.
    """

    _task: GenerateTask | None = None
    _timer: bpy.types.Timer | None = None
    _shown = ""

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Start in the background."""
        try:
            self._task = self.new_task(context)
        except AvatarError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self._task.start()
        manager = context.window_manager
        self._timer = manager.event_timer_add(TICK_SECONDS, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Show progress until what was made is in the file."""
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            finished = self._task.step()
        except Cancelled as error:
            return self._end(context, {"INFO"}, str(error))
        except AvatarError as error:
            return self._end(context, {"ERROR"}, str(error))
        except Exception:
            self._end(context, {"ERROR"}, "This could not be done; see Blender's console.")
            raise
        self._show(context)
        if not finished:
            return {"PASS_THROUGH"}
        self._stop_timer(context)
        self.finish(context, self._task.made)
        return {"FINISHED"}

    def cancel(self, context: bpy.types.Context) -> None:
        """End the task because its window is closed or another file is loaded."""
        self._task.finish()
        self._stop_timer(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Return when what was made is in the file, for scripts."""
        try:
            made = self.new_task(context).run()
        except AvatarError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.finish(context, made)
        return {"FINISHED"}

    def finish(self, context: bpy.types.Context, made: Any) -> None:
        """Show what is now in the file."""

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


def redraw_panels(context: bpy.types.Context) -> None:
    """Draw the sidebars anew, which show a task's progress."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "IMAGE_EDITOR"):
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
