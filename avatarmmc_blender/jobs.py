"""One long call on its own thread, with progress and cancel for the main thread."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from .errors import Cancelled
from .models import import_torch

Result = TypeVar("Result")
Progress = Callable[[str, float], None]

# While a job runs the interpreter is offered to Blender's own thread this often (seconds), so
# that the window is drawn between two Python steps of the job.
SWITCH_INTERVAL = 0.001


class Job(Generic[Result]):
    """Runs `work(callback)` on a thread; `work` must not touch Blender's data.

    `work` reports by calling `callback(stage, fraction)`; after `cancel` that call raises
    Cancelled, which ends the work.  All methods are for the thread that made the job.
    """

    def __init__(self, work: Callable[[Progress], Result]):
        self._work = work
        self._cancelled = threading.Event()
        self._progress: tuple[str, float] = ("", 0.0)
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="AvatarMMC job", daemon=True)

    @property
    def progress(self) -> tuple[str, float]:
        """The last reported stage and its finished fraction (0 to 1)."""
        return self._progress

    @property
    def running(self) -> bool:
        """Whether the work goes on."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the work."""
        self._thread.start()

    def cancel(self) -> None:
        """Ask the work to end; it does at its next report of progress."""
        self._cancelled.set()

    def join(self, seconds: float | None = None) -> None:
        """Wait for the end of the work, at most `seconds`."""
        self._thread.join(seconds)

    def result(self) -> Result:
        """Return what the finished work returned, or raise what it raised."""
        if self._cancelled.is_set():
            raise Cancelled()
        if self._error is not None:
            raise self._error
        return self._result

    def _report(self, stage: str, fraction: float) -> None:
        if self._cancelled.is_set():
            raise Cancelled()
        self._progress = (stage, fraction)

    def _run(self) -> None:
        interval = sys.getswitchinterval()
        sys.setswitchinterval(min(interval, SWITCH_INTERVAL))
        try:
            _leave_a_core()
            self._result = self._work(self._report)
        except Exception as error:
            self._error = error
        finally:
            sys.setswitchinterval(interval)


def _leave_a_core() -> None:
    """Let PyTorch use all cores but one on this thread, so that Blender can draw."""
    torch = import_torch()
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
