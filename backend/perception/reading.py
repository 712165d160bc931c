"""Everything a photo says: face, landmarks, pose, labels and identity, in one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .face import are_faces, find_face, run_network
from .framing import SIZE, Frame, cut
from .landmarks import angles
from .network import FaceNetwork
from .photo import Photo

_ENOUGH = SIZE / 2  # pixels of the photo


@dataclass(frozen=True)
class FaceReading:
    """A photo as conditions need it.

    frame: the square, in pixels of what the photo was read from; image (3, S, S) sRGB 0..1 and
    given (1, S, S), cut to it; labels (S, S) int64; landmarks (68, 2) in units of the square;
    angles (3,) yaw, pitch and roll in degrees; rotation (3, 3) head to camera; embedding (128,);
    is_face: whether a face was read, which in a user's crop may be none; notes for the user.
    """

    frame: Frame
    image: Tensor
    given: Tensor
    labels: Tensor
    landmarks: Tensor
    angles: Tensor
    rotation: Tensor
    embedding: Tensor
    is_face: bool
    notes: tuple[str, ...]


@torch.no_grad()
def read_face(
    photo: Photo,
    network: FaceNetwork,
    frame: Frame | None = None,
    tick: Callable[[], None] | None = None,
) -> FaceReading:
    """Find and read the face of a photo; `frame` is the user's own crop, in pixels of what the
    photo was read from.

    tick() is called between the steps; what it raises ends the work.
    """
    own = None if frame is None else frame.scaled(photo.scale)
    found = find_face(photo, network, own, tick)
    image, inside = cut(photo.image, found.frame)
    given = (cut(photo.given, found.frame)[0] > 0.5).float() * inside
    read = run_network(network, [image])
    return FaceReading(
        frame=found.frame.scaled(1 / photo.scale) if frame is None else frame,
        image=image,
        given=given,
        labels=read.logits[0].argmax(0),
        landmarks=read.landmarks[0],
        angles=angles(read.rotation)[0],
        rotation=read.rotation[0],
        embedding=read.embedding[0],
        is_face=are_faces(read)[0],
        notes=photo.notes + found.notes + _small(found.frame.side),
    )


def _small(side: float) -> tuple[str, ...]:
    if side >= _ENOUGH:
        return ()
    return (f"the head is only {side:.0f} pixels wide in the photo; a larger one says more of it",)
