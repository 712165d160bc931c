"""Whether tensors are those of the generator that the configuration describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .errors import CheckpointError, shown
from .expected_shapes import FLAME_VERTICES, Shape, expected_shapes, optional_shapes

NAMED = 3
# Weights in a row; a lost piece of 8 KB always covers that many.
HOLE = 1024
INDEX_TENSORS = ("faces", "uvfaces", "dense_faces")
MAX_INDICES = 1 << 22

# Tensors that releases keep outside the state dict.
EXTRA_SHAPES: dict[str, dict[str, Shape]] = {
    "eg3d": {"plane_axes": (3, 3, 3)},
    "next3d": {
        "plane_axes": (3, 3, 3),
        "uv_face_mask": (1, 1, 256, 256),
        "orth_scale": (1, 1),
        "orth_shift": (1, 3),
    },
}


def validate_shapes(family: str, config: dict[str, Any], found: dict[str, tuple[int, ...]]) -> None:
    """Raise CheckpointError that names the first few tensors that are missing, odd or strange.

    Only tensors outside the known networks may be there without being expected.
    """
    expected = expected_shapes(family, config, found)
    missing = [name for name in expected if name not in found]
    if missing:
        raise CheckpointError(f"lacks {_first_few(missing)}")
    allowed = expected | optional_shapes(family)
    networks = {name.partition(".")[0] for name in allowed}
    strange = [
        shown(name) for name in found if name not in allowed and name.partition(".")[0] in networks
    ]
    if strange:
        raise CheckpointError(f"has {_first_few(strange)}, which {family} does not have")
    wrong = [
        f"{name} of shape {found[name]} for {_text(allowed[name])}"
        for name in allowed
        if name in found and not _fits(found[name], allowed[name])
    ]
    if wrong:
        raise CheckpointError(f"has {_first_few(wrong)}")


def validate_extra_shapes(family: str, found: dict[str, tuple[int, ...]]) -> None:
    """Raise CheckpointError unless the tensors outside the state dict are there and fit.

    Sides of 1 may be missing or more than usual.
    """
    for name, shape in EXTRA_SHAPES[family].items():
        if name not in found:
            raise CheckpointError(f"lacks {name}, which releases keep beside their weights")
        if _without_ones(found[name]) != _without_ones(shape):
            raise CheckpointError(f"has {name} of shape {found[name]} for {_text(shape)}")


def validate_types(dtypes: dict[str, torch.dtype], shapes: dict[str, tuple[int, ...]]) -> None:
    """Raise CheckpointError for integer weights, or topology that is no integers."""
    for name, dtype in dtypes.items():
        index = name in INDEX_TENSORS
        if dtype.is_floating_point == index or dtype is torch.bool:
            raise CheckpointError(f"has {name} of type {dtype}")
        if index and torch.Size(shapes[name]).numel() > MAX_INDICES:
            raise CheckpointError(f"has {name} of shape {shapes[name]}, too large for a head")


def validate_values(state: dict[str, Tensor], tick: Callable[[], None] | None = None) -> None:
    """Raise CheckpointError for values that are not finite and indices that point nowhere.

    `tick` is called before each tensor; what it raises ends the work.
    """
    bad, holes = [], []
    for name, value in state.items():
        if tick is not None:
            tick()
        if value.is_floating_point() and not torch.isfinite(value).all():
            bad.append(name)
        elif name.endswith(".weight") and _has_hole(value):
            holes.append(name)
    if bad:
        raise CheckpointError(f"has values that are not finite in {_first_few(bad)}")
    if holes:
        raise CheckpointError(
            f"has a hole of zeros in {_first_few(holes)}, as downloads have that lost a piece"
        )
    if "faces" in state:
        _check_indices("faces", state["faces"], FLAME_VERTICES)
        _check_indices("uvfaces", state["uvfaces"], state["raw_uvcoords"].shape[1])
    axes = state.get("plane_axes")
    if axes is not None and (torch.linalg.det(axes.double()).abs() < 1e-6).any():
        raise CheckpointError("has plane_axes that span no space")


def _has_hole(weights: Tensor) -> bool:
    """Whether a block of trained weights is exactly zero and the others are not.

    Programs that fetch a file in pieces set its size first; what did not arrive stays zero.
    """
    whole = weights.numel() // HOLE * HOLE
    used = weights.flatten()[:whole].view(-1, HOLE).any(1)
    return bool(used.any() and not used.all())


def _check_indices(name: str, indices: Tensor, count: int) -> None:
    if indices.numel() == 0 or indices.min() < 0 or indices.max() >= count:
        raise CheckpointError(f"has {name} that point outside their {count} vertices")


def _fits(found: tuple[int, ...], expected: Shape) -> bool:
    return len(found) == len(expected) and all(
        want is None or have == want for have, want in zip(found, expected, strict=True)
    )


def _without_ones(shape: Shape) -> Shape:
    return tuple(side for side in shape if side != 1)


def _text(shape: Shape) -> str:
    return "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"


def _first_few(names: list[str]) -> str:
    text = ", ".join(names[:NAMED])
    more = len(names) - NAMED
    return f"{text} and {more} more" if more > 0 else text
