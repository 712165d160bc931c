"""Reading back a head that AvatarMMC wrote: its latent and what it was made from.

Files come from anywhere: sizes are looked at before anything is read, nothing is unpickled, and
whatever does not fit ends in one sentence that says what was found and what was expected.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import AvatarError
from .files import written_aside
from .metadata import LATENT_KEY, PREFIX, decode_latent, encode_latent
from .settings import BUNDLED_MODEL

SUFFIXES = (".glb", ".blend", ".npz")
W_SIZE, Z_SIZE = 256, 104  # numbers of a bundled head's latent, now and in the first version
MOST_JSON = 64 << 20  # bytes of a GLB's JSON, or of a stored text
BLEND_SECONDS = 120.0
_BLEND_MAGIC = (b"BLENDER", b"\x28\xb5\x2f\xfd", b"\x1f\x8b")  # plain, zstd, gzip
_GLB_HEADER = struct.Struct("<4sII")
_GLB_CHUNK = struct.Struct("<I4s")
_NEEDED = ("version", "model", "model_sha256", "settings", "latent")


@dataclass(frozen=True)
class StoredHead:
    """What a head remembers: its latent (D,) float32, the id and the weights' sha256 of the model
    that it belongs to, the settings it was made with, and its evidence as `Evidence.encode` wrote
    it (None: made from the seed alone, or by the first version)."""

    latent: np.ndarray
    model: str
    model_sha256: str
    settings: dict[str, Any]
    evidence: dict[str, Any] | None = None

    @property
    def is_bundled(self) -> bool:
        """Whether the bundled generator made it, not an official model."""
        return self.settings.get("model", BUNDLED_MODEL) == BUNDLED_MODEL


class _NoHeadError(ValueError):
    """Says, after a name, what was found there."""


def read_head(path: Path) -> StoredHead:
    """Read the one head in a .glb, .blend or .npz file that AvatarMMC wrote.

    Raises AvatarError with one sentence.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise AvatarError(
            f"Cannot read a head from {path.name!r}: expected a file that AvatarMMC wrote as "
            f"{_listed(SUFFIXES)}."
        )
    if not path.is_file():
        raise AvatarError(f"There is no file {path}; name a head that AvatarMMC wrote.")
    read: Callable[[Path], list[dict[str, str]]] = {
        ".glb": _glb_texts,
        ".blend": _blend_texts,
        ".npz": _npz_texts,
    }[suffix]
    try:
        heads = read(path)
        if not heads:
            raise _NoHeadError("holds no head of AvatarMMC")
        if len(heads) > 1:
            raise _NoHeadError(
                f"holds {len(heads)} heads; export the one you mean to a file of its own"
            )
    except _NoHeadError as error:
        raise AvatarError(
            f"{path.name} {error}; expected a {suffix} file with one head as AvatarMMC writes it."
        ) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise AvatarError(f"{path.name} cannot be read ({reason}).") from error
    return stored_head(heads[0], path.name)


def write_latent_file(path: Path, metadata: Mapping[str, str]) -> None:
    """Write the texts of `head_metadata` as an .npz that `read_head` reads, without pickles.

    `latent` is an array of its own, float32 (D,), for other programs; texts are UTF-8 bytes.
    """
    arrays = {
        name: np.frombuffer(text.encode(), np.uint8)
        for name, text in metadata.items()
        if name != "latent"
    }
    latent = decode_latent(metadata["latent"])
    with written_aside(path) as aside:
        np.savez(aside, latent=latent, **arrays)


def stored_head(texts: Mapping[str, Any], name: str) -> StoredHead:
    """The head of the texts that `store_metadata` wrote; raises AvatarError with one sentence.

    texts: custom properties by name; name: of the file or the head, for the sentence.
    """
    try:
        return _checked(texts)
    except _NoHeadError as error:
        raise AvatarError(f"{name} {error}; make the head anew.") from None


def _checked(texts: Mapping[str, Any]) -> StoredHead:
    values = {name: texts.get(PREFIX + name) for name in (*_NEEDED, "evidence")}
    missing = [name for name in _NEEDED if not isinstance(values[name], str)]
    if missing:
        raise _NoHeadError(f"holds a head of which {_listed(missing)} is missing")
    settings = _dictionary(values["settings"], "settings")
    evidence = values["evidence"]
    if evidence is not None:
        evidence = _dictionary(evidence, "evidence")
    head = StoredHead(
        _latent(values["latent"]), values["model"], values["model_sha256"], settings, evidence
    )
    if head.is_bundled and len(head.latent) not in (W_SIZE, Z_SIZE):
        raise _NoHeadError(
            f"holds a latent of {len(head.latent)} numbers, expected {W_SIZE} "
            f"({Z_SIZE} in files of the first version)"
        )
    return head


