"""Work on official models in the background."""

from __future__ import annotations

from collections.abc import Callable

from .jobs import Progress
from .task import Made, Task, running_task


class ModelTask(Task[Made]):
    """Work on a model: what the preferences show."""

    def __init__(
        self, work: Callable[[Progress], Made], drop: Callable[[Made], None] | None = None
    ):
        super().__init__(work, "A model is being worked on", drop)


def current_model_task() -> ModelTask | None:
    """Return the running task on a model, or None."""
    task = running_task()
    return task if isinstance(task, ModelTask) else None
