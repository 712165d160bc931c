"""Converted models on disk: one folder each, safetensors and JSON, nothing executable."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .checkpoint import Checkpoint, Progress, read_checkpoint
from .errors import CheckpointError, shown
from .flame_file import FlameArrays
from .flame_store import (
    FLAME_FILES,
    LANDMARKS,
    check_head_fits,
    load_flame,
    load_landmarks,
    read_head,
    save_head,
)
from .landmarks_file import LandmarkEmbedding
from .licences import LICENCES
from .settings import check_settings
from .validate import validate_extra_shapes, validate_shapes, validate_types, validate_values

FORMAT = 1
WEIGHTS, DESCRIPTION = "weights.safetensors", "model.json"
EXTRA = "extra."
ASIDE = ".adding-"
STALE_SECONDS = 24 * 3600
MODEL_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
MAX_DESCRIPTION = 1 << 20
# Planes, one rendered image and the head's arrays, beside the weights; see docs/checkpoints.md.
WORKING_BYTES = 1 << 30
# What must stay free on the disk beside the copy.
SPARE_BYTES = 64 << 20


@dataclass(frozen=True)
class StoredModel:
    """A converted model; `problem` says in a sentence why a damaged one cannot be used."""

    id: str
    folder: Path
    family: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    source_rule: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    memory_bytes: int = 0
    has_flame: bool = False
    has_landmarks: bool = False
    problem: str | None = None


class ModelStore:
    """The folder of converted models."""

    def __init__(self, root: Path):
        self.root = Path(root)

    def add(
        self, path: Path, flame: Path | None = None, progress: Progress | None = None
    ) -> StoredModel:
        """Convert a released file, with the FLAME file that belongs to it, and return the model.

        A landmark embedding is looked for beside the FLAME file.  The same file again replaces its
        model and keeps a FLAME file that was given before.  Raises CheckpointError with nothing
        left behind; nothing is left behind either when `progress` raises.
        """
        report = progress or (lambda stage, fraction: None)
        head = None
        if flame is not None:
            report("reading FLAME", 0.0)
            head = read_head(Path(flame))
        checkpoint = read_checkpoint(Path(path), report)
        if head is not None:
            check_head_fits(head, checkpoint.family, checkpoint.state, Path(flame).name)
        model_id = _id_of(checkpoint)
        with self._written_aside(model_id) as folder:
            report("writing", 0.0)
            _write_model(folder, checkpoint)
            if head is not None:
                save_head(folder, head)
            else:
                _keep_flame(self.root / model_id, folder)
            report("writing", 1.0)
        return self.find(model_id)

    def list(self) -> list[StoredModel]:
        """Return all models by id, damaged ones with their `problem`."""
        if not self.root.is_dir():
            return []
        names = sorted(p.name for p in self.root.iterdir() if p.is_dir())
        return [self._described(name) for name in names if MODEL_ID.fullmatch(name)]

    def find(self, model_id: str) -> StoredModel:
        """Return one model; raise CheckpointError if there is none or it is damaged."""
        folder = self._folder(model_id)
        if not folder.is_dir():
            known = ", ".join(model.id for model in self.list()) or "none"
            raise CheckpointError(f"there is no model {model_id}; stored models: {known}")
        model = self._described(model_id)
        if model.problem:
            raise CheckpointError(model.problem)
        return model

    def load(self, model_id: str) -> Checkpoint:
        """Return a stored model's configuration and tensors, checked again."""
        model = self.find(model_id)
        try:
            return _read_model(model)
        except (CheckpointError, SafetensorError, OSError) as error:
            raise CheckpointError(
                f"the stored model {model_id} is damaged ({error}): remove it and add its file "
                f"{model.provenance.get('source')} again"
            ) from None

    def load_flame(self, model_id: str) -> FlameArrays | None:
        """Return the FLAME arrays that belong to a model, or None."""
        model = self.find(model_id)
        return load_flame(model.folder) if model.has_flame else None

    def load_landmarks(self, model_id: str) -> LandmarkEmbedding | None:
        """Return the landmark embedding that belongs to a model, or None."""
        model = self.find(model_id)
        return load_landmarks(model.folder) if model.has_landmarks else None

    def remove(self, model_id: str) -> None:
        """Delete a model, damaged or not."""
        folder = self._folder(model_id)
        if not folder.is_dir():
            self.find(model_id)
        doomed = self.root / f"{ASIDE}removed-{os.getpid()}-{time.monotonic_ns()}"
        try:
            folder.rename(doomed)
            shutil.rmtree(doomed)
        except OSError as error:
            raise CheckpointError(
                f"the model {model_id} cannot be removed ({error.strerror}): "
                "close the programs that use it and try again"
            ) from None

    def _folder(self, model_id: str) -> Path:
        if not isinstance(model_id, str) or not MODEL_ID.fullmatch(model_id):
            raise CheckpointError(
                f"{shown(model_id)} is no model's id; ids have small letters, digits, - and _"
            )
        return self.root / model_id

    def _described(self, model_id: str) -> StoredModel:
        folder = self.root / model_id
        try:
            return _described(model_id, folder)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            return StoredModel(
                id=model_id,
                folder=folder,
                problem=f"the stored model {model_id} is damaged ({error}): "
                "remove it and add its file again",
            )

    @contextmanager
    def _written_aside(self, model_id: str) -> Iterator[Path]:
        """A folder that becomes the model's if all goes well, and vanishes if not."""
        aside = self.root / f"{ASIDE}{os.getpid()}-{time.monotonic_ns()}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._remove_stale()
            aside.mkdir()
            yield aside
            _replace_folder(aside, self.root / model_id)
        except (OSError, SafetensorError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CheckpointError(
                f"the model cannot be written to {self.root} ({reason}): "
                "make room there or allow writing"
            ) from None
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _remove_stale(self) -> None:
        """Delete what a killed program left behind a day ago or earlier."""
        for folder in self.root.glob(f"{ASIDE}*"):
            if time.time() - folder.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _id_of(checkpoint: Checkpoint) -> str:
    """A readable id: the file's name and the first digits of its hash."""
    stem = Path(checkpoint.provenance["source"]).stem.lower()
    slug = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:40] or checkpoint.family
    return f"{slug}-{checkpoint.provenance['sha256'][:8]}"


