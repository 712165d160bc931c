"""The face of a photo: where it is, found or given by the user, and whether it is one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from .cascade import detect
from .framing import Frame, cut, frame_around
from .landmarks import uncertainty
from .network import FaceNetwork, FaceReadings
from .parser import shows_face
from .photo import Photo, PhotoError

_ROUNDS = 3
_MOST_BOXES = 12  # the largest, that are looked at
# What the network must be sure of its landmarks, and how little its square may still move after
# the rounds.  128 augmented renders had at most 3.26 and 0.02, 34 real faces of 25 pixels 3.34 and
# 0.07, a man in profile 3.31 and 0.03; of 157 squares without a face 4 had less of both.
_UNCERTAIN, _UNSETTLED = 3.36, 0.08
_SMALLEST_CROP = 16  # pixels
_LARGEST_CROP = 4.0  # sides of the photo


@dataclass(frozen=True)
class FoundFace:
    """The square of the head in pixels of the photo, landmarks (68, 2) likewise, and notes."""

    frame: Frame
    landmarks: Tensor
    notes: tuple[str, ...] = ()


def find_face(
    photo: Photo,
    network: FaceNetwork,
    frame: Frame | None = None,
    tick: Callable[[], None] | None = None,
) -> FoundFace:
    """The largest face of a photo; a user's `frame` is kept as it is.

    tick() is called between the steps; what it raises ends the work.  Raises PhotoError when there
    is no face.
    """
    tick = tick or (lambda: None)
    if frame is not None:
        _check_frame(frame, photo)
        read = run_network(network, [cut(photo.image, frame)[0]])
        return FoundFace(frame, frame.to_image(read.landmarks[0]))
    for boxes in detect(photo.image, tick):
        boxes = sorted(boxes, key=lambda box: -box.side)[:_MOST_BOXES]
        faces = _settle(photo, network, boxes, tick)
        if faces:
            return _largest(faces)
    raise PhotoError(
        "no face was found in the photo: use one that shows a face upright and from the front, "
        "or say where it is with a crop"
    )


def _largest(faces: Sequence[FoundFace]) -> FoundFace:
    largest = max(faces, key=lambda face: face.frame.side)
    count = len(_distinct([face.frame for face in faces]))
    if count == 1:
        return largest
    return replace(largest, notes=(f"the photo shows {count} faces; the largest is used",))


def _distinct(frames: list[Frame]) -> list[Frame]:
    """Squares without those that lie on an earlier one."""
    kept: list[Frame] = []
    for frame in frames:
        if all(abs(frame.x - k.x) + abs(frame.y - k.y) > 0.4 * k.side for k in kept):
            kept.append(frame)
    return kept


def _settle(
    photo: Photo, network: FaceNetwork, frames: Sequence[Frame], tick: Callable[[], None]
) -> list[FoundFace]:
    """The faces near rough squares, each in a square of its own found by its landmarks."""
    for _ in range(_ROUNDS):
        tick()
        read = _read(photo, network, frames)
        frames = [
            frame_around(frame.to_image(landmarks))
            for frame, landmarks in zip(frames, read.landmarks, strict=True)
        ]
    tick()
    read = _read(photo, network, frames)
    faces = []
    for frame, landmarks, face in zip(frames, read.landmarks, are_faces(read), strict=True):
        found = FoundFace(frame, frame.to_image(landmarks))
        if face and _moved(frame, frame_around(found.landmarks)) <= _UNSETTLED:
            faces.append(found)
    return faces


def are_faces(read: FaceReadings) -> list[bool]:
    """Of each of B readings whether a face was read: labels of one, and landmarks without doubt.

    The network was trained on faces alone, so what it sees in other things looks like one, too; but
    then it does not know where the landmarks are.
    """
    sure = uncertainty(read.log_heat) <= _UNCERTAIN
    labels = read.logits.argmax(1)
    return [bool(own) and shows_face(map_) for own, map_ in zip(sure, labels, strict=True)]


def _moved(one: Frame, other: Frame) -> float:
    """How far two squares are apart, in sides, and by the logarithm of their sizes."""
    apart = math.hypot(one.x - other.x, one.y - other.y) / one.side
    return apart + abs(math.log(other.side / one.side))


def _read(photo: Photo, network: FaceNetwork, frames: Sequence[Frame]) -> FaceReadings:
    return run_network(network, [cut(photo.image, frame)[0] for frame in frames])


@torch.no_grad()
def run_network(network: FaceNetwork, pictures: Sequence[Tensor]) -> FaceReadings:
    """What a network, on whatever device, reads off B pictures (3, S, S), on the processor."""
    device = next(network.parameters()).device
    read = network(torch.stack(list(pictures)).to(device))
    return FaceReadings(*(getattr(read, item.name).cpu() for item in fields(read)))


def _check_frame(frame: Frame, photo: Photo) -> None:
    _, height, width = photo.image.shape
    if not (0 <= frame.x <= width and 0 <= frame.y <= height):
        own, size = frame.scaled(1 / photo.scale), (width / photo.scale, height / photo.scale)
        raise PhotoError(
            f"the crop's middle ({own.x:g}, {own.y:g}) lies outside the photo of "
            f"{size[0]:.0f} x {size[1]:.0f} pixels"
        )
    if frame.side < _SMALLEST_CROP:
        least, side = _SMALLEST_CROP / photo.scale, frame.side / photo.scale
        raise PhotoError(f"the crop's side is {side:g} pixels; it needs at least {least:g}")
    if frame.side > _LARGEST_CROP * max(height, width):
        raise PhotoError(
            f"the crop's side is {frame.side / photo.scale:g} pixels, many times the photo's; "
            "give the square around the head"
        )
