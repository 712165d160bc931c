"""Walking the records of network modules: tensors by their state-dict names, plain settings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from .arrays import ArrayRecord
from .errors import CheckpointError, shown
from .records import ModuleRecord, PlaceholderObject
from .tensors import TensorRecord

# Next3D's 675 tensors and some 400 modules take 4000 entries of all their dictionaries.
MAX_ENTRIES = 50_000
MAX_NAME = 256
# A setting counts as one, a text as one more for each 16 characters.
MAX_SETTINGS = 10_000
MAX_SETTING_DEPTH = 16


def attributes(module: Any) -> dict[str, Any]:
    """Return the attributes of a module's record."""
    if not isinstance(module, ModuleRecord | PlaceholderObject) or type(module.state) is not dict:
        raise CheckpointError(f"has {shown(module)} where a network module belongs")
    return module.state


def child_modules(module: Any) -> dict[str, Any]:
    """Return the modules inside a module, without those set to None."""
    return {k: v for k, v in _dictionary(module, "_modules").items() if v is not None}


def state_records(root: Any) -> dict[str, TensorRecord]:
    """Return parameters and persistent buffers under their state-dict names.

    Cycles are refused when the pickle is read; a module that stands at several places is walked
    each time, and what all of that may cost is bounded.
    """
    found: dict[str, TensorRecord] = {}
    for prefix, module in _walk(root):
        temporary = attributes(module).get("_non_persistent_buffers_set") or ()
        if not isinstance(temporary, set | frozenset | tuple):
            raise CheckpointError(f"has {shown(temporary)} as names of temporary buffers")
        tensors = _dictionary(module, "_parameters") | _dictionary(module, "_buffers")
        for name, value in tensors.items():
            if value is None or name in temporary:
                continue
            if not isinstance(value, TensorRecord):
                raise CheckpointError(f"has {shown(value)} as tensor {shown(prefix + name)}")
            found[prefix + name] = value
    return found


def plain_settings(value: Any) -> Any:
    """Return settings as JSON knows them; what is no plain value is left out.

    Shared parts are copied, so that their number is bounded, not only the file's.
    """
    return _plain(value, [MAX_SETTINGS], MAX_SETTING_DEPTH)


def _walk(root: Any) -> Iterator[tuple[str, Any]]:
    """Every module with the prefix of its names, the root first."""
    pending, entries = [("", root)], 0
    while pending:
        prefix, module = pending.pop()
        dictionaries = [attributes(module).get(n) or () for n in ("_parameters", "_buffers")]
        children = child_modules(module)
        entries += 1 + len(children) + sum(len(_sized(d)) for d in dictionaries)
        if entries > MAX_ENTRIES or len(prefix) > MAX_NAME:
            raise CheckpointError("has more modules and tensors than any released file")
        yield prefix, module
        pending.extend((f"{prefix}{name}.", child) for name, child in children.items())


def _sized(value: Any) -> dict | tuple:
    return value if isinstance(value, dict | tuple) else ()


def _dictionary(module: Any, name: str) -> dict[str, Any]:
    value = attributes(module).get(name, {})
    if type(value) is not dict or len(value) > MAX_ENTRIES:
        raise CheckpointError(f"has {shown(value)} as {name} of a module")
    for key in value:
        if not isinstance(key, str) or not 0 < len(key) <= MAX_NAME:
            raise CheckpointError(f"has {shown(key)} as a name in {name}")
    return value


_SKIPPED = object()


def _plain(value: Any, left: list[int], depth: int) -> Any:
    left[0] -= 1
    if left[0] < 0 or depth < 0:
        raise CheckpointError("has more settings than any released file")
    if isinstance(value, str):
        left[0] -= len(value) // 16
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise CheckpointError(f"has {value} among its settings")
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, ArrayRecord) and not value.is_object and math.prod(value.shape) <= 16:
        return _plain(value.to_numpy().tolist(), left, depth - 1)
    if isinstance(value, list | tuple):
        items = [_plain(item, left, depth - 1) for item in value]
        return [item for item in items if item is not _SKIPPED]
    if type(value) is dict:
        pairs = {str(key): _plain(item, left, depth - 1) for key, item in value.items()}
        return {key: item for key, item in pairs.items() if item is not _SKIPPED}
    return _SKIPPED
