"""Where faces may be in a picture: a cascade of local binary patterns, quick and often mistaken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .framing import Frame
from .photo import PhotoError

_SMALLEST = 40  # pixels of the side of a face where it is looked for
_MOST_ENLARGED = 4.0
# Where the landmarks' square lies about a box of the cascade, in its sides.
_BOX_SCALE, _BOX_RISE = 2.2, 0.06


@dataclass(frozen=True)
class _Trial:
    """size: pixels of the picture's longer side; step: enlargement from one size of window to the
    next; hits that make a face; degrees of turn; margin around the picture, of its longer side."""

    size: int
    step: float
    hits: int
    degrees: float = 0.0
    margin: float = 0.0


# The later, the slower or the more mistaken; the third finds faces at the border, the last small
# ones.
_TRIALS = (
    _Trial(480, 1.2, 4),
    _Trial(480, 1.1, 3),
    _Trial(480, 1.1, 3, margin=0.25),
    _Trial(480, 1.1, 3, -20),
    _Trial(480, 1.1, 3, 20),
    _Trial(1024, 1.2, 3),
)


def detect(image: Tensor, tick: Callable[[], None] = lambda: None) -> Iterator[list[Frame]]:
    """Rough squares of what may be heads in an image (3, H, W), trial after trial.

    The cascade comes with scikit-image (Liao et al. 2007); it knows faces from the front.
    """
    try:
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade
    except ImportError:
        raise PhotoError(
            "finding the face in a photo needs the Python package scikit-image: install it as the "
            "README says, or say where the face is with a crop"
        ) from None
    cascade = Cascade(lbp_frontal_face_cascade_filename())
    for trial in _TRIALS:
        tick()
        picture, place_back = _prepared(image, trial)
        found = cascade.detect_multi_scale(
            img=_grey(picture),
            scale_factor=trial.step,
            step_ratio=1,
            min_size=(_SMALLEST, _SMALLEST),
            max_size=tuple(picture.shape[1:]),
            min_neighbor_number=trial.hits,
        )
        if found:
            yield [_frame_of(box, place_back) for box in found]


def _prepared(image: Tensor, trial: _Trial) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The picture (3, h, w) of a trial, and the way back for points (..., 2) of it."""
    scale = min(_MOST_ENLARGED, trial.size / max(image.shape[1:]))
    small = F.interpolate(image[None], scale_factor=scale, mode="bilinear", antialias=True)
    scale = small.shape[-1] / image.shape[-1]
    margin = round(trial.margin * max(small.shape[2:]))
    if margin:
        small = F.pad(small, [margin] * 4, mode="replicate")
    turned, turn_back = _turned(small[0], trial.degrees)
    return turned, lambda points: (turn_back(points) - margin) / scale


def _grey(image: Tensor) -> np.ndarray:
    """Bytes (H, W, 3), stretched to the whole range: the cascade looks at contrasts."""
    low, high = torch.quantile(image.mean(0).flatten()[::7], torch.tensor([0.01, 0.99]))
    stretched = ((image - low) / (high - low).clamp_min(0.05)).clamp(0, 1)
    return (stretched * 255).byte().permute(1, 2, 0).contiguous().numpy()


def _turned(image: Tensor, degrees: float) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The image turned about its middle, and the way back for points (..., 2)."""
    if degrees == 0:
        return image, lambda points: points
    angle = torch.deg2rad(torch.tensor(degrees))
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
    _, height, width = image.shape
    middle = torch.tensor([width / 2, height / 2])
    line = [torch.arange(n) + 0.5 for n in (width, height)]
    out = torch.stack(torch.meshgrid(*line, indexing="xy"), -1) - middle
    read = (out @ turn.T + middle) / (0.5 * torch.tensor([width, height])) - 1
    turned = F.grid_sample(image[None], read[None], padding_mode="border", align_corners=False)[0]
    return turned, lambda points: (points - middle) @ turn.T + middle


def _frame_of(box: dict, place_back: Callable[[Tensor], Tensor]) -> Frame:
    side = max(box["width"], box["height"])
    middle = torch.tensor(
        [box["c"] + box["width"] / 2, box["r"] + box["height"] / 2 - _BOX_RISE * side]
    )
    beside = middle + torch.tensor([_BOX_SCALE * side, 0.0])
    middle, beside = place_back(torch.stack([middle, beside]))
    return Frame(*middle.tolist(), float((beside - middle).norm()))
