"""Walking the records of network modules: tensors by their state-dict names, plain settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .errors import CheckpointError, shown
from .records import ModuleRecord, PlaceholderObject
from .tensors import TensorRecord

MAX_MODULES = 20_000
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

    Cycles are refused when the pickle is read; a module that stands at several places costs its
    walk each time, which `MAX_MODULES` bounds.
    """
    found: dict[str, TensorRecord] = {}
    for prefix, module in _walk(root):
        temporary = attributes(module).get("_non_persistent_buffers_set") or ()
        tensors = {
            **_dictionary(module, "_parameters"),
            **{k: v for k, v in _dictionary(module, "_buffers").items() if k not in temporary},
        }
        for name, value in tensors.items():
            if value is None:
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
    pending = [("", root)]
    for _ in range(MAX_MODULES):
        if not pending:
            return
        prefix, module = pending.pop()
        yield prefix, module
        children = child_modules(module)
        pending.extend((f"{prefix}{name}.", child) for name, child in children.items())
    raise CheckpointError(f"has more than {MAX_MODULES} modules")


def _dictionary(module: Any, name: str) -> dict[str, Any]:
    value = attributes(module).get(name, {})
    if type(value) is not dict or not all(isinstance(key, str) for key in value):
        raise CheckpointError(f"has {shown(value)} as {name} of a module")
    return value


_SKIPPED = object()


def _plain(value: Any, left: list[int], depth: int) -> Any:
    left[0] -= 1
    if left[0] < 0 or depth < 0:
        raise CheckpointError("has more settings than any released file")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        items = [_plain(item, left, depth - 1) for item in value]
        return [item for item in items if item is not _SKIPPED]
    if type(value) is dict:
        pairs = {str(key): _plain(item, left, depth - 1) for key, item in value.items()}
        return {key: item for key, item in pairs.items() if item is not _SKIPPED}
    return _SKIPPED
