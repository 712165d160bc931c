"""Converted models on disk: one folder each, safetensors and JSON, nothing executable."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from safetensors import SafetensorError, safe_open

from .checkpoint import Checkpoint, Progress, read_checkpoint
from .errors import CheckpointError
from .flame_file import FlameArrays
from .flame_store import check_head_fits, load_flame, load_landmarks, read_head, save_head
from .landmarks_file import LandmarkEmbedding
from .licences import LICENCES
from .stored_model import (
    ASIDE,
    DESCRIPTION,
    FLAME_FILES,
    FORMAT,
    LANDMARKS,
    WEIGHTS,
    StoredModel,
    model_folder,
    remove_stored,
    stored_model,
    stored_models,
)
from .validate import validate_extra_shapes, validate_shapes, validate_types, validate_values
from .weights_file import save_tensors

EXTRA = "extra."
STALE_SECONDS = 24 * 3600
# Planes, one rendered image and the head's arrays, beside the weights; see docs/checkpoints.md.
WORKING_BYTES = 1 << 30
# What must stay free on the disk beside the copy.
SPARE_BYTES = 64 << 20
READING_SHARE = 0.5  # of loading; the rest is checking and building the networks


@dataclass(frozen=True)
class PreparedModel:
    """A converted model that lies aside until it is kept or discarded."""

    target: Path
    aside: Path

    def keep(self) -> StoredModel:
        """Put it among the models, in the place of an older one; raises CheckpointError."""
        with _explained_writing(self.target.parent):
            try:
                _replace_folder(self.aside, self.target)
            finally:
                self.discard()
        return stored_model(self.target)

    def discard(self) -> None:
        """Delete it; does nothing to what was kept."""
        shutil.rmtree(self.aside, ignore_errors=True)


class ModelStore:
    """The folder of converted models."""

    def __init__(self, root: Path):
        self.root = Path(root)

    def add(
        self, path: Path, flame: Path | None = None, progress: Progress | None = None
    ) -> StoredModel:
        """Convert a released file as `prepare` does, keep it and return the model."""
        return self.prepare(path, flame, progress).keep()

    def prepare(
        self, path: Path, flame: Path | None = None, progress: Progress | None = None
    ) -> PreparedModel:
        """Convert a released file, with the FLAME file that belongs to it.

        A landmark embedding is looked for beside the FLAME file.  The same file again will replace
        its model and keep a FLAME file that was given before.  Raises CheckpointError with nothing
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
        prepared = self._place_aside(_id_of(checkpoint))
        with _explained_writing(self.root), _discarded_if_it_fails(prepared):
            self.root.mkdir(parents=True, exist_ok=True)
            self._remove_stale()
            prepared.aside.mkdir()
            _write_model(prepared.aside, checkpoint, report)
            if head is not None:
                save_head(prepared.aside, head)
            else:
                _keep_flame(prepared.target, prepared.aside)
            report("writing", 1.0)
        return prepared

    def list(self) -> list[StoredModel]:
        """Return all models by id, damaged ones and stray folders with their `problem`."""
        return stored_models(self.root)

    def find(self, model_id: str) -> StoredModel:
        """Return one model; raise CheckpointError if there is none or it is damaged."""
        folder = model_folder(self.root, model_id)
        if not folder.is_dir():
            known = ", ".join(model.id for model in self.list()) or "none"
            raise CheckpointError(f"there is no model {model_id}; stored models: {known}")
        model = stored_model(folder)
        if model.problem:
            raise CheckpointError(model.problem)
        return model

    def load(self, model_id: str, progress: Progress | None = None) -> Checkpoint:
        """Return a stored model's configuration and tensors, checked again."""
        model = self.find(model_id)
        try:
            return _read_model(model, progress or (lambda stage, fraction: None))
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
        remove_stored(self.root, model_folder(self.root, model_id).name)

    def _place_aside(self, model_id: str) -> PreparedModel:
        aside = self.root / f"{ASIDE}{os.getpid()}-{time.monotonic_ns()}"
        return PreparedModel(model_folder(self.root, model_id), aside)

    def _remove_stale(self) -> None:
        """Delete what a killed program left behind a day ago or earlier."""
        for folder in self.root.glob(f"{ASIDE}*"):
            if time.time() - folder.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _explained_writing(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"the model cannot be written to {root} ({error.strerror or error}): "
            "make room there or allow writing"
        ) from None


@contextmanager
def _discarded_if_it_fails(prepared: PreparedModel) -> Iterator[None]:
    try:
        yield
    except BaseException:
        prepared.discard()
        raise


def _id_of(checkpoint: Checkpoint) -> str:
    """A readable id: the file's name and the first digits of its hash."""
    stem = Path(checkpoint.provenance["source"]).stem.lower()
    slug = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:40] or checkpoint.family
    return f"{slug}-{checkpoint.provenance['sha256'][:8]}"


def _write_model(folder: Path, checkpoint: Checkpoint, report: Progress) -> None:
    tensors = dict(checkpoint.state)
    tensors |= {EXTRA + name: value for name, value in checkpoint.extra.items()}
    weights_bytes = sum(value.nbytes for value in tensors.values())
    if shutil.disk_usage(folder).free < weights_bytes + SPARE_BYTES:
        raise CheckpointError(
            f"the disk of {folder.parent} has too little room for a model of "
            f"{weights_bytes >> 20} MB: make room there"
        )
    save_tensors(tensors, folder / WEIGHTS, lambda fraction: report("writing", fraction))
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


def _read_model(model: StoredModel, report: Progress) -> Checkpoint:
    tensors = {}
    with safe_open(model.folder / WEIGHTS, framework="pt") as file:
        names = list(file.keys())
        for index, name in enumerate(names):
            report("loading", READING_SHARE * index / len(names))
            tensors[name] = file.get_tensor(name)
    state = {name: value for name, value in tensors.items() if not name.startswith(EXTRA)}
    extra = {k.removeprefix(EXTRA): v for k, v in tensors.items() if k.startswith(EXTRA)}
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    validate_types({name: value.dtype for name, value in state.items()}, shapes)
    validate_shapes(model.family, model.config, shapes)
    validate_extra_shapes(model.family, {name: tuple(v.shape) for name, v in extra.items()})
    validate_values(state | extra, lambda: report("loading", READING_SHARE))
    return Checkpoint(model.family, model.config, state, model.source_rule, model.provenance, extra)
