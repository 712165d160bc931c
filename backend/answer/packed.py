"""The arrays of what a head was made from as texts, losslessly.

Nothing but NumPy and the standard library is needed, so that Blender shows them without more.
"""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np

SIZE = 128  # pixels a side, conditions.CONDITION_SIZE
_SQUARE = (SIZE, SIZE)
# array -> its shape and type
ARRAYS: dict[str, tuple[tuple[int, ...], str]] = {
    "image": ((*_SQUARE, 3), "|u1"),
    "image_given": (_SQUARE, "|b1"),
    "labels": (_SQUARE, "|u1"),
    "labels_given": (_SQUARE, "|b1"),
    "rotation": ((3, 3), "<f4"),
    "landmarks": ((68, 2), "<f4"),
}


class EvidenceError(ValueError):
    """What a head says that it was made from cannot be read."""


def pack(array: np.ndarray, kind: str) -> str:
    """An array as base64 of its packed bytes of type `kind`."""
    packed = zlib.compress(np.ascontiguousarray(array, kind).tobytes(), 9)
    return base64.b64encode(packed).decode("ascii")


def unpack(text: str, name: str) -> np.ndarray:
    """The array called `name` that was packed; raises EvidenceError for what is damaged."""
    shape, kind = ARRAYS[name]
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    try:
        packed = base64.b64decode(text, validate=True)
        # asks for one byte more, so that a longer array is noticed and never unpacked whole
        raw = zlib.decompressobj().decompress(packed, size + 1)
    except (binascii.Error, ValueError, TypeError, zlib.error) as error:
        raise EvidenceError(f"the {name} that the head was made from is damaged") from error
    if len(raw) != size:
        raise EvidenceError(f"{name}: expected {size} bytes, given {len(raw)} or more")
    if kind == "|b1" and max(raw, default=0) > 1:
        raise EvidenceError(f"{name}: expected 0 and 1 only")
    return np.frombuffer(raw, kind).reshape(shape).copy()
