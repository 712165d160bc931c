"""A picture of a head as a function of its latent, with gradients of colours and of outlines.

Colours and labels are decoded at the points that pixels see.  Points also move when the shape
changes: to first order a picture I changes by -grad(I) . motion, which is how the shape's gradient
comes in, outlines included.  Pixels just outside an outline move with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..generator.generator import Generator, Planes
from ..generator.mapping import HeadValues
from ..parts.compose import sample_parts
from ..synthetic.face import ExpressionState
from ..synthetic.labels import LABEL_INDEX, LABELS
from ..synthetic.params import from_vector
from .visible import Visible

_NUM_LABELS = 19
_BEARD, _SKIN, _HAIR = (LABEL_INDEX[name] for name in ("beard", "skin", "hair"))
_HAIR_SOFTNESS = 0.002  # metres over which a ray beside hanging hair fades
_REACH = 7  # pixels across, of the blur that carries motion beyond outlines


@dataclass(frozen=True)
class Picture:
    """color (3, S, S) sRGB without light, labels (19, S, S) shares, coverage (1, S, S) 0..1,
    normal (3, S, S) unit vectors of the model frame without gradient, landmarks (68, 2)."""

    color: Tensor
    labels: Tensor
    coverage: Tensor
    normal: Tensor
    landmarks: Tensor


def draw(
    generator: Generator,
    ws: Tensor,
    values: HeadValues,
    expression: Tensor,
    visible: Visible,
) -> Picture:
    """The picture of style rows ws (1, R, W) and what was read off them, at what is `visible`.

    `visible` may be that of a few steps before: what has moved since is made up for.
    """
    model, v = generator.model, visible
    planes = generator.synthesis(ws)
    vertices = model.forward(values.betas, expression)[0]
    surface = model.subdivide(vertices)[0]
    state = ExpressionState.from_weights(expression)
    sample = generator.surface_branch(ws, planes, values, v.guide, state, v.detail)
    points = (surface[v.corners] * v.bary[..., None]).sum(1) + sample.offset[0, :, None] * v.normal
    canvas = _Canvas(v.size, ws)
    canvas.put(v.pixel, sample.color[0], _official(sample.logits[0]), v.normal)
    _put_hair(canvas, generator, ws, planes, values, v)
    _put_parts(canvas, generator, values, v)
    place = v.camera.project(points)
    centre = torch.stack([v.pixel % v.size, v.pixel // v.size], -1) + 0.5
    motion = canvas.scatter(v.pixel, place * v.size - centre)
    seen = canvas.scatter(v.pixel, torch.ones_like(place[:, :1]))
    moved = _moved(canvas.stacked(), _spread(motion, seen))
    return Picture(
        color=moved[:3].clamp(0, 1),
        labels=moved[3 : 3 + _NUM_LABELS].clamp(0, 1),
        coverage=1 - moved[3:4].clamp(0, 1),
        normal=canvas.normal.T.reshape(3, v.size, v.size),
        landmarks=v.camera.project(vertices[0, model.landmarks]),
    )


class _Canvas:
    """Colours (M, 3) and label shares (M, 19) of M pixels, painted over one another."""

    def __init__(self, size: int, like: Tensor):
        self.size = size
        self.color = like.new_zeros(size * size, 3)
        self.labels = like.new_zeros(size * size, _NUM_LABELS)
        self.labels[:, 0] = 1
        self.normal = like.new_zeros(size * size, 3)

    def put(
        self,
        pixel: Tensor,
        color: Tensor,
        labels: Tensor,
        normal: Tensor,
        share: Tensor | None = None,
    ) -> None:
        """Paint colours (K, 3) and labels (K, 19) with shares (K, 1), all of them by default."""
        if share is not None:
            color = self.color[pixel] + share * (color - self.color[pixel])
            labels = self.labels[pixel] + share * (labels - self.labels[pixel])
            own = share.detach() > 0.5
            normal = torch.where(own, normal, self.normal[pixel])
        self.color = self.color.index_copy(0, pixel, color)
        self.labels = self.labels.index_copy(0, pixel, labels)
        self.normal = self.normal.index_copy(0, pixel, normal.detach())

    def scatter(self, pixel: Tensor, values: Tensor) -> Tensor:
        """Values (K, C) at their pixels, nought elsewhere: (C, S, S)."""
        whole = values.new_zeros(self.size**2, values.shape[1]).index_copy(0, pixel, values)
        return whole.T.reshape(-1, self.size, self.size)

    def stacked(self) -> Tensor:
        """Colours and labels, (3 + 19, S, S)."""
        both = torch.cat([self.color, self.labels], 1)
        return both.T.reshape(-1, self.size, self.size)


def _official(logits: Tensor) -> Tensor:
    """Shares (K, 19) of the official classes from logits (K, 20); beard counts as skin."""
    share = torch.softmax(logits, -1)
    skin = F.one_hot(torch.tensor(_SKIN, device=logits.device), _NUM_LABELS)
    return share[:, :_NUM_LABELS] + share[:, _BEARD : _BEARD + 1] * skin


def _put_hair(
    canvas: _Canvas,
    generator: Generator,
    ws: Tensor,
    planes: Planes,
    values: HeadValues,
    v: Visible,
) -> None:
    """Hanging hair, by how deep each ray goes in: its outline has a gradient."""
    if len(v.hair_pixel) == 0:
        return
    distance, shade = generator.volume_branch(ws, planes, values, v.hair_point[None])
    color = from_vector(values.values, "hair") * shade[0, :, None]
    labels = F.one_hot(torch.tensor(_HAIR, device=ws.device), _NUM_LABELS).to(color)
    share = torch.sigmoid((0.001 - distance[0, :, None]) / _HAIR_SOFTNESS)
    canvas.put(v.hair_pixel, color, labels.expand(len(color), -1), v.hair_normal, share)


def _put_parts(canvas: _Canvas, generator: Generator, values: HeadValues, v: Visible) -> None:
    """Eyes, teeth, glasses and earrings: their colours have a gradient, their places have none."""
    if len(v.part_pixel) == 0:
        return
    part_values = generator.part_values(values)
    look = sample_parts(v.part_point[None], v.anchors, part_values, v.lid_distance)
    labels = F.one_hot(v.part_label, len(LABELS))[:, :_NUM_LABELS].to(look.color)
    canvas.put(v.part_pixel, look.color[0], labels, v.part_normal)


def _spread(motion: Tensor, seen: Tensor) -> Tensor:
    """Motion (2, S, S) of seen pixels, and beyond them that of the seen ones around."""
    stack = torch.cat([motion, seen])[None]
    around = F.avg_pool2d(stack, _REACH, stride=1, padding=_REACH // 2)[0]
    filled = around[:2] / around[2:].clamp_min(1e-3)
    return torch.where(seen > 0, motion, filled)


def _moved(picture: Tensor, motion: Tensor) -> Tensor:
    """A picture (C, S, S) after its points have moved by motion (2, S, S) pixels: right, down."""
    still = F.pad(picture.detach()[None], (1, 1, 1, 1), mode="replicate")[0]
    right = 0.5 * (still[:, 1:-1, 2:] - still[:, 1:-1, :-2])
    down = 0.5 * (still[:, 2:, 1:-1] - still[:, :-2, 1:-1])
    return picture - right * motion[:1] - down * motion[1:]
