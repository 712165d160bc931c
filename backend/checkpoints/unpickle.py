"""Pickle files of strangers to inert records; nothing in them is imported or run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .budget import Budget
from .cursor import Cursor
from .errors import CheckpointError, about_file
from .file_bytes import read_file
from .machine import PickleMachine
from .names import ReleaseNames
from .opcodes import run
from .structure import check_structure


def read_pickle(source: Path | bytes | memoryview, *, encoding: str = "ascii") -> Any:
    """Return what a pickle holds: plain containers and the records of this package.

    `encoding` is that of the byte strings of Python 2 ("latin-1" for FLAME).  Raises
    CheckpointError naming what was found if it is cut off, recursive, too expensive, or uses
    anything outside the allow-list.
    """
    if isinstance(source, bytes | memoryview):
        return _read(memoryview(source), encoding)
    with about_file(Path(source).name, "a pickle of a released model"):
        return _read(memoryview(read_file(Path(source))), encoding)


def _read(data: memoryview, encoding: str) -> Any:
    cursor, budget = Cursor(data), Budget()
    value = run(PickleMachine(cursor, ReleaseNames(budget), budget, encoding))
    if cursor.remaining:
        raise CheckpointError(f"has {cursor.remaining} bytes behind its end")
    check_structure(value)
    return value
