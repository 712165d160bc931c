"""Work on official models in the background: a job, with progress for the window."""

from __future__ import annotations

from collections.abc import Callable

from .jobs import Job, Progress

TITLE = "A model is being worked on"

# The task that runs now, if any: what the preferences show and Cancel ends.
_current: ModelTask | None = None


def current_model_task() -> ModelTask | None:
    """Return the running task, or None."""
    return _current


class ModelTask:
    """`work(callback)` on a thread; call `step` every tick until it returns True.

    What the work of a cancelled task made in spite of that is given to `drop`, if there is one.
    """

    def __init__(
        self, work: Callable[[Progress], object], drop: Callable[[object], None] | None = None
    ):
        self.stage, self.fraction = "starting", 0.0
        self.result: object = None
        self._job = Job(work, TITLE, drop)

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

    def cancel(self) -> None:
        """End the task; `step` raises Cancelled as soon as the job has ended."""
        self._job.cancel()

    def step(self) -> bool:
        """Return whether the work is done, with its `result`; raise what it raised."""
        if self._job.running:
            stage, fraction = self._job.progress
            self.stage, self.fraction = stage or self.stage, fraction
            return False
        try:
            self.result = self._job.result()
        finally:
            self.finish()
        return True

    def finish(self) -> None:
        """Cancel what still runs; other jobs can start as soon as this one has ended."""
        global _current
        self._job.release()
        if _current is self:
            _current = None


def unregister() -> None:
    """End the running task."""
    if _current is not None:
        _current.finish()


def register() -> None:
    """Nothing is to be registered."""
