"""PNG encoding in plain Python and NumPy: run on any thread, same bytes on every machine."""

from __future__ import annotations

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {3: 2, 4: 6}  # channels -> PNG colour type: RGB, RGBA
FILTER_UP = 2


def encode_png(pixels: np.ndarray, compression: int = 6) -> bytes:
    """Encode `pixels` (H, W, 3 or 4) uint8, row 0 at the top, as a PNG file.

    Every row uses the "up" filter (PNG specification, section 9), which suits smooth textures.
    Raises ValueError if the array is not an 8-bit RGB or RGBA image.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in COLOR_TYPES:
        raise ValueError(f"expected (H, W, 3 or 4) uint8, given {pixels.shape} {pixels.dtype}")
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels).reshape(height, width * channels)
    above = np.concatenate([np.zeros_like(rows[:1]), rows[:-1]])
    filtered = np.empty((height, 1 + width * channels), np.uint8)
    filtered[:, 0] = FILTER_UP
    filtered[:, 1:] = rows - above
    header = struct.pack(">IIBBBBB", width, height, 8, COLOR_TYPES[channels], 0, 0, 0)
    data = zlib.compress(filtered.tobytes(), compression)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
