"""Add, verify and remove official models: what the command line and the preferences share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import AvatarError
from .files import written_aside
from .models import choose_device
from .models_store import PREVIEW, open_store
from .official_models import load_official_model
from .official_pipeline import render_test
from .png import encode_png
from .stages import Progress

if TYPE_CHECKING:
    from .backend.checkpoints.store import StoredModel


@dataclass(frozen=True)
class Verified:
    """What was found out about a stored model; `preview` is its test render if it made one."""

    model_id: str
    tensors: int
    preview: Path | None
    note: str


def add_model(path: Path, flame: Path | None, progress: Progress | None = None) -> StoredModel:
    """Convert a released file with its FLAME file; raises AvatarError with nothing changed."""
    store = open_store()
    model = _explained(lambda: store.add(path, flame, progress))
    load_official_model.cache_clear()
    return model


def remove_model(model_id: str) -> None:
    """Delete a converted model."""
    store = open_store()
    _explained(lambda: store.remove(model_id))
    load_official_model.cache_clear()


def verify_model(model_id: str, device: str = "auto", progress: Progress | None = None) -> Verified:
    """Load a stored model, which checks shapes and values, and keep a test render beside it.

    Raises AvatarError if it cannot be used.
    """
    report = progress or (lambda stage, fraction: None)
    report("loading", 0.0)
    model = load_official_model(model_id, choose_device(device))
    tensors = len(model.generator.state_dict())
    if model.family == "next3d" and model.flame is None:
        return Verified(model_id, tensors, None, "no test render without a FLAME file")
    report("rendering", 0.5)
    image = render_test(model)
    path = open_store().find(model_id).folder / PREVIEW
    try:
        with written_aside(path) as aside:
            aside.write_bytes(encode_png(image))
    except OSError as error:
        raise AvatarError(
            f"Cannot write {path} ({error.strerror}); allow writing there."
        ) from error
    report("rendering", 1.0)
    note = f"test render {image.shape[1]} x {image.shape[0]}"
    return Verified(model_id, tensors, path, note)


def _explained(action: Callable):
    """Return what the action returns; its errors become AvatarError."""
    try:
        return action()
    except (OSError, ValueError) as error:
        raise AvatarError.from_error(error) from error
