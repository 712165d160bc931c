"""PyTorch tensors inside pickles: their nested legacy streams read without PyTorch's own loader.

A storage is saved as the bytes of an old `torch.save`: five small pickles (magic number, protocol,
system, the storage's description, its keys), the number of elements, and the raw elements.  The
pickles go through the same machine as the file around them, with nothing allowed but the
description of one storage; the elements stay a view of the file until `to_tensor` copies them.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .budget import Budget
from .cursor import Cursor
from .errors import CheckpointError, shown
from .machine import PickleMachine
from .opcodes import run
from .records import GlobalName

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
STREAM_PROTOCOL = 1001
COUNT = struct.Struct("<q")
MAX_DIMENSIONS = 8

STORAGE_TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True, slots=True, eq=False)
class StorageRecord:
    """Elements of one type, still in the file."""

    dtype: torch.dtype
    data: memoryview

    @property
    def count(self) -> int:
        """Number of elements."""
        return len(self.data) // self.dtype.itemsize


@dataclass(frozen=True, slots=True, eq=False)
class TensorRecord:
    """A tensor over a storage, checked to lie inside it; in elements."""

    storage: StorageRecord
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Size of the tensor in bytes."""
        return math.prod(self.shape) * self.storage.dtype.itemsize


@dataclass(frozen=True, slots=True)
class _Described:
    """What the third pickle of a stream says about the storage; the device is of no interest."""

    dtype: torch.dtype
    key: str
    count: int


class _StreamNames:
    """All that a storage's own pickles may say."""

    def find(self, module: str, name: str) -> GlobalName:
        if module not in ("torch", "torch.storage") or name not in STORAGE_TYPES:
            raise CheckpointError(
                f"refers to {shown(f'{module}.{name}')} inside a tensor, which is not allowed"
            )
        return GlobalName(module, name)

    def call(self, target: GlobalName, args: tuple) -> Any:
        raise CheckpointError(f"calls {target.path} inside a tensor")

    new = call

    def set_state(self, target: Any, state: Any) -> None:
        raise CheckpointError("sets a state inside a tensor")

    def persistent(self, key: Any) -> _Described:
        if type(key) is not tuple or len(key) not in (5, 6) or key[0] != "storage":
            raise CheckpointError("holds a tensor whose storage is not described as usual")
        kind, name, _device, count = key[1:5]
        sane = isinstance(kind, GlobalName) and isinstance(name, str) and type(count) is int
        if not sane or count < 0 or any(extra is not None for extra in key[5:]):
            raise CheckpointError("holds a tensor whose storage is not described as usual")
        return _Described(STORAGE_TYPES[kind.name], name, count)


def read_storage(data: Any, budget: Budget) -> StorageRecord:
    """Return the storage in the bytes of a legacy stream."""
    if not isinstance(data, memoryview):
        raise CheckpointError(f"holds a tensor made of {shown(data)}")
    if bytes(data[:2]) == b"PK":
        raise CheckpointError("holds a zip archive inside a tensor")
    cursor = Cursor(data)
    magic, protocol, system, described, keys = (
        run(PickleMachine(cursor, _StreamNames(), budget)) for _ in range(5)
    )
    if magic != MAGIC_NUMBER or protocol != STREAM_PROTOCOL:
        raise CheckpointError("holds a tensor in an unknown format")
    if type(system) is not dict or system.get("little_endian") is not True:
        raise CheckpointError("holds a tensor of a big-endian machine")
    if not isinstance(described, _Described) or keys != [described.key]:
        raise CheckpointError("holds a tensor whose storage is not described as usual")
    count = cursor.number(COUNT)
    size = cursor.remaining
    if count != described.count or size != count * described.dtype.itemsize:
        raise CheckpointError(
            f"holds a tensor that announces {described.count} elements in {shown(size)} bytes"
        )
    return StorageRecord(described.dtype, cursor.take(size))


def rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> TensorRecord:
    """Return the tensor over a storage; `rest` (gradient flag, hooks) is of no interest."""
    if not isinstance(storage, StorageRecord):
        raise CheckpointError(f"makes a tensor of {shown(storage)}")
    if not (_sizes(shape) and _sizes(strides) and _sizes((offset,))):
        raise CheckpointError("holds a tensor whose shape is no list of sizes")
    if len(shape) != len(strides) or len(rest) > 3:
        raise CheckpointError("holds a tensor whose shape and strides do not fit")
    count = math.prod(shape)
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if count > storage.count or (count and last >= storage.count):
        raise CheckpointError(
            f"holds a tensor of shape {tuple(shape)} over {storage.count} elements"
        )
    return TensorRecord(storage, offset, tuple(shape), tuple(strides))


def rebuild_parameter(data: Any, *_rest: Any) -> TensorRecord:
    """Return the tensor of a parameter."""
    if not isinstance(data, TensorRecord):
        raise CheckpointError(f"makes a parameter of {shown(data)}")
    return data


def _sizes(values: Any) -> bool:
    return (
        isinstance(values, tuple | list)
        and len(values) <= MAX_DIMENSIONS
        and all(type(value) is int and 0 <= value < 1 << 40 for value in values)
    )


def to_tensor(record: TensorRecord) -> Tensor:
    """Return a contiguous copy on the CPU that shares no memory with the file."""
    dtype = record.storage.dtype
    if not math.prod(record.shape):
        return torch.zeros(record.shape, dtype=dtype)
    span = 1 + sum((n - 1) * s for n, s in zip(record.shape, record.strides, strict=True))
    size = dtype.itemsize
    region = bytearray(record.storage.data[record.offset * size : (record.offset + span) * size])
    if dtype is torch.bool:
        return (
            torch.frombuffer(region, dtype=torch.uint8).as_strided(record.shape, record.strides)
            != 0
        )
    elements = torch.frombuffer(region, dtype=dtype)
    strided = elements.as_strided(record.shape, record.strides)
    return (
        strided if strided.is_contiguous() else strided.clone(memory_format=torch.contiguous_format)
    )
