"""The log of a training run: losses averaged over some steps, printed and kept in log.jsonl."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path

log = logging.getLogger("avatarmmc.training")


class RunLog:
    """Appends records to log.jsonl in a run's folder, which is made if it is not there."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.jsonl"
        self.started = self.last = time.monotonic()
        self.losses: dict[str, list[float]] = {}
        self.steps = 0

    def add(self, losses: Mapping[str, float]) -> None:
        """Take the losses of one step."""
        self.steps += 1
        for name, value in losses.items():
            self.losses.setdefault(name, []).append(value)

    def write_means(self, step: int) -> None:
        """Write the means of what was added since the last time, and how long steps took."""
        now = time.monotonic()
        record = {name: round(sum(own) / len(own), 5) for name, own in self.losses.items()}
        seconds = (now - self.last) / max(self.steps, 1)
        record |= {"step": step, "seconds_per_step": round(seconds, 4)}
        self.write(record | {"elapsed": round(now - self.started, 1)})
        self.losses, self.steps, self.last = {}, 0, now

    def write(self, record: Mapping[str, float | str]) -> None:
        """Print and keep one record."""
        log.info("%s", record)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
