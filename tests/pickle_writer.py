"""Writes pickles from parts, byte by byte: files laid out like releases, and hostile ones.

`Name`, `Call` and `New` become the opcodes that name, call and build things, so that no class has
to exist.  Protocol 0 is the text form that Python 2 wrote by default, 2 its binary form, and 4 what
released generators use.
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Name:
    """A class or function by its name."""

    module: str
    name: str


@dataclass(frozen=True)
class Call:
    """REDUCE: what `target(*args)` returns, then BUILD with `state` unless it is None."""

    target: Any
    args: tuple = ()
    state: Any = None


@dataclass(frozen=True)
class New:
    """NEWOBJ: an object of a class without its constructor run, then BUILD with `state`."""

    cls: Any
    args: tuple = ()
    state: Any = None


@dataclass(frozen=True)
class Raw:
    """Opcodes as they are, which leave one value."""

    opcodes: bytes


@dataclass
class PickleWriter:
    """Collects the opcodes of one pickle."""

    protocol: int = 4
    python2: bool = False
    out: io.BytesIO = field(default_factory=io.BytesIO)

    def put(self, value: Any) -> PickleWriter:
        """Append the opcodes that leave `value`."""
        write = self.out.write
        if isinstance(value, Raw):
            write(value.opcodes)
        elif isinstance(value, Name):
            self._name(value)
        elif isinstance(value, Call | New):
            self._object(value)
        elif value is None:
            write(b"N")
        elif isinstance(value, bool):
            text, binary = (b"I01\n", b"\x88") if value else (b"I00\n", b"\x89")
            write(text if self.protocol < 2 else binary)
        elif isinstance(value, int):
            write(f"L{value}L\n".encode() if self.protocol < 2 else _long(value))
        elif isinstance(value, float):
            write(
                f"F{value!r}\n".encode() if self.protocol < 1 else b"G" + struct.pack(">d", value)
            )
        elif isinstance(value, str):
            self._text(value)
        elif isinstance(value, bytes):
            self._bytes(value)
        else:
            self._container(value)
        return self

    def done(self) -> bytes:
        """Return the pickle."""
        head = b"" if self.protocol < 2 else b"\x80" + bytes([self.protocol])
        return head + self.out.getvalue() + b"."

    def _name(self, value: Name) -> None:
        if self.protocol < 4:
            self.out.write(f"c{value.module}\n{value.name}\n".encode())
        else:
            self.put(value.module).put(value.name).out.write(b"\x93")

    def _object(self, value: Call | New) -> None:
        self.put(value.target if isinstance(value, Call) else value.cls).put(value.args)
        self.out.write(b"R" if isinstance(value, Call) else b"\x81")
        if value.state is not None:
            self.put(value.state).out.write(b"b")

    def _text(self, value: str) -> None:
        if self.python2:
            return self._bytes(value.encode("latin-1"))
        data = value.encode()
        if self.protocol < 1:
            self.out.write(b"V" + value.encode("raw-unicode-escape") + b"\n")
        elif self.protocol >= 4 and len(data) < 256:
            self.out.write(b"\x8c" + bytes([len(data)]) + data)
        else:
            self.out.write(b"X" + struct.pack("<I", len(data)) + data)

    def _bytes(self, value: bytes) -> None:
        if self.python2 and self.protocol < 1:
            self.out.write(b"S" + repr(value)[1:].encode() + b"\n")
        elif self.python2:
            short = len(value) < 256
            length = bytes([len(value)]) if short else struct.pack("<I", len(value))
            self.out.write((b"U" if short else b"T") + length + value)
        else:
            self.out.write(b"B" + struct.pack("<I", len(value)) + value)

    def _container(self, value: Any) -> None:
        write = self.out.write
        if isinstance(value, tuple):
            write(b"(")
            for item in value:
                self.put(item)
            write(b"t")
        elif isinstance(value, list):
            write(b"(l(" if self.protocol < 1 else b"](")
            for item in value:
                self.put(item)
            write(b"e")
        elif isinstance(value, dict):
            write(b"(d(" if self.protocol < 1 else b"}(")
            for key, item in value.items():
                self.put(key).put(item)
            write(b"u")
        elif isinstance(value, set):
            self._object(Call(Name("__builtin__", "set"), (sorted(value),)))
        else:
            raise TypeError(f"no opcodes for {type(value).__name__}")


def pickled(value: Any, protocol: int = 4, python2: bool = False) -> bytes:
    """Return the pickle of `value`."""
    return PickleWriter(protocol, python2).put(value).done()


def _long(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


ORDERED_DICT = Call(Name("collections", "OrderedDict"))


def stream(tensor: Tensor) -> bytes:
    """Return the legacy stream of a tensor's storage, as PyTorch itself nests it."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(tensor.storage(), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def tensor_parts(tensor: Tensor, device: str = "cpu") -> Call:
    """Return a tensor as released files hold it; `device` as if it had been saved there."""
    data = stream(tensor)
    if device != "cpu":
        data = data.replace(
            b"X\x03\x00\x00\x00cpu", b"X" + struct.pack("<I", len(device)) + device.encode()
        )
    storage = Call(Name("torch.storage", "_load_from_bytes"), (data,))
    parts = (storage, tensor.storage_offset(), tuple(tensor.shape), tuple(tensor.stride()))
    return Call(Name("torch._utils", "_rebuild_tensor_v2"), (*parts, False, ORDERED_DICT))


def parameter_parts(tensor: Tensor) -> Call:
    """Return a tensor as a parameter."""
    rebuild = Name("torch._utils", "_rebuild_parameter")
    return Call(rebuild, (tensor_parts(tensor), False, ORDERED_DICT))


def array_parts(array: np.ndarray, python2: bool = False) -> Call:
    """Return an array as NumPy's own reduction has it."""
    name = Name("numpy.core.multiarray", "_reconstruct")
    dtype = Call(
        Name("numpy", "dtype"),
        (array.dtype.str[1:], 0, 1),
        (3, array.dtype.str[0], None, None, None, -1, -1, 0),
    )
    data = array.tobytes()
    state = (1, tuple(array.shape), dtype, False, data.decode("latin-1") if python2 else data)
    return Call(name, (Name("numpy", "ndarray"), (0,), "b" if python2 else b"b"), state)


def persistent(class_name: str, state: dict, source: str = "# no source\n") -> Call:
    """Return a network module as the public programs save theirs: with its source."""
    meta = {
        "type": "class",
        "version": 6,
        "module_src": source,
        "class_name": class_name,
        "state": state,
    }
    return Call(Name("torch_utils.persistence", "_reconstruct_persistent_obj"), (meta,))
