"""Files of an attacker, and files broken on the way: each must end in one sentence.

Each case is a file name, its bytes and which reader gets it.  Code in a file would create the
canary file; what a file costs to read is measured by `driver.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.hostile.broken import cut_and_foreign, generators
from tests.hostile.case import HostileFile
from tests.hostile.execution import code_in_streams, executing_opcodes, named_functions
from tests.hostile.heads import archives, flame
from tests.hostile.sizes import announcements, multiplications
from tests.hostile.structures import structures, tensors


def hostile_files(canary: Path) -> Iterator[HostileFile]:
    """Return all cases; `canary` is what their code would write."""
    yield from named_functions(canary)
    yield from executing_opcodes(canary)
    yield from code_in_streams(canary)
    yield from announcements()
    yield from multiplications()
    yield from structures()
    yield from tensors()
    yield from generators()
    yield from cut_and_foreign()
    yield from flame(canary)
    yield from archives(canary)
