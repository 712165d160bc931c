"""Add, verify and remove official models: what the command line and the preferences share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .backend.checkpoints.stored_model import PREVIEW, StoredModel, remove_stored
from .errors import AvatarError
from .files import written_aside
from .models import choose_device
from .models_store import listed_models, models_folder, open_store
from .official_models import OfficialModel, forget_official_models, load_official_model
from .official_pipeline import render_test
from .png import encode_png
from .stages import Progress

if TYPE_CHECKING:
    from .backend.checkpoints.store import PreparedModel

LOADING_SHARE = 0.3  # of verification; the rest is rendering


@dataclass(frozen=True)
class Verified:
    """What was found out about a stored model; `picture` is its test render, a PNG, if it has one.

    `note` says which, or why there is none.
    """

    model_id: str
    tensors: int
    picture: bytes | None
    note: str


def add_model(path: Path, flame: Path | None, progress: Progress | None = None) -> StoredModel:
    """Convert a released file with its FLAME file; raises AvatarError with nothing changed."""
    return keep_model(prepare_model(path, flame, progress))


def prepare_model(
    path: Path, flame: Path | None, progress: Progress | None = None
) -> PreparedModel:
    """Convert a released file; nothing is changed until it is kept."""
    store = open_store()
    return _explained(lambda: store.prepare(path, flame, progress))


def keep_model(prepared: PreparedModel) -> StoredModel:
    """Put a prepared model among the others."""
    model = _explained(prepared.keep)
    forget_official_models()
    return model


def remove_model(model_id: str, stray: bool = False) -> None:
    """Delete a converted model; with `stray` also a folder among them that is none."""
    _explained(lambda: remove_stored(models_folder(), model_id, stray))
    forget_official_models()


def verify_model(model_id: str, device: str = "auto", progress: Progress | None = None) -> Verified:
    """Load a stored model, which checks shapes and values, and render a picture with it.

    Nothing is changed until `keep_picture`.  Raises AvatarError if it cannot be used.
    """
    report = progress or (lambda stage, fraction: None)
    report("loading", 0.0)
    forget_official_models()  # what is on disk is to be checked
    model = load_official_model(
        model_id, choose_device(device), lambda _, done: report("loading", LOADING_SHARE * done)
    )
    tensors = len(model.generator.state_dict())
    problem = _no_picture(model)
    if problem:
        return Verified(model_id, tensors, None, f"no test render: {problem}")
    image = render_test(model, tick=lambda: report("rendering", LOADING_SHARE))
    report("rendering", 1.0)
    note = f"test render {image.shape[1]} x {image.shape[0]}"
    return Verified(model_id, tensors, encode_png(image), note)


def keep_picture(verified: Verified) -> Path | None:
    """Write the test render beside its model and return its path, None if there is none."""
    if verified.picture is None:
        return None
    path = models_folder() / verified.model_id / PREVIEW
    try:
        with written_aside(path) as aside:
            aside.write_bytes(verified.picture)
    except OSError as error:
        raise AvatarError(
            f"Cannot write {path} ({error.strerror}); allow writing there."
        ) from error
    return path


def _no_picture(model: OfficialModel) -> str:
    """Return why nothing can be rendered with a model, "" if it can."""
    if model.family == "eg3d":
        return ""
    return next((info.problem for info in listed_models() if info.id == model.name), "")


def _explained(action: Callable):
    """Return what the action returns; its errors become AvatarError."""
    try:
        return action()
    except (OSError, ValueError) as error:
        raise AvatarError.from_error(error) from error
