"""Output files: asked about before the work, written aside and moved into place after it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import AvatarError


def check_file(path: Path, suffixes: tuple[str, ...]) -> None:
    """Raise AvatarError unless a file of such a suffix can be written; leaves nothing behind."""
    if path.suffix.lower() not in suffixes:
        endings = ", ".join(suffixes)
        raise AvatarError(f"Cannot write {path.name!r}: end the file name in {endings}.")
    if path.is_dir():
        raise AvatarError(f"Cannot write {path}: it is a folder; add a file name.")
    try:
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass
    except OSError as error:
        folder = path.absolute().parent
        raise AvatarError(
            f"Cannot write to the folder {folder} ({error.strerror}); choose another one."
        ) from error


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder to fill, which becomes `path` at the end and vanishes if anything fails.

    Raises AvatarError if there is something at `path` already or it cannot be made.
    """
    if path.exists():
        raise AvatarError(f"Cannot write {path}: it exists; name a new folder.")
    try:
        aside = Path(tempfile.mkdtemp(prefix=".avatarmmc-", dir=path.absolute().parent))
    except OSError as error:
        folder = path.absolute().parent
        raise AvatarError(
            f"Cannot write to the folder {folder} ({error.strerror}); choose another one."
        ) from error
    try:
        yield aside
        aside.chmod(0o755)  # temporary folders are for their owner alone
        aside.replace(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a path to write to, which replaces `path` at the end and vanishes if anything fails."""
    aside = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
