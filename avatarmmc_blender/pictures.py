"""Blender's images as bytes and back: painted, packed or loaded ones, whatever their settings."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from .errors import AvatarError
from .exif import is_cut_short, orientation, upright
from .png import encode_png

MOST_PIXELS = 64_000_000  # a gigabyte while Blender hands them out
STILL = ("FILE", "GENERATED")
_EXIF_BYTES = 1 << 17  # EXIF data stand in a segment of at most 64 KB near the beginning


def image_pixels(image: bpy.types.Image, turn: bool = False) -> np.ndarray:
    """Return the sRGB bytes (H, W, 4) uint8 of `image`, row 0 at the top, alpha straight.

    8-bit images give the very bytes of their file; their colour space setting is about drawing.
    `turn` turns photos as their camera was held.  Raises AvatarError for what has no pixels.
    """
    if image.source not in STILL:
        kind = image.source.lower()
        raise AvatarError(f"Image {image.name} is a {kind}; save one picture of it as a PNG file.")
    width, height = image.size
    if not image.has_data or width * height == 0:
        raise AvatarError(
            f"Image {image.name} cannot be read from {image.filepath or 'its data'}; "
            "open it again or choose another."
        )
    if width * height > MOST_PIXELS:
        raise AvatarError(
            f"Image {image.name} is {width} x {height} pixels; make it smaller than "
            f"{MOST_PIXELS // 1_000_000} million pixels."
        )
    if turn and is_cut_short(_file_bytes(image)):  # Blender shows what there is of it
        raise AvatarError(
            f"Image {image.name} is cut short in its file; save or download it again."
        )
    values = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(values)
    values = values.reshape(height, width, image.channels)[::-1]
    pixels = _float_bytes(image, values) if image.is_float else _bytes(values)
    pixels = _rgba(pixels)
    return upright(pixels, image_orientation(image)) if turn else pixels


def image_orientation(image: bpy.types.Image) -> int:
    """Return the EXIF orientation 1..8 of the file that `image` is of, 1 for most."""
    return orientation(_file_bytes(image, _EXIF_BYTES))


def new_image(name: str, pixels: np.ndarray) -> bpy.types.Image:
    """Return a new sRGB image of pixels (H, W, 3 or 4) uint8, row 0 at the top, packed."""
    file = encode_png(np.ascontiguousarray(pixels))
    height, width = pixels.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=pixels.shape[2] == 4)
    image.pack(data=file, data_len=len(file))
    image.source = "FILE"
    image.colorspace_settings.name = "sRGB"
    return image


def _bytes(values: np.ndarray) -> np.ndarray:
    """Values 0..1 as bytes; the memory of `values` is used for it."""
    np.multiply(values, 255.0, out=values)
    np.rint(values, out=values)
    return np.clip(values, 0.0, 255.0, out=values).astype(np.uint8)


def _float_bytes(image: bpy.types.Image, values: np.ndarray) -> np.ndarray:
    """Scene-linear values with premultiplied alpha, as Blender keeps them, as sRGB bytes."""
    if not np.isfinite(values).all():
        raise AvatarError(f"Image {image.name} has values that are no numbers; save it again.")
    colors = values[..., :3] if image.channels >= 3 else values[..., :1]
    if image.channels == 4:
        alpha = values[..., 3:]
        np.divide(colors, alpha, out=colors, where=alpha > 0)
    if not image.colorspace_settings.is_data:
        colors[...] = srgb_from_linear(colors)
    return _bytes(values)


def srgb_from_linear(values: np.ndarray) -> np.ndarray:
    """Encode linear values 0..1 as sRGB (IEC 61966-2-1)."""
    values = np.clip(values, 0.0, 1.0)
    return np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)


def linear_from_srgb(value: float) -> float:
    """Decode one sRGB component (IEC 61966-2-1)."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _rgba(pixels: np.ndarray) -> np.ndarray:
    channels = pixels.shape[2]
    if channels == 4:
        return np.ascontiguousarray(pixels)
    colors = pixels if channels == 3 else np.repeat(pixels[..., :1], 3, 2)
    return np.dstack([colors, np.full(pixels.shape[:2], 255, np.uint8)])


def _file_bytes(image: bpy.types.Image, count: int | None = None) -> bytes:
    """The file that `image` is of, or the beginning of it; empty where it is of none."""
    if image.packed_file is not None:
        return image.packed_file.data[:count]
    if image.source != "FILE" or not image.filepath:
        return b""
    try:
        with Path(bpy.path.abspath(image.filepath, library=image.library)).open("rb") as file:
            return file.read(count)
    except OSError:
        return b""
