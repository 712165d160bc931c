"""From what a user gives to evidence: photo, label map and mask as files or as pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..conditions.attributes import check_value
from ..conditions.painted import MAP_SIZE, OPAQUE, LabelMapError, read_mask_pixels, read_painted
from ..perception.framing import Frame
from ..perception.network import FaceNetwork
from ..perception.photo import Photo, PhotoError, as_rgba, photo_of_pixels
from ..perception.reading import FaceReading, read_face
from .evidence import Evidence

# a file, or pixels (H, W, 3 or 4) uint8 sRGB, row 0 on top
Picture = Path | np.ndarray

_SAME_PROPORTIONS = 0.01
_UNNAMED = "in memory"
_MOST_CUT = 1024  # pixels a side of what is cut out of maps


@dataclass(frozen=True)
class OnPhoto:
    """Where the square of the head lies in pictures that cover the same photo: size is the photo's
    width and height, frame the square in its pixels."""

    size: tuple[float, float]
    frame: Frame

    def cut(self, pixels: np.ndarray) -> np.ndarray | None:
        """The square (n, n, 4) of a picture (H, W, 4) of the photo's proportions, transparent
        outside of it; None for one of other proportions."""
        height, width = pixels.shape[:2]
        share = width * self.size[1] / (height * self.size[0])
        if abs(share - 1.0) > _SAME_PROPORTIONS:
            return None
        return cut_square(pixels, self.frame.scaled(width / self.size[0]))


def cut_square(pixels: np.ndarray, frame: Frame) -> np.ndarray:
    """The square (n, n, 4) of pixels (H, W, 4), as they are; outside of the picture transparent,
    with the colours of its edge."""
    count = min(max(round(frame.side), MAP_SIZE), _MOST_CUT)
    line = (np.arange(count) + 0.5) / count - 0.5
    column = np.floor(frame.x + line * frame.side).astype(np.int64)
    row = np.floor(frame.y + line * frame.side).astype(np.int64)
    height, width = pixels.shape[:2]
    inside = ((row >= 0) & (row < height))[:, None] & ((column >= 0) & (column < width))[None]
    square = pixels[row.clip(0, height - 1)[:, None], column.clip(0, width - 1)]
    square[..., 3] *= inside
    return square


def read_evidence(
    image: Picture | None = None,
    segmentation: Picture | None = None,
    mask: Picture | None = None,
    attributes: Mapping[str, float | str] | None = None,
    network: FaceNetwork | None = None,
    crop: Frame | None = None,
    snap: bool = False,
    tick: Callable[[], None] = lambda: None,
    names: Mapping[str, str] | None = None,
) -> Evidence:
    """What a photo, a label map, a mask and attributes say about one head.

    The face of the photo is found (or `crop` says where it is, in the file's pixels), cut out and
    read by `network`; a `segmentation` takes the place of the labels read off it.  Where the `mask`
    is white neither photo nor map is used.  Map and mask of the photo's proportions lie on the
    whole photo; others must be square and lie on what is cut out of it.  `snap` lets colours that
    are no label's become the nearest one.  tick() is called between the steps; what it raises ends
    the work.  Raises ValueError with one sentence.
    """
    attributes = {name: check_value(name, value) for name, value in (attributes or {}).items()}
    found: dict = {}
    names = names or {}
    notes: list[str] = []
    on_photo = None
    if image is not None:
        photo = _load_photo(image, names.get("image", _UNNAMED))
        tick()
        reading = read_face(photo, network, crop, tick)
        height, width = photo.image.shape[1:]
        on_photo = OnPhoto((width / photo.scale, height / photo.scale), reading.frame)
        found |= _photo_evidence(reading)
        notes += reading.notes
        if not reading.is_face:
            notes.append("the crop shows no face that is understood; the head may be another's")
    if segmentation is not None:
        tick()
        labels, own = read_map(segmentation, on_photo, snap, names.get("segmentation", _UNNAMED))
        found |= labels
        notes += own
    if mask is not None:
        tick()
        _hide(found, read_mask(mask, on_photo, names.get("mask", _UNNAMED)))
    read = image is not None and segmentation is None
    return Evidence(attributes=attributes, notes=tuple(notes), labels_read=read, **found)


def _photo_evidence(reading: FaceReading) -> dict:
    image = (255 * reading.image.permute(1, 2, 0)).round().clamp(0, 255)
    given = reading.given[0].numpy() > 0.5
    frame = reading.frame
    return {
        "image": np.ascontiguousarray(image.numpy().astype(np.uint8)),
        "image_given": given,
        "labels": reading.labels.numpy().astype(np.uint8),
        "labels_given": given.copy(),
        "rotation": reading.rotation.numpy().astype(np.float32),
        "landmarks": reading.landmarks.numpy().astype(np.float32),
        "crop": (frame.x, frame.y, frame.side),
    }


def _hide(found: dict, mask: np.ndarray) -> None:
    """Take away what is marked of photo and map."""
    for name, what in (("image_given", "photo"), ("labels_given", "map")):
        if name in found:
            found[name] = found[name] & ~mask
            if not found[name].any():
                raise LabelMapError(f"the mask hides the whole {what}; leave some of it unpainted")


def read_map(
    segmentation: Picture,
    on_photo: OnPhoto | None = None,
    snap: bool = False,
    name: str = _UNNAMED,
) -> tuple[dict, list[str]]:
    """The labels of a map, (S, S) uint8 and where it gives them, and notes for the user."""
    pixels, name = _load_map(segmentation, "map", name)
    square = on_photo and on_photo.cut(pixels)
    read = read_painted(pixels if square is None else square, name, snap=snap)
    notes = list(read.notes)
    if square is not None:
        notes.append(f"map {name} has the photo's proportions and was cut out like the photo")
    return {"labels": read.labels.astype(np.uint8), "labels_given": read.given}, notes


def read_mask(mask: Picture, on_photo: OnPhoto | None = None, name: str = _UNNAMED) -> np.ndarray:
    """The mask (S, S) bool of a picture, true where it is white."""
    pixels, name = _load_map(mask, "mask", name)
    if (pixels[..., 3] < OPAQUE).any():  # opaque is white then
        pixels = np.where(pixels[..., 3:] >= OPAQUE, np.uint8(255), np.zeros_like(pixels))
    square = on_photo and on_photo.cut(pixels)
    square = pixels if square is None else square
    return read_mask_pixels(as_rgba(square[..., :3], "mask"), name)


def _load_photo(picture: Picture, name: str) -> Photo:
    if isinstance(picture, np.ndarray):
        return photo_of_pixels(picture, name)
    try:
        from ..perception.photo_file import load_photo
    except ImportError as error:
        raise PhotoError(_NO_PILLOW) from error
    return load_photo(picture)


def _load_map(picture: Picture, what: str, name: str) -> tuple[np.ndarray, str]:
    """Pixels (H, W, 4) and name of a map or mask; pixels are called `name`."""
    if isinstance(picture, np.ndarray):
        return as_rgba(picture, what), name
    try:
        from ..conditions.label_map import load_pixels
    except ImportError as error:
        raise LabelMapError(_NO_PILLOW) from error
    return load_pixels(picture, what), Path(picture).name


_NO_PILLOW = "reading pictures from files needs the Python package pillow; install it"
