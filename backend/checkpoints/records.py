"""What stands for objects of a pickle: inert, nothing is imported and nothing is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .errors import CheckpointError


@dataclass(frozen=True, slots=True)
class GlobalName:
    """The name of a class or function; the thing itself is never looked up."""

    module: str
    name: str

    @property
    def path(self) -> str:
        """Dotted path."""
        return f"{self.module}.{self.name}"


@dataclass(slots=True)
class ModuleRecord:
    """A network module saved together with its source; the source is only ever text."""

    class_name: str
    source: LongText | str
    state: dict[str, Any]

    @property
    def source_text(self) -> str:
        """The embedded source, cut at 256 KiB."""
        return self.source if isinstance(self.source, str) else self.source.text(1 << 18)


@dataclass(slots=True)
class PlaceholderObject:
    """An object saved by reference to its class: constructor arguments and state, no behaviour."""

    cls: GlobalName
    args: tuple = ()
    state: Any = field(default=None)

    @property
    def class_name(self) -> str:
        """Name of the class without its module, since releases move modules around."""
        return self.cls.name


@dataclass(frozen=True, slots=True, eq=False)
class LongText:
    """A long string, left undecoded in the file: text may take four times the bytes it came from.

    `encoding` is utf-8 for unicode strings and latin-1 for the byte strings of Python 2.
    """

    view: memoryview
    encoding: str

    def text(self, limit: int) -> str:
        """Decode the first `limit` bytes."""
        return str(bytes(self.view[:limit]), self.encoding, "replace")

    def latin1_bytes(self) -> memoryview | bytearray:
        """Return the bytes that this text stands for when it was made by decoding latin-1."""
        if self.encoding == "latin-1":
            return self.view
        return _utf8_to_latin1(self.view)


def _utf8_to_latin1(view: memoryview) -> bytearray:
    """Transcode in pieces, so that no piece's text gets large."""
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")()
    out, piece = bytearray(), 1 << 20
    try:
        for start in range(0, len(view), piece):
            last = start + piece >= len(view)
            out += decoder.decode(bytes(view[start : start + piece]), last).encode("latin-1")
    except UnicodeError:
        raise CheckpointError("holds text where the bytes of an array belong") from None
    return out
