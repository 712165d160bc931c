"""What operators share that do something on a thread: progress, cancel, one undo step."""

from __future__ import annotations

from typing import Any

import bpy

from . import live_preview
from .errors import AvatarError, Cancelled
from .jobs import running_job
from .task import Task

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
    """Does its task in the background when invoked, and at once when called from a script.

    Operators add `new_task(context)`, which reads what is asked for into a Task and raises
    AvatarError if that cannot be done.
    """

    _task: Task | None = None
    _timer: bpy.types.Timer | None = None
    _shown = ""

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Start in the background."""
        try:
            self._task = self.new_task(context)
        except AvatarError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        live_preview.clear()  # what a cancelled job may have left in its last step
        self._task.start()
        manager = context.window_manager
        self._timer = manager.event_timer_add(TICK_SECONDS, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Show progress until the task is done."""
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            if not self._task.step():
                self._show(context)
                return {"PASS_THROUGH"}
            self._stop(context)
            message = self.finish(context, self._task.made)
        except Cancelled as error:
            return self._fail(context, {"INFO"}, str(error))
        except AvatarError as error:
            return self._fail(context, {"ERROR"}, str(error))
        except Exception:
            self._fail(context, {"ERROR"}, "This failed; see Blender's console.")
            raise
        return self._succeed(context, message)

    def cancel(self, context: bpy.types.Context) -> None:
        """End the task because its window is closed or another file is loaded."""
        self._task.finish()
        self._stop(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Return when the task is done, for scripts."""
        try:
            message = self.finish(context, self.new_task(context).run())
        except AvatarError as error:
            return self._fail(context, {"ERROR"}, str(error))
        return self._succeed(context, message)

    def finish(self, context: bpy.types.Context, made: Any) -> str:
        """Show what was made; return what is to be told of it, if anything."""
        return ""

    def ended(self, context: bpy.types.Context) -> None:
        """Draw anew what the task may have changed, done or not."""

    def _show(self, context: bpy.types.Context) -> None:
        text, fresh = self._task.text, live_preview.refresh()
        if fresh or text != self._shown:  # drawing takes the window's time
            self._shown = text
            context.workspace.status_text_set(f"AvatarMMC: {text}")
            redraw_progress(context)

    def _succeed(self, context: bpy.types.Context, message: str) -> set[str]:
        self.ended(context)
        if message:
            self.report({"INFO"}, message)
        return {"FINISHED"}

    def _fail(self, context: bpy.types.Context, kind: set[str], message: str) -> set[str]:
        self._stop(context)
        self.ended(context)
        self.report(kind, message)
        return {"CANCELLED"}

    def _stop(self, context: bpy.types.Context) -> None:
        """Show no progress any more."""
        live_preview.clear()
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
            if context.workspace is not None:
                context.workspace.status_text_set(None)
        redraw_progress(context)


def redraw_progress(context: bpy.types.Context) -> None:
    """Draw the sidebars and the preferences anew, which show a task's progress."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()
            elif area.type in ("VIEW_3D", "IMAGE_EDITOR"):
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
