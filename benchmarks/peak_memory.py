"""The greatest memory that a block of code takes beside what was held before."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path

import torch


def resident() -> int:
    """Return the bytes of memory that this process holds (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


class PeakMemory:
    """The greatest memory above the start's while the block runs, in MB."""

    def __init__(self, device: str) -> None:
        self.device, self.megabytes = device, 0.0
        self._stop = threading.Event()

    def __enter__(self) -> PeakMemory:
        if self.device == "cpu":
            ctypes.CDLL(None).malloc_trim(0)  # else memory freed earlier hides what is used now
            self._start = resident()
            self._thread = threading.Thread(target=self._watch)
            self._thread.start()
        else:
            torch.cuda.reset_peak_memory_stats()
            self._start = torch.cuda.memory_allocated()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.megabytes = max(self.megabytes, (resident() - self._start) / 1e6)

    def __exit__(self, *_: object) -> None:
        if self.device == "cpu":
            self._stop.set()
            self._thread.join()
        else:
            self.megabytes = (torch.cuda.max_memory_allocated() - self._start) / 1e6
