"""Whole files into memory, after a look at what they are."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from pathlib import Path

from .errors import CheckpointError, TruncatedError

# Twice the size of a Next3D file with both generators and the discriminator.
MAX_FILE_BYTES = 4 << 30
PIECE = 8 << 20

# The first bytes of files that people take for checkpoints.
FOREIGN = (
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"\xfd7zXZ", "an xz archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89PNG", "a PNG picture"),
    (b"\x89HDF", "an HDF5 file"),
    (b"version https://git-lfs", "a Git LFS pointer in place of the file"),
)
PARTIAL_SUFFIXES = {".part", ".crdownload", ".download", ".partial", ".aria2", ".tmp"}


def file_size(path: Path) -> int:
    """Return the size of a regular file that may be read, or raise CheckpointError."""
    info = path.stat()
    if not stat.S_ISREG(info.st_mode):
        raise CheckpointError("is no file")
    if path.suffix.lower() in PARTIAL_SUFFIXES:
        raise TruncatedError(f"its name ends in {path.suffix}")
    if not info.st_size:
        raise TruncatedError("it is empty")
    if info.st_size > MAX_FILE_BYTES:
        raise CheckpointError(
            f"has {info.st_size >> 20} MB and no released file has more than "
            f"{MAX_FILE_BYTES >> 20} MB"
        )
    return info.st_size


def read_file(
    path: Path, progress: Callable[[float], None] | None = None, digest: hashlib._Hash | None = None
) -> memoryview:
    """Return the bytes of a file, having told from its head and tail that it may be a pickle.

    `progress` gets the fraction read and `digest` all bytes.
    """
    size = file_size(path)
    with path.open("rb") as file:
        check_head(file.read(512))
        file.seek(-1, 2)
        _check_tail(file.read(1))
        file.seek(0)
        data = memoryview(bytearray(size))
        for start in range(0, size, PIECE):
            piece = data[start : start + PIECE]
            if file.readinto(piece) != len(piece):
                raise TruncatedError("it became shorter while it was read")
            if digest is not None:
                digest.update(piece)
            if progress is not None:
                progress((start + len(piece)) / size)
    return data.toreadonly()


def check_head(head: bytes) -> None:
    """Raise CheckpointError that names a file of another kind by its first bytes."""
    for start, kind in FOREIGN:
        if head.startswith(start):
            raise CheckpointError(f"is {kind}")
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise CheckpointError(
            "is a web page, not the file; the server may have asked for a login or a confirmation"
        )
    if head[4:9] == b"\0\0\0\0{":
        raise CheckpointError("is a safetensors file, which already is a converted model")
    if text.startswith((b"# ", b"v ", b"o ", b"mtllib")):
        raise CheckpointError("is an OBJ mesh or another text file")


def _check_tail(tail: bytes) -> None:
    if tail == b"\0":
        raise TruncatedError("it ends in zeros")
    if tail != b".":
        raise TruncatedError("its end is missing")
