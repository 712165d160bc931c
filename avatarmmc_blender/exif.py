"""What Blender leaves out of a JPEG: how the camera was held, and whether the file is whole."""

from __future__ import annotations

import re
import struct

import numpy as np

_ORIENTATION = 0x0112
_EXIF = b"Exif\x00\x00"
_START, _SCAN, _END = b"\xff\xd8", 0xDA, 0xD9
_NEXT = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in the pixels' data: neither stuffed nor restart


def orientation(file: bytes) -> int:
    """Return the orientation 1..8 of a JPEG file, given its beginning; 1 for all else."""
    try:
        return _in_tiff(_exif_segment(file))
    except (struct.error, ValueError):  # cut short, or no JPEG
        return 1


def is_cut_short(file: bytes) -> bool:
    """Whether a JPEG file ends before its picture does; False for all other files.

    What other programs appended after the picture does not matter.
    """
    if file[:2] != _START:
        return False
    at = 2
    while at + 4 <= len(file):
        marker = file[at + 1]
        if file[at] != 0xFF or marker == _END:
            return False  # the end, or no structure that is known here
        if marker == 0xFF:  # a marker may be filled up in front
            at += 1
            continue
        (length,) = struct.unpack_from(">H", file, at + 2)
        at += 2 + length
        if marker == _SCAN:
            found = _NEXT.search(file, at)
            if found is None:
                return True
            at = found.start()
    return file[at : at + 2] != b"\xff\xd9"


def upright(pixels: np.ndarray, turned: int) -> np.ndarray:
    """Return pixels (H, W, C) of a photo with orientation `turned` as the photographer saw them.

    EXIF 2.3, tag 274: which sides of the scene the first row and column are.
    """
    if turned in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if turned in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if turned in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def upright_size(size: tuple[int, int], turned: int) -> tuple[int, int]:
    """Return width and height of a photo stored with `size` once it is upright."""
    return (size[1], size[0]) if turned in (5, 6, 7, 8) else (size[0], size[1])


def raw_point(x: float, y: float, size: tuple[int, int], turned: int) -> tuple[float, float]:
    """Return where the point x, y of the upright photo lies in the photo as stored with `size`.

    Both are pixels from the upper left; the inverse of `upright`.
    """
    width, height = upright_size(size, turned)
    if turned in (3, 4, 7, 8):
        y = height - y
    if turned in (2, 3, 6, 7):
        x = width - x
    return (y, x) if turned in (5, 6, 7, 8) else (x, y)


def _exif_segment(file: bytes) -> bytes:
    """The TIFF structure in the first APP1 segment that is EXIF."""
    if file[:2] != _START:
        raise ValueError("no JPEG")
    at = 2
    while file[at : at + 1] == b"\xff":
        marker, length = struct.unpack_from(">HH", file, at)
        content = file[at + 4 : at + 2 + length]
        if marker == 0xFFE1 and content.startswith(_EXIF):
            return content[len(_EXIF) :]
        if marker == 0xFF00 + _SCAN:  # the picture itself
            break
        at += 2 + length
    raise ValueError("no EXIF data")


def _in_tiff(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        raise ValueError("no TIFF structure")
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
        if tag == _ORIENTATION:
            return value if 1 <= value <= 8 else 1
    return 1
