"""Records of arrays, chumpy objects, sparse matrices and tensors to NumPy arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arrays import ArrayRecord, checked_count
from .errors import CheckpointError, shown
from .records import PlaceholderObject
from .tensors import TensorRecord, to_tensor

MAX_CHUMPY_DEPTH = 8
MAX_ELEMENTS = 1 << 25
SPARSE = {"csc_matrix", "csr_matrix", "csc_array", "csr_array"}
COORDINATES = {"coo_matrix", "coo_array"}


def to_array(value: Any, name: str, kind: type) -> np.ndarray:
    """Return finite numbers of the type `kind` (a copy); `name` is for the errors."""
    try:
        found = _number_array(value, 0)
    except CheckpointError as error:
        raise CheckpointError(f"{error} (in {name})") from None
    if found.size > MAX_ELEMENTS:
        raise CheckpointError(f"has {name} of shape {found.shape}, too large for a head")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise CheckpointError(f"has values that are not finite in {name}")
    if np.issubdtype(kind, np.integer) and found.dtype.kind not in "iu":
        if found.dtype.kind != "f" or not (found == np.round(found)).all():
            raise CheckpointError(f"has {name} that are no integers")
    with np.errstate(over="ignore"):
        result = np.array(found, dtype=kind, order="C")
    if result.dtype.kind == "f" and not np.isfinite(result).all():
        raise CheckpointError(f"has values beyond single precision in {name}")
    return result


def _number_array(value: Any, depth: int) -> np.ndarray:
    if depth > MAX_CHUMPY_DEPTH:
        raise CheckpointError("nests chumpy objects too deep")
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, ArrayRecord):
        return value.to_numpy()
    if isinstance(value, TensorRecord):
        return to_tensor(value).float().numpy() if _is_half(value) else to_tensor(value).numpy()
    if isinstance(value, PlaceholderObject):
        return _object_array(value, depth)
    if isinstance(value, list):
        return _list_array(value)
    raise CheckpointError(f"has {shown(value)} where an array belongs")


def _is_half(record: TensorRecord) -> bool:
    return record.storage.dtype.itemsize == 2 and record.storage.dtype.is_floating_point


def _object_array(value: PlaceholderObject, depth: int) -> np.ndarray:
    state = value.state
    if type(state) is not dict:
        raise CheckpointError(f"has a {shown(value.cls.path)} without a state")
    if value.cls.module.split(".")[0] == "chumpy":
        return _chumpy_array(value.class_name, state, depth)
    if value.class_name in SPARSE | COORDINATES:
        return _dense(value.class_name, state)
    raise CheckpointError(f"has a {shown(value.cls.path)} where an array belongs")


def _chumpy_array(name: str, state: dict[str, Any], depth: int) -> np.ndarray:
    """A leaf keeps its values in x; Select picks from another object's flat values."""
    if name == "Ch" and "x" in state:
        return _number_array(state["x"], depth + 1)
    if name != "Select":
        raise CheckpointError(f"has a chumpy.{shown(name)}, which is no plain array")
    source = _number_array(state.get("a"), depth + 1).ravel()
    picked = _indices(state.get("idxs"), len(source), depth)
    shape = state.get("preferred_shape")
    if shape is None:
        return source[picked]
    if checked_count(shape) != len(picked):
        raise CheckpointError(f"has a chumpy selection that does not fit shape {tuple(shape)}")
    return source[picked].reshape(tuple(shape))


def _dense(name: str, state: dict[str, Any]) -> np.ndarray:
    """A sparse matrix as a dense one, without SciPy."""
    shape = state.get("_shape", state.get("shape"))
    count = checked_count(shape)
    if len(shape) != 2 or count > MAX_ELEMENTS:
        raise CheckpointError("has a sparse matrix of a strange shape")
    data = _number_array(state.get("data"), 1).ravel()
    if name in COORDINATES:
        rows = _indices(state.get("row"), shape[0], 1)
        columns = _indices(state.get("col"), shape[1], 1)
    else:
        by_column = name.startswith("csc")
        minor = _indices(state.get("indices"), shape[0] if by_column else shape[1], 1)
        major = _expanded(state.get("indptr"), shape[1] if by_column else shape[0], len(minor))
        rows, columns = (minor, major) if by_column else (major, minor)
    if not len(rows) == len(columns) == len(data):
        raise CheckpointError("has a sparse matrix whose parts do not fit")
    dense = np.zeros(tuple(shape), np.float64)
    np.add.at(dense, (rows, columns), data)
    return dense


def _expanded(pointers: Any, count: int, total: int) -> np.ndarray:
    """Row (or column) of each entry, from where each row starts."""
    starts = _indices(pointers, total + 1, 1)
    if len(starts) != count + 1 or starts[0] != 0 or starts[-1] != total:
        raise CheckpointError("has a sparse matrix whose parts do not fit")
    lengths = np.diff(starts)
    if (lengths < 0).any():
        raise CheckpointError("has a sparse matrix whose parts do not fit")
    return np.repeat(np.arange(count), lengths)


def _indices(value: Any, limit: int, depth: int) -> np.ndarray:
    """Return integers from 0 to below `limit`."""
    found = _number_array(value, depth + 1).ravel()
    if found.dtype.kind not in "iu" or found.size > MAX_ELEMENTS:
        raise CheckpointError("has indices that are no integers")
    if found.size and (found.min() < 0 or found.max() >= limit):
        raise CheckpointError("has indices that point nowhere")
    return found.astype(np.int64)


def _list_array(value: list[Any]) -> np.ndarray:
    """A list of numbers, or a list of equally long lists of numbers."""
    rows = value if value and isinstance(value[0], list) else [value]
    width = len(rows[0])
    if not all(isinstance(row, list) and len(row) == width for row in rows):
        raise CheckpointError("has lists of different lengths where an array belongs")
    if width * len(rows) > MAX_ELEMENTS:
        raise CheckpointError("has lists that are too long for a head")
    flat = [item for row in rows for item in row]
    if not all(type(item) in (int, float) and math.isfinite(item) for item in flat):
        raise CheckpointError("has lists of something that is no number")
    array = np.array(flat, np.float64)
    if all(type(item) is int and abs(item) < 1 << 53 for item in flat):
        array = array.astype(np.int64)
    return array.reshape(len(rows), width) if rows is value else array
