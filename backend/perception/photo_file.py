"""Photos from files: upright, in sRGB, as numbers; whatever cannot be used is refused clearly."""

from __future__ import annotations

import io
import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

from .photo import LARGEST, MOST_PIXELS, SMALLEST, Photo, PhotoError

log = logging.getLogger("avatarmmc.perception")

_OPAQUE = 0.5


def load_photo(path: Path | str) -> Photo:
    """Read a photo of any usual format.

    Turns it as its EXIF data say, converts its colour profile to sRGB, and shrinks it to at most
    2048 pixels.  Raises PhotoError for what is no picture, damaged, too small or too large.
    """
    name = Path(path).name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # large and odd pictures are checked here
        picture = open_picture(path)
        width, height = picture.size
        _check_size(picture, name)
        several = getattr(picture, "n_frames", 1) > 1
        picture = _decode(picture, name)
    notes = []
    if max(width, height) > LARGEST:
        notes.append(f"photo {name} is {width} x {height} pixels and was read smaller")
    if several:
        notes.append(f"photo {name} has several pictures; the first is used")
    picture = _upright(picture)
    given = _opacity(picture)
    picture, converted = _to_srgb(picture, name)
    if converted:
        notes.append(converted)
    image = torch.from_numpy(_numbers(picture, name)).permute(2, 0, 1).contiguous()
    if not bool((given >= _OPAQUE).any()):
        raise PhotoError(f"photo {name} is transparent all over; choose one that shows a face")
    scale = max(image.shape[1:]) / max(width, height)
    return Photo(image, (given >= _OPAQUE).float()[None], tuple(notes), scale)


def open_picture(path: Path | str) -> Image.Image:
    """A picture whose pixels are not read yet; PhotoError for what is none."""
    name = Path(path).name
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise PhotoError(f"{name}: {reason}; choose another file") from None
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # checked before decoding
    try:
        return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise PhotoError(
            f"{name} is no picture that can be read; use a PNG, JPEG, WebP or TIFF file"
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise PhotoError(f"{name} is damaged ({error}); save it again") from None
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _check_size(picture: Image.Image, name: str) -> None:
    width, height = picture.size
    if min(width, height) < SMALLEST:
        raise PhotoError(
            f"photo {name} is {width} x {height} pixels; it needs at least {SMALLEST} a side"
        )
    picture.draft("RGB", (LARGEST, LARGEST))  # JPEGs alone can be read smaller
    if picture.size[0] * picture.size[1] > MOST_PIXELS:
        raise PhotoError(
            f"photo {name} is {width} x {height} pixels; make it smaller than "
            f"{MOST_PIXELS // 1_000_000} million pixels"
        )


def _decode(picture: Image.Image, name: str) -> Image.Image:
    """Read the pixels, at most LARGEST a side; narrow strips keep a side of one pixel."""
    try:
        picture.load()
        if max(picture.size) > LARGEST:
            small = picture.copy() if picture.mode not in ("P", "1") else picture.convert("RGBA")
            small.thumbnail((LARGEST, LARGEST), reducing_gap=2.0)
            picture = small
    except Exception as error:  # decoders raise what they like
        reason = str(error) or type(error).__name__
        raise PhotoError(f"photo {name} is damaged ({reason}); save it again") from None
    if min(picture.size) < SMALLEST:
        raise PhotoError(
            f"photo {name} is too narrow to show a face; crop it to about as wide as high"
        )
    return picture


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # parsers of EXIF data raise what they like; data not understood say nothing
        log.info("EXIF data of the photo were not understood", exc_info=True)
        return picture


def _opacity(picture: Image.Image) -> Tensor:
    """How opaque each pixel is, (H, W) 0..1."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        alpha = np.asarray(picture.convert("RGBA").getchannel("A"), dtype=np.float32) / 255
        return torch.from_numpy(alpha)
    return torch.ones(picture.size[1], picture.size[0])


def _to_srgb(picture: Image.Image, name: str) -> tuple[Image.Image, str | None]:
    """The picture in sRGB by its own profile, and what is to be said about that."""
    profile = picture.info.get("icc_profile")
    if not profile:
        return picture, None
    if picture.mode not in ("RGB", "CMYK", "L"):
        picture = picture.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, source, target, outputMode="RGB"), None
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture, f"photo {name} has a damaged colour profile, which was left aside"


def _numbers(picture: Image.Image, name: str) -> np.ndarray:
    """Pixels (H, W, 3) float32 0..1."""
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, dtype=np.float64)
        if not np.isfinite(values).all():
            raise PhotoError(f"photo {name} has values that are no numbers; save it again")
        top = next((top for top in (1.0, 255.0, 65535.0) if values.max() <= top), values.max())
        if picture.mode.startswith("I;16"):
            top = 65535.0
        grey = np.clip(values / top, 0, 1).astype(np.float32)
        return np.repeat(grey[..., None], 3, 2)
    return np.asarray(picture.convert("RGB"), dtype=np.float32) / 255
