"""One long call at a time on its own thread, with progress and cancel for the main thread."""

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

QUIT_SECONDS = 1.0  # that disabling the add-on, and then quitting, may wait for a job


# The job beside which no other may start, if any.
_current: Job | None = None


def running_job() -> Job | None:
    """Return the job beside which no other may start: its thread runs or its owner needs it.

    What makes heads and what works on models share this one place.
    """
    global _current
    if _current is not None and _current.released and not _current.running:
        _current = None
    return _current


def end_job(seconds: float = QUIT_SECONDS) -> bool:
    """Ask the running job to end and wait at most `seconds`; return whether its thread ended."""
    job = _current
    if job is None:
        return True
    job.cancel()
    job.join(seconds)
    return not job.running


def leave_interpreter() -> None:
    """Let no job outlive Python, to be called at its exit.

    Python ends the threads that are left as soon as they come back from PyTorch, which aborts the
    whole process (a C++ frame may not be left like this).  Where a job does not end in time, in a
    long step of PyTorch, the process does: what Blender saves on quitting is written before.
    """
    if not end_job():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


class Job(Generic[Result]):
    """Runs `work(callback)` on a thread; `work` must not touch Blender's data.

    `work` reports by calling `callback(stage, fraction)`; after `cancel` that call raises
    Cancelled, which ends the work.  If the work ends nevertheless, what it made is given to `drop`,
    where there is one.  `title` says in a sentence's words what goes on, for whoever has to wait.
    All methods are for the thread that made the job.
    """

    def __init__(
        self,
        work: Callable[[Progress], Result],
        title: str = "A job is running",
        drop: Callable[[Result], None] | None = None,
    ):
        self.title = title
        self.released = False
        self._work = work
        self._drop = drop
        self._cancelled = threading.Event()
        self._progress: tuple[str, float] = ("", 0.0)
        self._made: list[Result] = []  # empty or one: whoever pops it may drop it
        self._taken = False
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

    @property
    def cancelled(self) -> bool:
        """Whether the work was asked to end."""
        return self._cancelled.is_set()

    def start(self) -> None:
        """Start the work; raises RuntimeError while another job is running."""
        global _current
        if running_job() is not None:
            raise RuntimeError(f"expected no running job, but: {_current.title}")
        _current = self
        self._thread.start()

    def cancel(self) -> None:
        """Ask the work to end; it does at its next report of progress."""
        self._cancelled.set()
        self._drop_made()

    def join(self, seconds: float | None = None) -> None:
        """Wait for the end of the work, at most `seconds`."""
        self._thread.join(seconds)

    def release(self) -> None:
        """Let other jobs start as soon as this one's thread has ended; the owner is through."""
        self.cancel()
        self.released = True

    def result(self) -> Result:
        """Return what the finished work returned, which now is the caller's, or raise its error.

        Raises Cancelled if what it made was dropped.
        """
        if self._error is not None:
            raise self._error
        if not self._made:
            raise Cancelled()
        self._taken = True
        return self._made[0]

    def _report(self, stage: str, fraction: float) -> None:
        if self._cancelled.is_set():
            raise Cancelled()
        self._progress = (stage, fraction)

    def _run(self) -> None:
        interval = sys.getswitchinterval()
        sys.setswitchinterval(min(interval, SWITCH_INTERVAL))
        try:
            _leave_a_core()
            self._made.append(self._work(self._report))
            if self.cancelled:
                self._drop_made()
        except Exception as error:
            self._error = error
        finally:
            sys.setswitchinterval(interval)

    def _drop_made(self) -> None:
        """Drop what the work made, unless it was taken; cancel and the thread's end both may."""
        if self._drop is None or self._taken:
            return
        try:
            made = self._made.pop()
        except IndexError:  # nothing yet, or the other thread was first
            return
        self._drop(made)


def _leave_a_core() -> None:
    """Let PyTorch use all cores but one on this thread, so that Blender can draw."""
    torch = import_torch()
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
