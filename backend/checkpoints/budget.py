"""Bounds on what reading one file may cost, counted while it is read."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import CheckpointError

# A released Next3D file takes about 0.2 million opcodes with all that is nested in it, an EG3D
# file with both generators and the discriminator 0.5 million.
OPCODES = 2_000_000
# Everything that is costlier than a number: containers, objects, memo entries (about 250 bytes).
OBJECTS = 500_000
# Decoded text takes up to four bytes of memory for one of the file.
TEXT_BYTES = 16 << 20


@dataclass(slots=True)
class Budget:
    """What is left for one file, including the streams nested in it."""

    opcodes: int = OPCODES
    objects: int = OBJECTS
    text_bytes: int = TEXT_BYTES

    def spend_object(self) -> None:
        """Count one container, object or memo entry."""
        self.objects -= 1
        if self.objects < 0:
            raise CheckpointError(f"holds more than {OBJECTS} objects")

    def spend_text(self, count: int) -> None:
        """Count `count` bytes of text about to be decoded."""
        self.text_bytes -= count
        if self.text_bytes < 0:
            raise CheckpointError(f"holds more than {TEXT_BYTES >> 20} MiB of short texts")
