"""Which parts of photos and label maps a training head keeps: strokes and classes are hidden."""

from __future__ import annotations

import torch
from torch import Tensor

from .photo_scene import pixel_grid

# classes that are hidden together: left and right
_GROUPS = (
    (1,), (2,), (3,), (4, 5), (6, 7), (8, 9), (10,), (11, 12), (13,), (14,), (15,), (16, 17), (18,),
)  # fmt: skip
_MOST_STROKES, _MOST_CORNERS = 14, 12
_WIDTH = (0.02, 0.09)  # of the side: half the width of a stroke
_STEP = 0.12  # of the side: how far corners lie apart, about
_WHOLE = 0.4  # of the heads keep the whole picture


def draw_masks(labels: Tensor, rng: torch.Generator) -> Tensor:
    """Masks (B, 1, S, S), 1 = kept, of label maps (B, S, S), S even: strokes and hidden classes."""
    masks = [_head_mask(map_, rng) for map_ in labels]
    return torch.stack(masks)[:, None].float()


def _head_mask(labels: Tensor, rng: torch.Generator) -> Tensor:
    kept = torch.ones_like(labels, dtype=torch.bool)
    if float(torch.rand((), generator=rng)) < _WHOLE:
        return kept
    for _ in range(int(torch.randint(3, (), generator=rng))):
        group = _GROUPS[int(torch.randint(len(_GROUPS), (), generator=rng))]
        kept &= ~torch.isin(labels, labels.new_tensor(group))
    # half the resolution: strokes are wide, and a quarter of the work
    grid = pixel_grid(labels.shape[-1] // 2).permute(1, 2, 0)
    # few strokes more often than many
    share = float(torch.rand((), generator=rng)) ** 2
    for _ in range(int(share * (_MOST_STROKES + 1))):
        kept &= ~_stroke(grid, rng).repeat_interleave(2, 0).repeat_interleave(2, 1)
    return kept


def _stroke(grid: Tensor, rng: torch.Generator) -> Tensor:
    """A wandering line of one width, (S, S) bool."""
    corners = int(torch.randint(3, _MOST_CORNERS + 1, (), generator=rng))
    steps = _STEP * torch.randn(corners, 2, generator=rng)
    steps[0] = torch.rand(2, generator=rng)
    path = steps.cumsum(0)
    width = _WIDTH[0] + (_WIDTH[1] - _WIDTH[0]) * float(torch.rand((), generator=rng))
    start, along = path[:-1], path.diff(dim=0)
    offset = grid[:, :, None] - start
    place = (offset * along).sum(-1) / along.square().sum(-1).clamp_min(1e-9)
    nearest = offset - place.clamp(0, 1)[..., None] * along
    return nearest.square().sum(-1).amin(-1) < width**2
