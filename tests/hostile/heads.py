"""FLAME files, landmarks and archives, hostile or broken."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.checkpoint_files import (
    generator_pickle,
)
from tests.flame_files import flame_values, landmark_values, npz
from tests.hostile.case import HostileFile
from tests.pickle_writer import (
    Call,
    Name,
    New,
    Raw,
    array_parts,
    pickled,
)


def flame(canary: Path) -> Iterator[HostileFile]:
    small = flame_values(python2=True) | {
        name: array_parts(np.zeros((5023, 3, count), np.int8), python2=True)
        for name, count in {"shapedirs": 400, "posedirs": 36}.items()
    }

    def broken(name: str, value: Any, protocol: int = 2) -> bytes:
        others = {} if name == "v_template" else small
        return pickled({**others, name: value}, protocol, python2=True)

    shell = f"touch {canary}"
    numbers = np.zeros((5023, 3), np.float32)
    nan = numbers.copy()
    nan[7, 1] = np.nan
    attack = Call(Name("os", "system"), (shell,))
    for protocol in (0, 2):
        data = broken("v_template", attack, protocol)
        yield HostileFile(f"FLAME with code, protocol {protocol}", data, "flame")
    chumpy = Name("chumpy.ch", "Ch")
    select = Name("chumpy.reordering", "Select")
    ints = array_parts(np.array([0, 10**9]), python2=True)
    sparse = Name("scipy.sparse.csc", "csc_matrix")
    pointers = array_parts(np.array([0, 10**12] * 3, np.int64), python2=True)
    cases = {
        "SMPL body": ("v_template", array_parts(np.zeros((6890, 3)), True)),
        "wrong vertices": ("v_template", array_parts(np.zeros((5000, 3)), True)),
        "NaN vertices": ("v_template", array_parts(nan, True)),
        "beyond single precision": ("v_template", array_parts(numbers.astype(float) + 1e300, True)),
        "objects for vertices": ("v_template", [[None]]),
        "chumpy function": ("v_template", New(Name("chumpy.ch", "ChLambda"), (), {"x": 1})),
        "chumpy without values": ("v_template", New(chumpy, (), {})),
        "selection that points nowhere": (
            "v_template",
            New(
                select, (), {"a": New(chumpy, (), {"x": array_parts(numbers, True)}), "idxs": ints}
            ),
        ),
        "regressor of lies": (
            "J_regressor",
            New(
                sparse, (), {"_shape": (5, 5023), "data": ints, "indices": ints, "indptr": pointers}
            ),
        ),
        "regressor of 2**60 numbers": (
            "J_regressor",
            New(sparse, (), {"_shape": (1 << 30, 1 << 30), "data": ints, "indices": ints}),
        ),
        "faces that point outside": ("f", array_parts(np.full((9976, 3), 9000, np.uint32), True)),
        "faces of halves": ("f", array_parts(np.full((9976, 3), 0.5), True)),
        "joints in a ring": (
            "kintree_table",
            array_parts(np.array([[1, 2, 0, 3, 4], [0] * 5]), True),
        ),
        "few shape directions": ("shapedirs", array_parts(np.zeros((5023, 3, 10), "f4"), True)),
        "missing weights": ("weights", None),
        "text for weights": ("weights", array_parts(np.zeros((5023, 5), "S4"), True)),
        "array of records": (
            "weights",
            Call(Name("numpy", "dtype"), ("V8", 0, 1), (3, "|", None, ("f",), {}, 8, 1, 0)),
        ),
        "array with other elements": ("weights", _lying_array((5023, 5))),
        "array of 2**62 elements": ("weights", _lying_array((1 << 31, 1 << 31))),
    }
    for name, (key, value) in cases.items():
        yield HostileFile(f"FLAME: {name}", broken(key, value), "flame")
    whole, text = (pickled(small, protocol, python2=True) for protocol in (2, 0))
    yield HostileFile("FLAME cut off", whole[: len(whole) // 2], "flame")
    changed = text.replace(b"\n", b"\r\n")
    yield HostileFile("FLAME text with changed line ends", changed, "flame")
    yield HostileFile("generator for FLAME", generator_pickle("eg3d"), "flame")
    objects = _npy("|O", "()", pickled([attack], 2))
    yield HostileFile("landmarks with code", objects, "landmarks", ".npy")
    values = landmark_values()
    values.pop("dynamic_lmk_faces_idx")
    yield HostileFile("landmarks without contour", npz(values), "landmarks", ".npz")
    values = landmark_values() | {"static_lmk_bary_coords": np.full((51, 3), np.nan)}
    yield HostileFile("landmarks that are NaN", npz(values), "landmarks", ".npz")


def _lying_array(shape: tuple[int, ...]) -> Call:
    honest = array_parts(np.zeros(3, np.float32), python2=True)
    _, _, dtype, fortran, data = honest.state
    return Call(honest.target, honest.args, (1, shape, dtype, fortran, data))


def _npy(descr: str, shape: str, body: bytes, version: int = 1) -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header) + 1)
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + b"\n" + body


def archives(canary: Path) -> Iterator[HostileFile]:
    code = f"__import__('os').system('touch {canary}')"
    evaluated = _npy("<f4", f"({code},)", b"")
    whole = npz({"v_template": np.zeros((5023, 3))})
    many = pickled([Raw(b"\x8f" * 250_000 + b"0" * 249_999)], 4)
    sets = {f"{name}.npy": _npy("|O", "()", many) for name in landmark_values()}
    yield HostileFile("npz of masses of objects", _zipped(sets), "landmarks", ".npz")
    archives = {
        "npz bomb": _zipped({"v_template.npy": _npy("<f4", "(67108864,)", bytes(256 << 20))}),
        "npz of 3000 entries": _zipped({f"{i}.npy": b"" for i in range(3000)}),
        "npz with code in a header": _zipped({"v_template.npy": evaluated}),
        "npz with objects": _zipped({"v_template.npy": _npy("|O", "(1,)", pickled([None], 2))}),
        "npz of 2**62 numbers": _zipped(
            {"v_template.npy": _npy("<f4", "(2147483647, 2147483647)", b"")}
        ),
        "npz with a long header": _zipped({"v_template.npy": b"\x93NUMPY\x02\x00\xff\xff\xff\xff"}),
        "npz with text": _zipped({"v_template.npy": _npy("<U4", "(1,)", bytes(16))}),
        "npz that announces less": _patched_size(whole, 100),
        "npz that announces 4 GB": _patched_size(whole, 0xFFFFFFF0),
        "npz with changed bytes": whole[:1000] + b"x" * 64 + whole[1064:],
        "npz cut off": whole[:-30],
        "npz without its directory": b"PK\x03\x04" + bytes(100),
        "npz of encrypted parts": _patched_flag(whole),
        "npz of nothing": _zipped({}),
    }
    for name, data in archives.items():
        yield HostileFile(name, data, "flame", ".npz")
    yield HostileFile("zip of another name", archives["npz bomb"], "flame", ".pkl")


def _zipped(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return buffer.getvalue()


def _patched_size(data: bytes, size: int) -> bytes:
    """An archive whose directory announces another size for its one entry."""
    at = data.rindex(b"PK\x01\x02")
    return data[: at + 24] + struct.pack("<I", size) + data[at + 28 :]


def _patched_flag(data: bytes) -> bytes:
    at = data.rindex(b"PK\x01\x02")
    return data[: at + 8] + b"\x01\x00" + data[at + 10 :]
