"""Reading forward through bytes that nobody trusts: every length is checked before it is used."""

from __future__ import annotations

import struct

from .errors import CheckpointError, TruncatedError

# Longest line of a text opcode other than STRING and UNICODE: names, numbers, memo indices.
LINE_LIMIT = 1024


class Cursor:
    """A position in `data`; what is taken is a view, nothing is copied."""

    def __init__(self, data: bytes | memoryview):
        self.data = memoryview(data).toreadonly().cast("B")
        self.position = 0
        self.end = len(self.data)

    @property
    def remaining(self) -> int:
        """Bytes that are left."""
        return self.end - self.position

    def take(self, count: int) -> memoryview:
        """Return the next `count` bytes; raise TruncatedError if there are fewer."""
        start, stop = self.position, self.position + count
        if not 0 <= count <= self.end - start:
            raise TruncatedError(f"{count} bytes are announced where {self.end - start} are left")
        self.position = stop
        return self.data[start:stop]

    def byte(self) -> int:
        """Return the next byte."""
        position = self.position
        if position >= self.end:
            raise TruncatedError("its end is missing")
        self.position = position + 1
        return self.data[position]

    def number(self, layout: struct.Struct) -> int | float:
        """Return one number of a fixed layout."""
        position = self.position
        if self.end - position < layout.size:
            raise TruncatedError("its end is missing")
        self.position = position + layout.size
        return layout.unpack_from(self.data, position)[0]

    def line(self, limit: int | None = LINE_LIMIT) -> memoryview:
        """Return the bytes up to the next newline and step over it."""
        room = self.remaining if limit is None else min(limit, self.remaining)
        window = self.data[self.position : self.position + room]
        length = _find_newline(window)
        if length < 0:
            if room == self.remaining:
                raise TruncatedError("its end is missing")
            raise CheckpointError("has an overlong line where a name or a number belongs")
        self.position += length + 1
        return window[:length]


def _find_newline(window: memoryview) -> int:
    """Return the index of the first newline, or -1; searched in pieces to copy little."""
    piece = 1 << 16
    for start in range(0, len(window), piece):
        found = bytes(window[start : start + piece]).find(b"\n")
        if found >= 0:
            return start + found
    return -1