def _write_model(folder: Path, checkpoint: Checkpoint) -> None:
    tensors = dict(checkpoint.state)
    tensors |= {EXTRA + name: value for name, value in checkpoint.extra.items()}
    weights_bytes = sum(value.nbytes for value in tensors.values())
    if shutil.disk_usage(folder).free < weights_bytes + SPARE_BYTES:
        raise CheckpointError(
            f"the disk of {folder.parent} has too little room for a model of "
            f"{weights_bytes >> 20} MB: make room there"
        )
    save_file(tensors, folder / WEIGHTS)
    description = {
        "format": FORMAT,
        "family": checkpoint.family,
        "config": checkpoint.config,
        "source_rule": checkpoint.source_rule,
        "provenance": {
            **checkpoint.provenance,
            "added": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        "licence": LICENCES[checkpoint.family],
        "weights_bytes": (folder / WEIGHTS).stat().st_size,
        "memory_bytes": weights_bytes + WORKING_BYTES,
    }
    text = json.dumps(description, indent=1, allow_nan=False)
    (folder / DESCRIPTION).write_text(text, encoding="utf-8")


def _keep_flame(old: Path, new: Path) -> None:
    for name in (*FLAME_FILES, LANDMARKS):
        if (old / name).is_file():
            shutil.copyfile(old / name, new / name)


def _replace_folder(new: Path, target: Path) -> None:
    """Put `new` in the place of `target`, which is kept until `new` is complete."""
    if not target.exists():
        new.rename(target)
        return
    old = new.with_name(new.name + "-old")
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _described(model_id: str, folder: Path) -> StoredModel:
    file = folder / DESCRIPTION
    if file.stat().st_size > MAX_DESCRIPTION:
        raise CheckpointError("its description is too long")
    values = json.loads(file.read_text(encoding="utf-8"))
    if values["format"] != FORMAT or values["family"] not in LICENCES:
        raise CheckpointError("its description is of another version")
    size = (folder / WEIGHTS).stat().st_size
    if size != values["weights_bytes"]:
        raise CheckpointError(f"its weights have {size} bytes for {values['weights_bytes']}")
    check_settings(values["config"])
    has_flame = all((folder / name).is_file() for name in FLAME_FILES)
    licence = str(values["licence"]) + ("\n" + LICENCES["flame"] if has_flame else "")
    return StoredModel(
        id=model_id,
        folder=folder,
        family=values["family"],
        config=values["config"],
        source_rule=values["source_rule"],
        provenance=dict(values["provenance"]),
        licence=licence,
        memory_bytes=int(values["memory_bytes"]),
        has_flame=has_flame,
        has_landmarks=has_flame and (folder / LANDMARKS).is_file(),
    )


def _read_model(model: StoredModel) -> Checkpoint:
    with safe_open(model.folder / WEIGHTS, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    state = {name: value for name, value in tensors.items() if not name.startswith(EXTRA)}
    extra = {k.removeprefix(EXTRA): v for k, v in tensors.items() if k.startswith(EXTRA)}
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    validate_types({name: value.dtype for name, value in state.items()}, shapes)
    validate_shapes(model.family, model.config, shapes)
    validate_extra_shapes(model.family, {name: tuple(v.shape) for name, v in extra.items()})
    validate_values(state | extra)
    return Checkpoint(model.family, model.config, state, model.source_rule, model.provenance, extra)
