"""Where the face is in a photo, and the square that is cut out around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .framing import Frame, cut, frame_around
from .network import FaceNetwork, FaceReadings
from .parser import shows_face
from .photo import Photo, PhotoError

_SEARCH_SIZE = 480  # pixels of the longer side in which faces are looked for
_SMALLEST = 40  # pixels there
# Where the landmarks' square lies about a detector's box, in its sides.
_BOX_SCALE, _BOX_RISE = 2.2, 0.06
_ROUNDS = 3
_MOST_BOXES = 12  # the largest, that are looked at
_SMALLEST_CROP = 16  # pixels
_LARGEST_CROP = 4.0  # sides of the photo
# (enlargement from one size of window to the next, hits that make a face, degrees of turn)
_TRIALS = ((1.2, 4, 0), (1.1, 3, 0), (1.1, 3, -20), (1.1, 3, 20))


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
    tick = tick or _go_on
    if frame is not None:
        _check_frame(frame, photo)
        return FoundFace(frame, _landmarks(photo, network, frame))
    boxes = sorted(detect(photo.image, tick), key=lambda box: -box.side)
    faces = []
    for box in boxes[:_MOST_BOXES]:
        tick()
        faces += filter(None, [_settle(photo, network, box)])
    if not faces:
        raise PhotoError(
            "no face was found in the photo: use one that shows a face from the front, "
            "or say where it is with a crop"
        )
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


@torch.no_grad()
def _settle(photo: Photo, network: FaceNetwork, frame: Frame) -> FoundFace | None:
    """The face near a rough square, its own square found by its landmarks; None for no face."""
    for _ in range(_ROUNDS):
        frame = frame_around(_landmarks(photo, network, frame))
    read = run_network(network, cut(photo.image, frame)[0])
    if not shows_face(read.logits[0].argmax(0)):
        return None
    return FoundFace(frame, frame.to_image(read.landmarks[0]))


@torch.no_grad()
def run_network(network: FaceNetwork, picture: Tensor) -> FaceReadings:
    """What a network, on whatever device, reads off a picture (3, S, S): batch of 1, on the
    processor."""
    device = next(network.parameters()).device
    read = network(picture[None].to(device))
    return FaceReadings(*(getattr(read, item.name).cpu() for item in fields(read)))


def _go_on() -> None:
    """Ticks that nobody listens to."""


def detect(image: Tensor, tick: Callable[[], None] = _go_on) -> list[Frame]:
    """Rough squares of the heads in an image (3, H, W), by a cascade of local binary patterns.

    The cascade comes with scikit-image (Liao et al. 2007); it knows faces from the front.
    """
    try:
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade
    except ImportError:
        raise PhotoError(
            "finding faces needs the scikit-image package: install it, or say where the face is "
            "with a crop"
        ) from None
    scale = min(1.0, _SEARCH_SIZE / max(image.shape[1:]))
    small = F.interpolate(image[None], scale_factor=scale, mode="bilinear", antialias=True)
    scale = small.shape[-1] / image.shape[-1]
    cascade = Cascade(lbp_frontal_face_cascade_filename())
    for step, hits, degrees in _TRIALS:
        tick()
        turned, place_back = _turned(small[0], degrees)
        found = cascade.detect_multi_scale(
            img=_grey(turned),
            scale_factor=step,
            step_ratio=1,
            min_size=(_SMALLEST, _SMALLEST),
            max_size=tuple(turned.shape[1:]),
            min_neighbor_number=hits,
        )
        if found:
            return [_frame_of(box, place_back).scaled(1 / scale) for box in found]
    return []


def _grey(image: Tensor) -> np.ndarray:
    """Bytes (H, W, 3), stretched to the whole range: the cascade looks at contrasts."""
    low, high = torch.quantile(image.mean(0).flatten()[::7], torch.tensor([0.01, 0.99]))
    stretched = ((image - low) / (high - low).clamp_min(0.05)).clamp(0, 1)
    return (stretched * 255).byte().permute(1, 2, 0).contiguous().numpy()


def _turned(image: Tensor, degrees: float):
    """The image turned about its middle, and the way back for points (2,)."""
    if degrees == 0:
        return image, lambda point: point
    angle = torch.deg2rad(torch.tensor(float(degrees)))
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
    _, height, width = image.shape
    middle = torch.tensor([width / 2, height / 2])
    line = [torch.arange(n) + 0.5 for n in (width, height)]
    out = torch.stack(torch.meshgrid(*line, indexing="xy"), -1) - middle
    read = (out @ turn.T + middle) / (0.5 * torch.tensor([width, height])) - 1
    turned = F.grid_sample(image[None], read[None], padding_mode="border", align_corners=False)[0]
    return turned, lambda point: (point - middle) @ turn.T + middle


def _frame_of(box: dict, place_back) -> Frame:
    side = max(box["width"], box["height"])
    middle = torch.tensor(
        [box["c"] + box["width"] / 2, box["r"] + box["height"] / 2 - _BOX_RISE * side]
    )
    x, y = place_back(middle).tolist()
    return Frame(x, y, _BOX_SCALE * side)


@torch.no_grad()
def _landmarks(photo: Photo, network: FaceNetwork, frame: Frame) -> Tensor:
    """Landmarks (68, 2) in pixels of the photo."""
    picture, _ = cut(photo.image, frame)
    return frame.to_image(run_network(network, picture).landmarks[0])


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
