"""What is done in the background: a job on a thread, then what is for Blender's own thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from .jobs import Job, Progress

Made = TypeVar("Made")

# The task that runs now, if any: what panels and preferences show and Cancel ends.
_current: Task | None = None


def running_task() -> Task | None:
    """Return the running task, or None."""
    return _current


class Task(Generic[Made]):
    """`work(callback)` on a thread; call `step` every tick until it returns True.

    What the work of a cancelled task made in spite of that is given to `drop`, if there is one.
    """

    def __init__(
        self,
        work: Callable[[Progress], Made],
        title: str,
        drop: Callable[[Made], None] | None = None,
    ):
        self.made: Made | None = None  # once `step` has returned True
        self.stage, self.fraction = "starting", 0.0
        self._work = work
        self._job = Job(work, title, drop)

    @property
    def cancelled(self) -> bool:
        """Whether the task is asked to end."""
        return self._job.cancelled

    @property
    def text(self) -> str:
        """What is going on, for people."""
        if self.cancelled:
            return "Cancelling…"
        return f"{self.stage[:1].upper()}{self.stage[1:]} {self.fraction:.0%}"

    def start(self) -> None:
        """Start the job; raises RuntimeError while another is running."""
        global _current
        self._job.start()
        _current = self

    def run(self) -> Made:
        """Do all of it now, on this thread; raises AvatarError."""
        return self._work(lambda stage, fraction: None)

    def cancel(self) -> None:
        """End the task; `step` raises Cancelled as soon as the job has ended."""
        self._job.cancel()

    def step(self) -> bool:
        """Do a little; return whether all is done; raise what the work raised."""
        try:
            finished = self._step()
        except BaseException:
            self.finish()
            raise
        if finished:
            self.finish()
        return finished

    def finish(self) -> None:
        """Cancel what still runs; other jobs can start as soon as this one has ended."""
        global _current
        self.cancel()
        self._job.release()
        if _current is self:
            _current = None

    def _step(self) -> bool:
        if self._job.running:
            stage, fraction = self._job.progress
            self._show(stage or self.stage, fraction)
            return False
        made = self._job.result()
        if not self._complete(made):
            return False
        self.made = made
        return True

    def _show(self, stage: str, fraction: float) -> None:
        self.stage, self.fraction = stage, fraction

    def _complete(self, made: Made) -> bool:
        """Do a little of what only Blender's thread may do; return whether it is done."""
        return True


def register() -> None:
    """Nothing is to be registered."""


def unregister() -> None:
    """End the running task."""
    task = running_task()
    if task is not None:
        task.finish()
