"""NumPy's .npy and .npz files: no header is evaluated, no bomb inflated."""

from __future__ import annotations

import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import PLAIN_CODES, checked_count
from .errors import CheckpointError, TruncatedError, shown
from .file_bytes import file_size
from .unpickle import read_pickle

MAGIC = b"\x93NUMPY"
HEADER = re.compile(
    rb"\{'descr': '(?P<descr>[<>|=][a-zA-Z]\d*)', 'fortran_order': (?P<fortran>True|False), "
    rb"'shape': \((?P<shape>[\d, ]*)\), *\}\s*"
)
MAX_HEADER = 4096
MAX_ENTRIES = 64
MAX_DIRECTORY = 16 << 10
# FLAME's largest array, its 400 directions in double precision, has 48 MB.
MAX_ENTRY_BYTES = 64 << 20
MAX_TOTAL_BYTES = 160 << 20
END_OF_DIRECTORY = struct.Struct("<4s4H2IH")
ZIP64_LOCATOR, ZIP64_LOCATOR_SIZE = b"PK\x06\x07", 20


def is_npz(path: Path) -> bool:
    """Whether a file is named or begins like a zip archive."""
    if path.suffix.lower() == ".npz":
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def read_npz(path: Path, names: set[str]) -> dict[str, Any]:
    """Return those of the arrays `names` that an .npz file has.

    Sizes are checked before anything is inflated, and inflating stops where the announced size is
    reached.
    """
    size = file_size(path)
    _check_directory(path, size)
    left = MAX_TOTAL_BYTES
    found: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                name = entry.filename.removesuffix(".npy")
                if name not in names:
                    continue
                left -= entry.file_size
                if entry.file_size > MAX_ENTRY_BYTES or left < 0:
                    raise CheckpointError(
                        f"announces {entry.file_size >> 20} MB in {shown(name)}, "
                        "more than any head model has"
                    )
                found[name] = parse_npy(_inflated(archive, entry), name)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise TruncatedError(f"its archive is damaged: {shown(str(error))}") from None
    return found


def read_npy(path: Path) -> Any:
    """Return the array of an .npy file, or the records of a pickled one."""
    size = file_size(path)
    if size > MAX_TOTAL_BYTES:
        raise CheckpointError(f"has {size >> 20} MB, more than any landmark file")
    return parse_npy(path.read_bytes(), path.stem)


def parse_npy(data: bytes, name: str) -> Any:
    """Return an array (a view of `data`), or the records of an array of objects."""
    if data[:6] != MAGIC:
        raise CheckpointError(f"has {shown(name)} that is no NumPy array")
    length_size = 2 if data[6:7] == b"\x01" else 4
    start = 8 + length_size
    length = int.from_bytes(data[8:start], "little")
    if length > MAX_HEADER:
        raise CheckpointError(f"has {shown(name)} with an overlong header")
    if len(data) < start + length:
        raise TruncatedError("its end is missing")
    header = HEADER.fullmatch(data[start : start + length])
    if header is None:
        raise CheckpointError(f"has {shown(name)} that is no plain array of numbers")
    body = memoryview(data)[start + length :]
    if header["descr"][1:2] == b"O":
        return read_pickle(body, encoding="latin-1")
    return _plain_array(body, header, name)


def _plain_array(body: memoryview, header: re.Match[bytes], name: str) -> np.ndarray:
    code = header["descr"].decode()
    if not PLAIN_CODES.fullmatch(code):
        raise CheckpointError(f"has {shown(name)} of {shown(code)}, not of numbers")
    sides = [side for side in header["shape"].replace(b" ", b"").split(b",") if side]
    if any(len(side) > 10 for side in sides):
        raise CheckpointError(f"has {shown(name)} of a shape that no head model has")
    shape = tuple(int(side) for side in sides)
    wanted = checked_count(shape) * np.dtype(code).itemsize
    if len(body) < wanted:
        raise TruncatedError(f"{shown(name)} announces {wanted} bytes where {len(body)} are left")
    if len(body) > wanted:
        raise CheckpointError(f"has {len(body) - wanted} bytes behind the end of {shown(name)}")
    order = "F" if header["fortran"] == b"True" else "C"
    return np.frombuffer(body, np.dtype(code)).reshape(shape, order=order)


def _inflated(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return an entry's bytes, at most as many as it announces."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise CheckpointError("is packed by a method that NumPy does not use")
    with archive.open(entry) as stream:
        data = stream.read(entry.file_size + 1)
    if len(data) != entry.file_size:
        raise TruncatedError(f"its archive announces {entry.file_size} bytes and has {len(data)}")
    return data


def _check_directory(path: Path, size: int) -> None:
    """Look at the end record, so that no directory of millions of entries is read."""
    want = END_OF_DIRECTORY.size + ZIP64_LOCATOR_SIZE
    with path.open("rb") as file:
        file.seek(max(0, size - want))
        tail = file.read(want)
    if len(tail) < END_OF_DIRECTORY.size:
        raise TruncatedError("its end is missing")
    mark, _, _, _, entries, length, _, comment = END_OF_DIRECTORY.unpack(
        tail[-END_OF_DIRECTORY.size :]
    )
    if mark != b"PK\x05\x06" or comment:
        raise TruncatedError("its end is missing")
    if tail[:4] == ZIP64_LOCATOR or entries > MAX_ENTRIES or length > MAX_DIRECTORY:
        raise CheckpointError("is an archive of more files than a head model has")
