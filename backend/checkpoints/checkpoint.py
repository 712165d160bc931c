"""A released generator file to configuration and tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .blending_text import blending_rule
from .errors import CheckpointError, about_file, shown
from .expected_shapes import expected_shapes, optional_shapes
from .file_bytes import read_file
from .module_tree import attributes, child_modules, plain_settings, state_records
from .records import ModuleRecord
from .settings import complete_settings
from .tensors import TensorRecord, to_tensor
from .unpickle import read_pickle
from .validate import (
    EXTRA_SHAPES,
    validate_extra_shapes,
    validate_shapes,
    validate_types,
    validate_values,
)

EXPECTED = "a generator file of the Next3D or EG3D project (a .pkl with G_ema)"
NEXT3D_PARTS = {"texture_backbone", "mouth_backbone", "neural_blending"}
EG3D_PARTS = {"backbone", "superresolution", "decoder"}
# Tensors may share storages; a file that multiplies them is refused.
SHARING_ALLOWANCE = 16 << 20
# Names of tensors without a use that are kept for the record.
IGNORED_SHOWN = 20
COPYING_SHARE = 0.5  # of checking

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Checkpoint:
    """A released generator.

    `family` is "next3d" or "eg3d".  `config` holds the constructor's settings by their released
    names, completed by defaults, with `rendering_kwargs` and `neural_rendering_resolution`.
    `state` is the state dict (float32, int64).  `extra` is what releases keep beside it:
    plane_axes (3,3,3) and, for Next3D, uv_face_mask (1,1,256,256), orth_scale (1,1),
    orth_shift (1,3).  `source_rule` is "front" if the embedded text shows that only plane 0 is
    animated, else None.  `provenance` tells the file's name, size, sha256 and class,
    and which tensors of no use were left out.
    """

    family: str
    config: dict[str, Any]
    state: dict[str, Tensor]
    source_rule: str | None
    provenance: dict[str, Any]
    extra: dict[str, Tensor] = field(default_factory=dict)


def read_checkpoint(path: Path, progress: Progress | None = None) -> Checkpoint:
    """Return the averaged generator (G_ema) of a released file.

    Raises CheckpointError: one sentence on what the file is and what was expected.
    """
    path = Path(path)
    digest = hashlib.sha256()

    report = progress or (lambda stage, fraction: None)
    with about_file(path.name, EXPECTED):
        data = read_file(path, lambda fraction: report("reading", fraction), digest)
        report("checking", 0.0)
        generator = _averaged_generator(read_pickle(data, encoding="latin-1"))
        provenance = {
            "source": path.name,
            "bytes": len(data),
            "sha256": digest.hexdigest(),
            "class": shown(generator.class_name),
        }
        return _checkpoint(generator, provenance, report)


def _averaged_generator(root: Any) -> ModuleRecord:
    """Return G_ema, or say what the file is instead."""
    if isinstance(root, ModuleRecord):
        return root
    if type(root) is not dict:
        raise CheckpointError(f"holds {shown(root)}")
    if "v_template" in root:
        raise CheckpointError("is a head or body model such as FLAME, not a generator")
    if root.get("G_ema") is None:
        names = ", ".join(shown(name) for name in list(root)[:5])
        raise CheckpointError(f"has no averaged generator G_ema (it has {names or 'nothing'})")
    if not isinstance(root["G_ema"], ModuleRecord):
        raise CheckpointError(f"has {shown(root['G_ema'])} as G_ema")
    return root["G_ema"]


def _checkpoint(
    generator: ModuleRecord, provenance: dict[str, Any], report: Progress
) -> Checkpoint:
    family = _family(generator)
    own = attributes(generator)
    config = complete_settings(
        plain_settings(own.get("_init_args", ())),
        _settings(own, "_init_kwargs"),
        _settings(own, "rendering_kwargs"),
        _plain_integer(own.get("neural_rendering_resolution")),
    )
    records = state_records(generator)
    extra_records = _extra_records(family, generator, records)
    validate_shapes(family, config, _shapes(records))
    validate_extra_shapes(family, _shapes(extra_records))
    known = expected_shapes(family, config, _shapes(records)) | optional_shapes(family)
    ignored = [name for name in records if name not in known]
    records = {name: record for name, record in records.items() if name in known}
    _check_elements({**records, **extra_records}, provenance["bytes"])
    state = {}
    for index, (name, record) in enumerate(records.items()):
        report("checking", COPYING_SHARE * index / len(records))
        state[name] = _computable(to_tensor(record))
    extra = {
        name: _computable(to_tensor(record)).reshape(EXTRA_SHAPES[family][name])
        for name, record in extra_records.items()
    }
    validate_values(state | extra, lambda: report("checking", COPYING_SHARE))
    return Checkpoint(
        family=family,
        config=config,
        state=state,
        source_rule=blending_rule(generator.source_text),
        provenance={**provenance, "ignored": [shown(name) for name in ignored[:IGNORED_SHOWN]]},
        extra=extra,
    )


def _shapes(records: dict[str, TensorRecord]) -> dict[str, tuple[int, ...]]:
    return {name: record.shape for name, record in records.items()}


def _family(generator: ModuleRecord) -> str:
    parts = set(child_modules(generator))
    if NEXT3D_PARTS | EG3D_PARTS <= parts:
        return "next3d"
    if EG3D_PARTS <= parts and not NEXT3D_PARTS & parts:
        return "eg3d"
    if {"mapping", "synthesis"} <= parts:
        raise CheckpointError("is a StyleGAN generator of flat pictures")
    names = ", ".join(sorted(shown(part) for part in parts)[:5])
    raise CheckpointError(
        f"holds a generator of another family ({shown(generator.class_name)} with "
        f"{names or 'no parts'})"
    )


def _settings(own: dict[str, Any], name: str) -> dict[str, Any]:
    settings = plain_settings(own.get(name) or {})
    if type(settings) is not dict:
        raise CheckpointError(f"has {shown(settings)} as {name}")
    return settings


def _plain_integer(value: Any) -> Any:
    """Return the side of the raw image; some trainers left it as a float."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _extra_records(
    family: str, generator: ModuleRecord, records: dict[str, TensorRecord]
) -> dict[str, TensorRecord]:
    """Find what is kept outside the state dict; older code had some of it as parameters."""
    own = attributes(generator)
    renderer = child_modules(generator).get("renderer") or own.get("renderer")
    places = [own, attributes(renderer) if renderer is not None else {}]
    found: dict[str, TensorRecord] = {}
    for name in EXTRA_SHAPES[family]:
        inside = records.pop(name, None) or records.pop(f"renderer.{name}", None)
        outside = [place[name] for place in places if isinstance(place.get(name), TensorRecord)]
        if inside or outside:
            found[name] = inside or outside[0]
    return found


def _check_elements(records: dict[str, TensorRecord], file_bytes: int) -> None:
    """Raise CheckpointError for wrong types, or more elements than the file can hold."""
    validate_types({name: r.storage.dtype for name, r in records.items()}, _shapes(records))
    total = sum(record.bytes for record in records.values())
    if total > file_bytes + SHARING_ALLOWANCE:
        raise CheckpointError(f"announces {total >> 20} MB of tensors in {file_bytes >> 20} MB")


def _computable(value: Tensor) -> Tensor:
    """float32 for everything real and int64 for indices."""
    return value.to(torch.float32 if value.is_floating_point() else torch.int64)
