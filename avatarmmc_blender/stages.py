"""The stages of making a head: their names, their usual share of the time, and a clock."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[str, float], None]

# Share of the whole that each stage takes on a processor; makes one progress bar of them.
STAGES = {
    "latent": 0.01,
    "planes": 0.07,
    "surface": 0.22,
    "fit": 0.15,
    "bake": 0.25,
    "hair": 0.25,
    "rig": 0.05,
}


def overall_fraction(stage: str, fraction: float) -> float:
    """Return how much of the whole is done when `stage` is done to `fraction` (0 to 1)."""
    names = list(STAGES)
    if stage not in STAGES:
        raise ValueError(f"expected a stage of {', '.join(names)}, got {stage!r}")
    before = sum(STAGES[name] for name in names[: names.index(stage)])
    return (before + STAGES[stage] * min(max(fraction, 0.0), 1.0)) / sum(STAGES.values())


class StageClock:
    """A progress callback that passes on to another and adds up the seconds of each stage.

    Time belongs to the stage named last; a stage that comes again goes on counting.
    """

    def __init__(self, callback: Progress | None = None):
        self.seconds: dict[str, float] = {}
        self._callback = callback
        self._stage: str | None = None
        self._fraction = 0.0
        self._since = time.perf_counter()

    def __call__(self, stage: str, fraction: float) -> None:
        """Note that `stage` is done to `fraction`; whatever the callback raises goes through."""
        self._switch(stage)
        self._fraction = fraction
        if self._callback is not None:
            self._callback(stage, fraction)

    def tick(self) -> None:
        """Repeat the last progress, so that the callback can end the work in the midst of it."""
        if self._callback is not None and self._stage is not None:
            self._callback(self._stage, self._fraction)

    def stop(self) -> dict[str, float]:
        """End the running stage and return the seconds of all, with their "total"."""
        self._switch(None)
        return {**self.seconds, "total": sum(self.seconds.values())}

    def _switch(self, stage: str | None) -> None:
        now = time.perf_counter()
        if self._stage is not None:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = stage, now
