"""Everything a photo says: face, landmarks, pose, labels and identity, in one call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .face import find_face
from .framing import Frame, cut
from .landmarks import angles
from .network import FaceNetwork
from .photo import Photo, load_photo


@dataclass(frozen=True)
class FaceReading:
    """A photo as conditions need it.

    frame: the square in the photo's pixels; image (3, S, S) sRGB 0..1 and given (1, S, S), cut to
    it; labels (S, S) int64; landmarks (68, 2) in units of the square; angles (3,) yaw, pitch and
    roll in degrees; rotation (3, 3) head to camera; embedding (128,); notes for the user.
    """

    frame: Frame
    image: Tensor
    given: Tensor
    labels: Tensor
    landmarks: Tensor
    angles: Tensor
    rotation: Tensor
    embedding: Tensor
    notes: tuple[str, ...]


def read_photo(path: Path | str, network: FaceNetwork, frame: Frame | None = None) -> FaceReading:
    """Load a photo, find its face and read it; `frame` is the user's own crop."""
    return read_face(load_photo(path), network, frame)


@torch.no_grad()
def read_face(photo: Photo, network: FaceNetwork, frame: Frame | None = None) -> FaceReading:
    """Read the face of a photo that is loaded already."""
    found = find_face(photo, network, frame)
    image, inside = cut(photo.image, found.frame)
    given = (cut(photo.given, found.frame)[0] > 0.5).float() * inside
    read = network(image[None])
    return FaceReading(
        frame=found.frame,
        image=image,
        given=given,
        labels=read.logits[0].argmax(0),
        landmarks=read.landmarks[0],
        angles=angles(read.rotation)[0],
        rotation=read.rotation[0],
        embedding=read.embedding[0],
        notes=photo.notes + found.notes,
    )
