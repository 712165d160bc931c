"""The stages of making heads: their names, their usual length, and a clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

Progress = Callable[[str, float], None]

# Share of the time of one head that each stage takes on a processor, once its latent is known, in
# the order in which they come.
HEAD_STAGES = {
    "planes": 0.07,
    "surface": 0.22,
    "fit": 0.16,
    "bake": 0.25,
    "rig": 0.05,
    "hair": 0.25,
}
# What a seed alone needs before; answers to more than that have stages of their own.
SEED_STAGES = {"latent": 0.01}
STAGES = SEED_STAGES | HEAD_STAGES


class WholeProgress:
    """Passes on how much of a stage is done as how much of the whole request is done, 0 to 1.

    before: what comes before the heads, stage by stage, in units of the time of one head.
    """

    def __init__(self, callback: Progress, before: Mapping[str, float], heads: int = 1):
        self._callback, self._heads = callback, heads
        self._starts: dict[str, tuple[float, float]] = {}
        self._before, self._head = 0.0, 0
        for name, length in before.items():
            self._starts[name] = (self._before, length)
            self._before += length
        begun = 0.0
        total = sum(HEAD_STAGES.values())
        for name, share in HEAD_STAGES.items():
            self._starts[name] = (self._before + begun, share / total)
            begun += share / total

    def start_head(self, index: int) -> None:
        """Say that the stages that follow are those of head `index`, from 0."""
        self._head = index

    def __call__(self, stage: str, fraction: float) -> None:
        """Pass on that `stage` is done to `fraction`; of several heads the number is shown."""
        if stage not in self._starts:
            raise ValueError(f"expected a stage of {', '.join(self._starts)}, got {stage!r}")
        start, length = self._starts[stage]
        done = start + length * min(max(fraction, 0.0), 1.0)
        shown = stage
        if stage in HEAD_STAGES:
            done += self._head
            if self._heads > 1:
                shown = f"{stage} {self._head + 1}/{self._heads}"
        self._callback(shown, done / (self._before + self._heads))


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
