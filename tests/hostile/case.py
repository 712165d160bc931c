"""What every case has, and the places in a file where it puts its attack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.pickle_writer import (
    Call,
    Name,
    persistent,
    pickled,
)


@dataclass(frozen=True)
class HostileFile:
    """One case; `reader` is checkpoint, flame or landmarks."""

    name: str
    data: bytes
    reader: str = "checkpoint"
    suffix: str = ".pkl"


def holding(payload: Any) -> bytes:
    """A file that looks like a release and holds `payload` beside a generator of no parts."""
    return pickled({"payload": payload, "G_ema": persistent("TriPlaneGenerator", {})})


def storage(data: bytes) -> Call:
    return Call(Name("torch.storage", "_load_from_bytes"), (data,))
