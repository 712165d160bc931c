"""From what a user gives to evidence: photo, label map and mask as files or as pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..conditions.attributes import check_value
from ..conditions.label_map import LabelMap, LabelMapError, label_map_of, mask_of
from ..perception.framing import Frame
from ..perception.network import FaceNetwork
from ..perception.parser import shows_face
from ..perception.photo import Photo, PhotoError, photo_of_pixels
from ..perception.reading import FaceReading, read_face
from .evidence import Evidence

# a file, or pixels (H, W, 3 or 4) uint8 sRGB, row 0 on top
Picture = Path | np.ndarray

_SAME_PROPORTIONS = 0.01


class OnPhoto:
    """Where the square of the head lies in pictures that cover the same photo."""

    def __init__(self, photo: Photo | None = None, frame: Frame | None = None):
        self.photo, self.frame = photo, frame

    def frame_in(self, pixels: np.ndarray) -> Frame | None:
        """The square in the pixels (H, W, C) of a picture of the photo's proportions, else None."""
        if self.photo is None:
            return None
        height, width = self.photo.image.shape[1:]
        share = pixels.shape[1] * height / (pixels.shape[0] * width)
        if abs(share - 1.0) > _SAME_PROPORTIONS:
            return None
        return self.frame.scaled(pixels.shape[1] * self.photo.scale / width)


NO_PHOTO = OnPhoto()


def read_evidence(
    image: Picture | None = None,
    segmentation: Picture | None = None,
    mask: Picture | None = None,
    attributes: Mapping[str, float | str] | None = None,
    network: FaceNetwork | None = None,
    crop: Frame | None = None,
    snap: bool = False,
    tick: Callable[[], None] = lambda: None,
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
    notes: list[str] = []
    on_photo = NO_PHOTO
    if image is not None:
        photo = _load_photo(image)
        tick()
        reading = read_face(photo, network, crop, tick)
        on_photo = OnPhoto(photo, reading.frame)
        found |= _photo_evidence(reading)
        notes += reading.notes
        if not shows_face(reading.labels):
            notes.append("the crop shows no face that is understood; the head may be another's")
    if segmentation is not None:
        tick()
        labels, own = read_map(segmentation, on_photo, snap)
        found |= labels
        notes += own
    if mask is not None:
        tick()
        _hide(found, read_mask(mask, on_photo))
    return Evidence(attributes=attributes, notes=tuple(notes), **found)


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
    segmentation: Picture, on_photo: OnPhoto = NO_PHOTO, snap: bool = False
) -> tuple[dict, list[str]]:
    """The labels of a map, (S, S) uint8 and where it gives them, and notes for the user."""
    pixels, name = _load_map(segmentation, "map")
    frame = on_photo.frame_in(pixels)
    read: LabelMap = label_map_of(pixels, name, snap=snap, frame=frame)
    notes = list(read.notes)
    if frame is not None:
        notes.append(f"map {name} has the photo's proportions and was cut out like the photo")
    labels = read.labels.numpy().astype(np.uint8)
    return {"labels": labels, "labels_given": read.given[0].numpy() > 0.5}, notes


def read_mask(mask: Picture, on_photo: OnPhoto = NO_PHOTO) -> np.ndarray:
    """The mask (S, S) bool of a picture, true where it is white."""
    pixels, name = _load_map(mask, "mask")
    return mask_of(pixels, name, frame=on_photo.frame_in(pixels)).numpy()


def _load_photo(picture: Picture) -> Photo:
    if isinstance(picture, np.ndarray):
        return photo_of_pixels(picture)
    try:
        from ..perception.photo_file import load_photo
    except ImportError as error:
        raise PhotoError(_NO_PILLOW.format(error.name)) from error
    return load_photo(picture)


def _load_map(picture: Picture, what: str) -> tuple[np.ndarray, str]:
    """Pixels and name of a map or mask."""
    if isinstance(picture, np.ndarray):
        return picture, "in memory"
    try:
        from ..conditions.label_map_file import read_pixels
    except ImportError as error:
        raise LabelMapError(_NO_PILLOW.format(error.name)) from error
    return read_pixels(picture, what), Path(picture).name


_NO_PILLOW = "the Python package pillow is missing ({}), which reads pictures; install it"
