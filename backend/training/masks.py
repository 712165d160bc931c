"""Random holes in photos and label maps: brush strokes and hidden classes.

AvatarMMC's corruption: up to 14 strokes of 5 to 17 vertices, 12 to 48 pixels wide at 256 pixels,
times up to two hidden classes, left and right together.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..synthetic.labels import LABEL_INDEX

_STROKES, _VERTICES, _WIDTH = (0, 14), (5, 17), (12 / 256, 48 / 256)
_STEP = (0.04, 0.2)  # of the side, between vertices
_WHOLE = 0.3  # share of pictures without holes
_PAIRS = (("l_eye", "r_eye"), ("l_brow", "r_brow"), ("l_ear", "r_ear"), ("u_lip", "l_lip", "mouth"))
_SINGLE = ("skin", "nose", "hair", "eye_g", "neck", "background")
HIDEABLE: tuple[tuple[int, ...], ...] = tuple(
    tuple(LABEL_INDEX[name] for name in group)
    for group in (*_PAIRS, *((name,) for name in _SINGLE))
)


def random_masks(labels: Tensor, rng: torch.Generator) -> Tensor:
    """What stays given of pictures with labels (B, S, S): (B, 1, S, S) float, 1 = given."""
    masks = []
    for label in labels.cpu():
        mask = torch.ones(label.shape)
        if float(torch.rand((), generator=rng)) >= _WHOLE:
            mask = _strokes(len(label), rng) * _classes(label, rng)
        masks.append(mask)
    return torch.stack(masks)[:, None].to(labels.device)


def _integer(limits: tuple[int, int], rng: torch.Generator) -> int:
    return int(torch.randint(limits[0], limits[1] + 1, (), generator=rng))


def _strokes(size: int, rng: torch.Generator) -> Tensor:
    picture = Image.new("L", (size, size), 255)
    pen = ImageDraw.Draw(picture)
    for _ in range(_integer(_STROKES, rng)):
        count = _integer(_VERTICES, rng)
        draws = torch.rand(count, 2, generator=rng)
        width = _WIDTH[0] + (_WIDTH[1] - _WIDTH[0]) * float(torch.rand((), generator=rng))
        steps = _STEP[0] + (_STEP[1] - _STEP[0]) * draws[:, 0]
        angle = (2 * math.pi * draws[:, 1] / 3).cumsum(0)
        start = torch.rand(2, generator=rng)
        way = torch.stack([angle.cos(), angle.sin()], 1) * steps[:, None]
        points = ((start + way.cumsum(0)) * size).tolist()
        pen.line([tuple(p) for p in points], fill=0, width=round(width * size), joint="curve")
    return torch.from_numpy(np.array(picture)).float() / 255


def _classes(label: Tensor, rng: torch.Generator) -> Tensor:
    mask = torch.ones(label.shape)
    for _ in range(_integer((0, 2), rng)):
        group = HIDEABLE[_integer((0, len(HIDEABLE) - 1), rng)]
        mask[torch.isin(label, torch.tensor(group))] = 0.0
    return mask
