"""Work on official models in the background: one job at a time, with progress for the window."""

from __future__ import annotations

from collections.abc import Callable

from .errors import Cancelled
from .jobs import Job, Progress

# The task that runs now, if any: what the preferences show and Cancel ends.
_current: ModelTask | None = None


def current_model_task() -> ModelTask | None:
    """Return the running task, or None."""
    return _current


class ModelTask:
    """`work(callback)` on a thread; call `step` every tick until it returns True."""

    def __init__(self, work: Callable[[Progress], object]):
        self.stage, self.fraction = "starting", 0.0
        self.result: object = None
        self._job = Job(work)
        self._cancelled = False

    def start(self) -> None:
        """Start the job; raises RuntimeError if another task runs."""
        global _current
        if _current is not None:
            raise RuntimeError("expected no running task")
        _current = self
        self._job.start()

    def cancel(self) -> None:
        """End the task; the next `step` raises Cancelled."""
        self._cancelled = True
        self._job.cancel()

    def step(self) -> bool:
        """Return whether the work is done, with its `result`; raise what it raised."""
        if self._job.running and not self._cancelled:
            stage, fraction = self._job.progress
            self.stage, self.fraction = stage or self.stage, fraction
            return False
        try:
            if self._cancelled:
                raise Cancelled()
            self.result = self._job.result()
        finally:
            self.finish()
        return True

    def finish(self) -> None:
        """Cancel what still runs and make room for another task."""
        global _current
        self._job.cancel()
        if _current is self:
            _current = None


def unregister() -> None:
    """End the running task."""
    if _current is not None:
        job = _current._job
        _current.finish()
        job.join(5.0)


def register() -> None:
    """Nothing is to be registered."""
