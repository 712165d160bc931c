"""Heads in the window: a job on a thread, then the scene in short steps on the main thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Generic, TypeVar

import bpy
import numpy as np

from .errors import Cancelled
from .jobs import Job, Progress
from .materials import encode_images
from .metadata import head_metadata
from .scene import NewHead, build_all, build_steps, head_name
from .settings import GenerateSettings
from .version import VERSION

if TYPE_CHECKING:
    from .pipeline import GeneratedHead

STEP_SECONDS = 0.02  # scene steps of one tick stop after this time
JOB_SHARE = 0.95  # of the progress bar; the rest is building the scene

Made = TypeVar("Made")
HeadWork = Callable[[Progress], list[NewHead]]  # on any thread; touches no Blender data

# The task that runs now, if any: what the panel shows and Cancel ends.
_current: GenerateTask | None = None


def current_task() -> GenerateTask | None:
    """Return the running task, or None."""
    return _current


def heads_of(
    settings: GenerateSettings, pixels: Mapping[str, np.ndarray] | None = None
) -> HeadWork:
    """Return the work of making the heads of `settings`; pixels as `pipeline.generate` takes."""

    def make(callback: Progress) -> Sequence[GeneratedHead]:
        from .pipeline import generate  # loads PyTorch, so not before the first job

        return generate(settings, callback, pixels)

    return encoded(make)


def encoded(make: Callable[[Progress], Sequence[GeneratedHead]]) -> HeadWork:
    """Return the work of making heads as `make` does, and the PNG files of their images."""
    return lambda callback: [new_head(generated) for generated in make(callback)]


def new_head(generated: GeneratedHead) -> NewHead:
    """Return `generated` as a scene takes it; touches no Blender data."""
    name = head_name(generated.settings.seed)
    images = encode_images(generated.rigged)
    return NewHead(generated.rigged, name, metadata_of(generated), images)


def metadata_of(generated: GeneratedHead) -> dict[str, str]:
    """Return what the scene keeps of how `generated` was made."""
    settings = generated.settings.as_dict()
    evidence = None if generated.evidence is None else generated.evidence.encode()
    return head_metadata(settings, generated.latent, generated.report, VERSION, evidence)


def add_to_scene(generated: GeneratedHead) -> bpy.types.Collection:
    """Add `generated` to the current scene with its metadata and return the collection."""
    return build_all([new_head(generated)])[0]


class GenerateTask(Generic[Made]):
    """What a thread makes on its way into the file; call `step` every tick until it returns True.

    work(callback) makes it and touches no Blender data; build(made) adds it in short steps that
    can be taken back, heads to the scene by default.
    """

    def __init__(
        self,
        work: Callable[[Progress], Made],
        build: Callable[[Made], Iterator[float]] = build_steps,
        title: str = "A head is being made",
    ):
        self.made: Made | None = None  # once it is in the file
        self.stage = "Starting"
        self.fraction = 0.0
        self.waiting = False  # for the user to leave a mode in which the scene cannot be changed
        self._work, self._build = work, build
        self._job = Job(work, title)
        self._builder: Iterator[float] | None = None

    def start(self) -> None:
        """Start the job; raises RuntimeError while another is running."""
        global _current
        self._job.start()
        _current = self

    def run(self) -> Made:
        """Do all of it now, on this thread; raises AvatarError."""
        made = self._work(lambda stage, fraction: None)
        for _ in self._build(made):
            pass
        return made

    @property
    def cancelled(self) -> bool:
        """Whether the task is asked to end."""
        return self._job.cancelled

    def cancel(self) -> None:
        """End the task; `step` raises Cancelled as soon as the job has ended."""
        self._job.cancel()
        self.pause_building()

    def pause_building(self) -> None:
        """Take back what is half built; the next `step` begins it anew.

        For the moments before undo and loading a file, which end the life of all data-blocks.
        """
        if self._builder is not None:
            self._builder.close()
            self._builder = None

    def step(self) -> bool:
        """Do a little; return whether the heads are in the scene.

        Raises AvatarError if the job failed or was cancelled; the scene is then as it was.
        """
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
            if stage:
                self.stage, self.fraction = stage, JOB_SHARE * fraction
            return False
        if self.cancelled:
            raise Cancelled()
        made = self._job.result()
        self.stage = "scene"
        self.waiting = not _scene_can_change()
        return not self.waiting and self._go_on_building(made)

    def _go_on_building(self, made: Made) -> bool:
        if self._builder is None:
            self._builder = self._build(made)
        deadline = perf_counter() + STEP_SECONDS
        while perf_counter() < deadline:
            try:
                built = next(self._builder)
            except StopIteration:
                self._builder, self.made = None, made
                return True
            self.fraction = JOB_SHARE + (1.0 - JOB_SHARE) * built
        return False


def _scene_can_change() -> bool:
    """Whether objects can be added now and undone as one step: no edit mode, no render."""
    return bpy.context.mode == "OBJECT" and not bpy.app.is_job_running("RENDER")


@bpy.app.handlers.persistent
def before_undo(*_: object) -> None:
    """Take back a half-built head before undo or redo reads the whole file anew."""
    if _current is not None:
        _current.pause_building()


@bpy.app.handlers.persistent
def before_load(*_: object) -> None:
    """End the task before another file is loaded."""
    if _current is not None:
        _current.finish()


def register() -> None:
    """Listen to undo and loading."""
    bpy.app.handlers.undo_pre.append(before_undo)
    bpy.app.handlers.redo_pre.append(before_undo)
    bpy.app.handlers.load_pre.append(before_load)


def unregister() -> None:
    """End the running task and listen no more."""
    if _current is not None:
        _current.finish()
    bpy.app.handlers.undo_pre.remove(before_undo)
    bpy.app.handlers.redo_pre.remove(before_undo)
    bpy.app.handlers.load_pre.remove(before_load)
