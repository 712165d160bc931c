"""Tensors as a safetensors file, written one by one.

The library's own writer copies all of them first and cannot be stopped until the file is complete.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

# By falling alignment, which is the order of the tensors in the file.
TYPES = {torch.int64: "I64", torch.float32: "F32"}
ALIGNMENT = 8


def save_tensors(
    tensors: dict[str, Tensor], path: Path, progress: Callable[[float], None] | None = None
) -> None:
    """Write float32 and int64 tensors; `progress` gets the fraction before each one."""
    order = list(TYPES)
    names = sorted(tensors, key=lambda name: (order.index(tensors[name].dtype), name))
    header, end = {}, 0
    for name in names:
        value = tensors[name]
        start, end = end, end + value.nbytes
        header[name] = {
            "dtype": TYPES[value.dtype],
            "shape": list(value.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            if progress is not None:
                progress(header[name]["data_offsets"][0] / max(end, 1))
            file.write(tensors[name].contiguous().numpy().data)
