"""NumPy's dtypes, arrays and scalars inside pickles, rebuilt from their parts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import CheckpointError, shown
from .records import GlobalName, LongText

PLAIN_CODES = re.compile(r"[<>|=]?(f2|f4|f8|i1|i2|i4|i8|u1|u2|u4|u8|b1|O8?)")
MAX_DIMENSIONS = 8
MAX_SIDE = 1 << 31


@dataclass(slots=True)
class DTypeRecord:
    """A plain element type: numbers, booleans or objects."""

    code: str
    order: str = "="

    @property
    def is_object(self) -> bool:
        """Whether the elements are pickled objects."""
        return self.code.startswith("O")

    @property
    def numpy(self) -> np.dtype:
        """The type of plain elements."""
        if self.is_object:
            raise CheckpointError("holds objects where numbers belong")
        return np.dtype(self.code).newbyteorder(self.order if self.order in "<>" else "=")

    def set_state(self, state: Any) -> None:
        """Take the byte order; anything that fields or sub-arrays would need is refused."""
        plain = type(state) is tuple and len(state) >= 5
        if not plain or state[1] not in ("<", ">", "|", "="):
            raise CheckpointError("holds an array type with a damaged state")
        if any(part is not None for part in state[2:5]):
            raise CheckpointError("holds an array of records, not of numbers")
        self.order = state[1]


@dataclass(slots=True)
class ArrayRecord:
    """An array whose elements are still in the file, or a list of objects."""

    dtype: DTypeRecord | None = None
    shape: tuple[int, ...] = ()
    fortran: bool = False
    data: Any = b""

    @property
    def is_object(self) -> bool:
        """Whether the elements are pickled objects; `data` is then their flat list."""
        return self.dtype is not None and self.dtype.is_object

    def set_state(self, state: Any) -> None:
        """Take what numpy's own `__setstate__` takes."""
        parts = state[-4:] if type(state) is tuple and len(state) in (4, 5) else None
        if parts is None or not isinstance(parts[1], DTypeRecord):
            raise CheckpointError("holds an array with a damaged state")
        self.fill(parts[0], parts[1], bool(parts[2]), parts[3])

    def fill(self, shape: Any, dtype: DTypeRecord, fortran: bool, data: Any) -> None:
        """Take shape and elements after checking that they agree."""
        count = checked_count(shape)
        if dtype.is_object:
            fits = type(data) is list and len(data) == count
        else:
            data = _raw(data)
            fits = len(data) == count * dtype.numpy.itemsize
        if not fits:
            raise CheckpointError(f"holds an array of shape {tuple(shape)} with other elements")
        self.dtype, self.shape, self.fortran, self.data = dtype, tuple(shape), fortran, data

    def to_numpy(self) -> np.ndarray:
        """Return a view of the elements in the file (read-only)."""
        if self.dtype is None:
            raise CheckpointError("holds an array without elements")
        flat = np.frombuffer(self.data, self.dtype.numpy)
        return flat.reshape(self.shape, order="F" if self.fortran else "C")


def checked_count(shape: Any) -> int:
    """Return the number of elements of a shape, or raise CheckpointError."""
    sane = isinstance(shape, tuple | list) and len(shape) <= MAX_DIMENSIONS
    if not sane or not all(type(n) is int and 0 <= n < MAX_SIDE for n in shape):
        raise CheckpointError("holds an array whose shape is no list of sizes")
    return math.prod(shape)


def make_dtype(code: Any, *_flags: Any) -> DTypeRecord:
    """`numpy.dtype(code, align, copy)` of plain numbers or objects."""
    if not isinstance(code, str) or not PLAIN_CODES.fullmatch(code):
        raise CheckpointError(f"holds an array of {shown(code)}, not of numbers")
    order = code[0] if code[0] in "<>" else "="
    return DTypeRecord(code.lstrip("<>|="), order)


def make_scalar(dtype: Any, data: Any = None) -> int | float | bool:
    """`numpy.core.multiarray.scalar(dtype, bytes)` as a plain number."""
    if not isinstance(dtype, DTypeRecord) or dtype.is_object:
        raise CheckpointError("holds a scalar that is no number")
    raw = _raw(data)
    if len(raw) != dtype.numpy.itemsize:
        raise CheckpointError("holds a number of the wrong size")
    return np.frombuffer(raw, dtype.numpy)[0].item()


def start_array(cls: Any, _shape: Any, _code: Any) -> ArrayRecord:
    """`numpy.core.multiarray._reconstruct(ndarray, (0,), b"b")`: filled by its state."""
    if not isinstance(cls, GlobalName) or cls.path != "numpy.ndarray":
        raise CheckpointError(f"makes an array of {shown(cls)}")
    return ArrayRecord()


def array_from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> ArrayRecord:
    """`numpy.core.numeric._frombuffer`, which protocol 5 writes."""
    if not isinstance(dtype, DTypeRecord) or dtype.is_object:
        raise CheckpointError("holds an array that is not of numbers")
    array = ArrayRecord()
    array.fill(shape, dtype, order == "F", data)
    return array


def _raw(data: Any) -> memoryview | bytes | bytearray:
    """Return elements that were written as bytes, or as text by Python 2."""
    if isinstance(data, LongText):
        return data.latin1_bytes()
    if isinstance(data, str):
        try:
            return data.encode("latin-1")
        except UnicodeError:
            raise CheckpointError("holds text where the bytes of an array belong") from None
    if not isinstance(data, memoryview):
        raise CheckpointError(f"holds an array made of {shown(data)}")
    return data