def _latent(text: str) -> np.ndarray:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _NoHeadError("holds a latent that is not base64") from None
    if not data or len(data) % 4:
        raise _NoHeadError(f"holds a latent of {len(data)} bytes, which are no float32 numbers")
    latent = np.frombuffer(data, "<f4").astype(np.float32)
    if not np.isfinite(latent).all():
        raise _NoHeadError("holds a latent that is not finite")
    return latent


def _dictionary(text: Any, name: str) -> dict[str, Any]:
    value = _json(text, f"{name} that are no JSON")
    if not isinstance(value, dict):
        raise _NoHeadError(f"holds {name} that are {type(value).__name__}, expected a dictionary")
    return value


def _json(text: Any, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise _NoHeadError(f"holds {what}") from None


def _glb_texts(path: Path) -> list[dict[str, str]]:
    """The extras of the nodes that are heads, from the file's JSON alone."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_GLB_HEADER.size + _GLB_CHUNK.size)
        if len(start) < _GLB_HEADER.size + _GLB_CHUNK.size or start[:4] != b"glTF":
            raise _NoHeadError("is no binary glTF")
        _, version, length = _GLB_HEADER.unpack_from(start)
        count, kind = _GLB_CHUNK.unpack_from(start, _GLB_HEADER.size)
        if version != 2 or kind != b"JSON":
            raise _NoHeadError(f"is glTF {version} without the JSON that version 2 begins with")
        if length > size or len(start) + count > size:
            announced = max(length, len(start) + count)
            raise _NoHeadError(f"is cut off: it announces {announced} bytes and has {size}")
        if count > MOST_JSON:
            raise _NoHeadError(f"announces {count >> 20} MB of JSON, more than any head has")
        content = file.read(count)
    document = _json(content, "no JSON where glTF has it")
    nodes = document.get("nodes") if isinstance(document, dict) else None
    if not isinstance(nodes, list):
        return []
    found = [node.get("extras") for node in nodes if isinstance(node, dict)]
    return [extras for extras in found if isinstance(extras, dict) and LATENT_KEY in extras]


def _npz_texts(path: Path) -> list[dict[str, str]]:
    from .backend.checkpoints.errors import CheckpointError
    from .backend.checkpoints.npz_file import read_npz

    try:
        arrays = read_npz(path, {*_NEEDED, "evidence"})
    except CheckpointError as error:
        raise _NoHeadError(f"cannot be used: {error}") from None
    if "latent" not in arrays:
        return []
    texts = {LATENT_KEY: _encoded(arrays.pop("latent"))}
    for name, value in arrays.items():
        if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.ndim != 1:
            raise _NoHeadError(f"holds {name} that is no text in UTF-8")
        try:
            texts[PREFIX + name] = value.tobytes().decode()
        except UnicodeDecodeError:
            raise _NoHeadError(f"holds {name} that is no text in UTF-8") from None
    return [texts]


def _encoded(latent: Any) -> str:
    if not isinstance(latent, np.ndarray) or latent.dtype.kind != "f" or latent.ndim != 1:
        found = f"{latent.dtype} {latent.shape}" if isinstance(latent, np.ndarray) else "no array"
        raise _NoHeadError(f"holds a latent that is {found}, expected float32 ({W_SIZE},)")
    return encode_latent(latent)


def _blend_texts(path: Path) -> list[dict[str, str]]:
    """The custom properties of the armatures that are heads, read by another process."""
    with path.open("rb") as file:
        if not file.read(7).startswith(_BLEND_MAGIC):
            raise _NoHeadError("is no file of Blender")
    script = Path(__file__).with_name("blend_texts.py")
    command = [sys.executable, str(script), str(path.absolute())]
    try:
        done = subprocess.run(command, capture_output=True, timeout=BLEND_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise _NoHeadError(f"was not read within {BLEND_SECONDS:.0f} seconds") from None
    if done.returncode:
        raise _NoHeadError("is damaged, or of a newer Blender than the one here")
    return _json(done.stdout.splitlines()[-1], "nothing that can be read")


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))
