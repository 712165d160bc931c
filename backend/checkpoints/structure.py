"""The shape of what a pickle holds: no cycles, no absurd nesting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .arrays import ArrayRecord
from .errors import CheckpointError
from .records import ModuleRecord, PlaceholderObject

# Next3D's modules nest about forty levels deep, each of them a few containers.
MAX_DEPTH = 256


def check_structure(root: Any) -> None:
    """Raise CheckpointError if `root` contains itself or nests deeper than MAX_DEPTH.

    Every container is entered once, so that shared parts cost nothing; what is shared cannot hide
    a deeper path, since cycles are found by the containers that are still open.
    """
    heights: dict[int, int] = {}
    opened: set[int] = {id(root)}
    path: list[tuple[Any, Iterator[Any], list[int]]] = [(root, _parts(root), [0])]
    while path:
        if len(path) > MAX_DEPTH:
            raise CheckpointError(f"nests deeper than {MAX_DEPTH} levels")
        value, parts, height = path[-1]
        part = next(parts, _END)
        if part is _END:
            path.pop()
            opened.discard(id(value))
            heights[id(value)] = height[0]
            if path:
                path[-1][2][0] = max(path[-1][2][0], height[0] + 1)
            continue
        if id(part) in opened:
            raise CheckpointError("contains itself")
        if id(part) in heights:
            height[0] = max(height[0], heights[id(part)] + 1)
            if len(path) + heights[id(part)] > MAX_DEPTH:
                raise CheckpointError(f"nests deeper than {MAX_DEPTH} levels")
        elif _is_container(part):
            opened.add(id(part))
            path.append((part, _parts(part), [0]))


_END = object()
_CONTAINERS = (dict, list, tuple, ModuleRecord, PlaceholderObject, ArrayRecord)


def _is_container(value: Any) -> bool:
    return isinstance(value, _CONTAINERS)


def _parts(value: Any) -> Iterator[Any]:
    """The values inside a container; keys and set items are plain by construction."""
    if isinstance(value, dict):
        return iter(value.values())
    if isinstance(value, list | tuple):
        return iter(value)
    if isinstance(value, ModuleRecord):
        return iter((value.state,))
    if isinstance(value, PlaceholderObject):
        return iter((value.args, value.state))
    if isinstance(value, ArrayRecord) and value.is_object:
        return iter(value.data)
    return iter(())
