"""The pickle machine: stack, memo and what its opcodes do (`opcodes.py` lists them).

Written out instead of derived from the standard library's unpickler, which allocates what a file
announces (a memo index of 2**31, a string of 10 GB) before it looks at what the file holds, and
whose opcodes end in calls.  Here no opcode imports, calls or sets anything: names stay names and
`Names` (see `names.py`) decides what an inert call stands for.
"""

from __future__ import annotations

import codecs
import struct
from typing import Any, Protocol

from .budget import Budget
from .cursor import Cursor
from .errors import CheckpointError, shown
from .records import GlobalName, LongText

# Longer strings stay views of the file, see LongText.
SHORT_TEXT = 1 << 16
INTEGER_BYTES = 64
MAX_PROTOCOL = 5

U8 = struct.Struct("<Q")


class Names(Protocol):
    """What a stream may name, and what its calls stand for."""

    def find(self, module: str, name: str) -> GlobalName: ...
    def call(self, target: GlobalName, args: tuple) -> Any: ...
    def new(self, cls: GlobalName, args: tuple) -> Any: ...
    def set_state(self, target: Any, state: Any) -> None: ...
    def persistent(self, key: Any) -> Any: ...


class PickleMachine:
    """State of reading one pickle from `cursor`; every opcode is a method or made of some."""

    def __init__(self, cursor: Cursor, names: Names, budget: Budget, encoding: str = "ascii"):
        self.cursor = cursor
        self.names = names
        self.budget = budget
        self.encoding = encoding
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def result(self) -> Any:
        """Return the one value that is left at the end."""
        value = self.pop()
        if self.stack or self.marks:
            raise CheckpointError("is a damaged pickle (values are left over at its end)")
        return value

    # Stack

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_object(self, value: Any) -> None:
        self.budget.spend_object()
        self.stack.append(value)

    def pop(self) -> Any:
        if not self.stack:
            raise CheckpointError("is a damaged pickle (a value is missing)")
        return self.stack.pop()

    def peek(self) -> Any:
        if not self.stack:
            raise CheckpointError("is a damaged pickle (a value is missing)")
        return self.stack[-1]

    def pop_many(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise CheckpointError("is a damaged pickle (a value is missing)")
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def mark(self) -> None:
        self.budget.spend_object()
        self.marks.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[Any]:
        if not self.marks:
            raise CheckpointError("is a damaged pickle (a mark is missing)")
        values, self.stack = self.stack, self.marks.pop()
        return values

    def pop_top(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.pop_mark()

    # Memo

    def store(self, index: int) -> None:
        if index not in self.memo:
            self.budget.spend_object()
        self.memo[index] = self.peek()

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise CheckpointError("is a damaged pickle (it recalls what it never stored)")
        self.push(self.memo[index])

    # Numbers and text

    def line_text(self) -> str:
        return _decode(self.cursor.line(), "ascii")

    def line_integer(self) -> int:
        return _integer(self.line_text())

    def line_value(self) -> None:
        text = self.line_text()
        # Protocol 0 writes booleans as the integers 00 and 01.
        self.push(text == "01" if text in ("00", "01") else _integer(text))

    def line_float(self) -> None:
        text = self.line_text()
        try:
            self.push(float(text))
        except ValueError:
            raise CheckpointError(f"has {shown(text)} where a number belongs") from None

    def long(self, count: int) -> None:
        if count > INTEGER_BYTES:
            raise CheckpointError(f"holds an integer of {count} bytes")
        self.push(int.from_bytes(self.cursor.take(count), "little", signed=True))

    def text(self, view: memoryview, encoding: str) -> None:
        if len(view) > SHORT_TEXT:
            return self.push_object(LongText(view, encoding))
        self.budget.spend_text(len(view))
        self.push(_decode(view, encoding))

    def byte_string(self, view: memoryview) -> None:
        """A string of Python 2: text or raw data, in the encoding the caller asked for."""
        self.text(view, self.encoding)

    def quoted_string(self) -> None:
        """STRING: a Python 2 literal; its escapes are undone, nothing is evaluated."""
        line = self.cursor.line(limit=None)
        quote = bytes(line[:1])
        if len(line) < 2 or quote not in (b"'", b'"') or bytes(line[-1:]) != quote:
            raise CheckpointError(
                "is a damaged pickle (a text without quotes; was the file's line ending changed?)"
            )
        self.budget.spend_object()
        try:
            self.byte_string(memoryview(codecs.escape_decode(line[1:-1])[0]))
        except ValueError:
            raise CheckpointError("is a damaged pickle (a text with a broken escape)") from None

    def quoted_unicode(self) -> None:
        line = self.cursor.line(limit=SHORT_TEXT)
        self.budget.spend_text(len(line))
        self.push(_decode(line, "raw-unicode-escape"))

    # Containers

    def append(self) -> None:
        value = self.pop()
        _extend(self.peek(), [value])

    def appends(self) -> None:
        values = self.pop_mark()
        _extend(self.peek(), values)

    def set_item(self) -> None:
        pair = self.pop_many(2)
        _update(self.peek(), pair)

    def set_items(self) -> None:
        values = self.pop_mark()
        _update(self.peek(), values)

    def add_items(self) -> None:
        values = self.pop_mark()
        target = self.peek()
        if type(target) is not set:
            raise CheckpointError(f"adds set items to {shown(target)}")
        target.update(checked_key(value) for value in values)

    def dict_from_mark(self) -> None:
        values = self.pop_mark()
        self.push_object({})
        _update(self.peek(), values)

    def frozen_from_mark(self) -> None:
        values = self.pop_mark()
        self.push_object(frozenset(checked_key(value) for value in values))

    # Names and objects

    def find(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise CheckpointError("names a class by something that is no text")
        self.push(self.names.find(module, name))

    def find_lines(self) -> None:
        module = self.line_text()
        self.find(module, self.line_text())

    def reduce(self) -> None:
        target, args = self.pop_many(2)
        self.push_object(self.names.call(*_callable(target, args)))

    def new_object(self) -> None:
        target, args = self.pop_many(2)
        self.push_object(self.names.new(*_callable(target, args)))

    def build(self) -> None:
        state = self.pop()
        self.names.set_state(self.peek(), state)

    def protocol(self) -> None:
        version = self.cursor.byte()
        if version > MAX_PROTOCOL:
            raise CheckpointError(f"is written in pickle protocol {version}")

    def frame(self) -> None:
        """Frames only say how much to read ahead; a length that lies means a cut-off file."""
        length = self.cursor.number(U8)
        if length > self.cursor.remaining:
            self.cursor.take(length)


def checked_key(value: Any) -> str | int | bytes | None:
    """Return `value` if it may be a key: hashing anything else can take exponential time."""
    plain = isinstance(value, str) or value is None
    small = isinstance(value, int) and value.bit_length() < 60
    if not (plain or small):
        raise CheckpointError(f"uses {shown(value)} as a key")
    return value


def _update(target: Any, values: list[Any]) -> None:
    if type(target) is not dict or len(values) % 2:
        raise CheckpointError(f"sets items of {shown(target)}")
    for key, value in zip(values[::2], values[1::2], strict=True):
        target[checked_key(key)] = value


def _extend(target: Any, values: list[Any]) -> None:
    if type(target) is not list:
        raise CheckpointError(f"appends to {shown(target)}")
    target.extend(values)


def _callable(target: Any, args: Any) -> tuple[GlobalName, tuple]:
    if not isinstance(target, GlobalName):
        raise CheckpointError(f"calls {shown(target)}")
    if type(args) is not tuple:
        raise CheckpointError(f"calls {shown(target.path)} with {shown(args)}")
    return target, args


def _decode(view: memoryview, encoding: str) -> str:
    try:
        return str(view, encoding)
    except UnicodeError:
        raise CheckpointError(f"holds text that is not {encoding}") from None


def _integer(text: str) -> int:
    digits = text.removesuffix("L")
    if len(digits) > 2 * INTEGER_BYTES or not digits.lstrip("+-").isdigit():
        raise CheckpointError(f"has {shown(text)} where an integer belongs")
    return int(digits)
