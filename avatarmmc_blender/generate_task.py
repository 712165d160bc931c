"""Heads in the window: a job on a thread, then the scene in short steps on the main thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import bpy
import numpy as np

from .errors import Cancelled
from .jobs import Progress
from .materials import encode_images
from .metadata import head_metadata
from .scene import NewHead, build_all, build_steps, head_name
from .settings import GenerateSettings
from .task import Made, Task, running_task
from .version import VERSION

if TYPE_CHECKING:
    from .pipeline import GeneratedHead

STEP_SECONDS = 0.02  # scene steps of one tick stop after this time
JOB_SHARE = 0.95  # of the progress bar; the rest is building the scene

HeadWork = Callable[[Progress], list[NewHead]]  # on any thread; touches no Blender data


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


class GenerateTask(Task[Made]):
    """What a thread makes on its way into the file.

    work(callback) makes it and touches no Blender data; build(made) adds it in short steps that
    can be taken back, heads to the scene by default.
    """

    def __init__(
        self,
        work: Callable[[Progress], Made],
        build: Callable[[Made], Iterator[float]] = build_steps,
        title: str = "A head is being made",
    ):
        super().__init__(work, title)
        self.waiting = False  # for the user to leave a mode in which the scene cannot be changed
        self._build = build
        self._builder: Iterator[float] | None = None

    @property
    def text(self) -> str:
        """What is going on, for people."""
        if self.waiting and not self.cancelled:
            return "Ready: return to Object Mode to add the head"
        return super().text

    def run(self) -> Made:
        """Do all of it now, on this thread; raises AvatarError."""
        made = super().run()
        for _ in self._build(made):
            pass
        return made

    def cancel(self) -> None:
        """End the task; `step` raises Cancelled when the job has ended; the file is as it was."""
        super().cancel()
        self.pause_building()

    def pause_building(self) -> None:
        """Take back what is half built; the next `step` begins it anew.

        For the moments before undo and loading a file, which end the life of all data-blocks.
        """
        if self._builder is not None:
            self._builder.close()
            self._builder = None

    def _show(self, stage: str, fraction: float) -> None:
        super()._show(stage, JOB_SHARE * fraction)

    def _complete(self, made: Made) -> bool:
        if self.cancelled:
            raise Cancelled()
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
                self._builder = None
                return True
            self.fraction = JOB_SHARE + (1.0 - JOB_SHARE) * built
        return False


def current_task() -> GenerateTask | None:
    """Return the running task that adds something to the file, or None."""
    task = running_task()
    return task if isinstance(task, GenerateTask) else None


def _scene_can_change() -> bool:
    """Whether objects can be added now and undone as one step: no edit mode, no render."""
    return bpy.context.mode == "OBJECT" and not bpy.app.is_job_running("RENDER")


@bpy.app.handlers.persistent
def before_undo(*_: object) -> None:
    """Take back a half-built head before undo or redo reads the whole file anew."""
    task = current_task()
    if task is not None:
        task.pause_building()


@bpy.app.handlers.persistent
def before_load(*_: object) -> None:
    """End the task before another file is loaded."""
    task = current_task()
    if task is not None:
        task.finish()


def register() -> None:
    """Listen to undo and loading."""
    bpy.app.handlers.undo_pre.append(before_undo)
    bpy.app.handlers.redo_pre.append(before_undo)
    bpy.app.handlers.load_pre.append(before_load)


def unregister() -> None:
    """Listen no more."""
    bpy.app.handlers.undo_pre.remove(before_undo)
    bpy.app.handlers.redo_pre.remove(before_undo)
    bpy.app.handlers.load_pre.remove(before_load)
