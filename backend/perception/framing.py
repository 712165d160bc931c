"""The square cut out of a photo, the same for all networks and the renders they learn from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SIZE = 128  # pixels a side of what the networks see
LANDMARKS = 68  # iBUG order, "right" is the subject's
RIGHT_EYE, LEFT_EYE, MOUTH = slice(36, 42), slice(42, 48), slice(48, 60)
_SIDE = 2.6  # sides of the square for each face size
_DROP = 0.12  # of the way from eyes to mouth: where its centre lies


@dataclass(frozen=True)
class Frame:
    """A square: centre x and y and side, pixels (or units of the image) from the top left."""

    x: float
    y: float
    side: float

    def __post_init__(self) -> None:
        if not self.side > 0:
            raise ValueError(f"the crop's side is {self.side:g}; it must be above 0")

    def scaled(self, factor: float) -> Frame:
        """The same square in an image `factor` times as large."""
        return Frame(self.x * factor, self.y * factor, self.side * factor)

    def to_frame(self, points: Tensor) -> Tensor:
        """Points (..., 2) of the image in units of the square, 0..1 inside."""
        return (points - points.new_tensor([self.x, self.y])) / self.side + 0.5

    def to_image(self, points: Tensor) -> Tensor:
        """Points (..., 2) in units of the square back in the image."""
        return (points - 0.5) * self.side + points.new_tensor([self.x, self.y])


def frame_around(landmarks: Tensor) -> Frame:
    """The square of a head with landmarks (68, 2).

    Its size follows the eyes' distance or that from eyes to mouth, whichever is foreshortened
    less, as the crops of FFHQ do (Karras et al. 2019); it is wide enough for hair and neck.
    """
    right, left, mouth = (landmarks[part].mean(0) for part in (RIGHT_EYE, LEFT_EYE, MOUTH))
    eyes, across = (right + left) / 2, left - right
    down = mouth - eyes
    size = torch.maximum(2.0 * across.norm(), 1.8 * down.norm())
    centre = eyes + _DROP * down
    return Frame(float(centre[0]), float(centre[1]), float(_SIDE * size))


def cut(image: Tensor, frame: Frame, size: int = SIZE) -> tuple[Tensor, Tensor]:
    """The square of an image (C, H, W): (C, size, size), and (1, size, size), 1 inside the image.

    Pixels are means of what they cover; outside the image the nearest pixel is repeated.
    """
    _, height, width = image.shape
    shrink = int(frame.side / size)
    if shrink > 1:  # first means over whole pixels, so that no pixel is skipped below
        image = F.avg_pool2d(image[None], shrink, ceil_mode=True, count_include_pad=False)[0]
    line = (torch.arange(size, device=image.device) + 0.5) / size - 0.5
    x = 2 * (frame.x + line * frame.side) / (max(shrink, 1) * image.shape[2]) - 1
    y = 2 * (frame.y + line * frame.side) / (max(shrink, 1) * image.shape[1]) - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None].to(image)
    picture = F.grid_sample(image[None], grid, padding_mode="border", align_corners=False)[0]
    across = frame.x + line * frame.side
    down = frame.y + line * frame.side
    inside = ((down >= 0) & (down <= height))[:, None] & ((across >= 0) & (across <= width))[None]
    return picture, inside[None].to(image)


def crop_intrinsics(frame: Frame) -> Tensor:
    """Intrinsics (3, 3) of a square of the plane one metre before the camera."""
    focal = 1 / frame.side
    return torch.tensor(
        [[focal, 0, 0.5 - frame.x * focal], [0, focal, 0.5 - frame.y * focal], [0, 0, 1]]
    )
