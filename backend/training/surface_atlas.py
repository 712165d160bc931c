"""A fixed dense set of points of the canonical skin, with everything that is the same on all heads.

The surface branch is a function of the canonical point, so training needs no nearest-point search:
it draws points of this set and asks the synthetic head for its values there.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..generator.guide import guide_from_barycentric
from ..head_model.model import HeadModel
from ..synthetic.detail import detail_fields


@dataclass(frozen=True)
class SurfaceAtlas:
    """K pairs of neighbouring points, about 1.5 mm apart: leading shape (K, 2).

    Pairs let the loss compare slopes, which are what one sees of a surface.
    """

    canonical: Tensor  # (K, 2, 3)
    ao: Tensor  # (K, 2)
    tongue: Tensor  # (K, 2)
    detail: Tensor  # (K, 2, D)
    face: Tensor  # (K, 2)
    bary: Tensor  # (K, 2, 3)

    def __len__(self) -> int:
        return len(self.canonical)

    def to(self, device: torch.device | str) -> SurfaceAtlas:
        """The same atlas on a device, point-major so that drawing points is a plain gather."""
        tensors = (getattr(self, field.name) for field in fields(self))
        return SurfaceAtlas(*(tensor.to(device).contiguous() for tensor in tensors))


def triangle_importance(model: HeadModel) -> Tensor:
    """How densely each guide triangle is sampled, (T,) relative to its area."""
    centre = model.surface_canonical[model.surface_faces].mean(1)
    x, y, z = centre.unbind(1)
    side = x.abs()

    def bump(u: Tensor, v: Tensor, front: float) -> Tensor:
        return torch.exp(-(u * u + v * v)) * (y < front)

    weight = 1 + 9 * bump((side - 0.0365) / 0.022, (z + 0.001) / 0.013, 0.01)
    weight = weight + 7 * bump((side - 0.036) / 0.026, (z - 0.021) / 0.012, 0.03)
    weight = weight + 8 * bump(x / 0.035, (z + 0.083) / 0.020, 0.0)
    weight = weight + 3 * bump(x / 0.022, (z + 0.045) / 0.028, -0.01)
    weight = weight + 1.5 * bump(x / 0.08, (z + 0.05) / 0.09, 0.05)
    ears = (side > 0.08) & (z < 0.025) & (y > 0.045) & (y < 0.13)
    scalp = (z > 0.03) | (y > 0.10)
    weight = weight + 2.0 * ears + 0.7 * scalp
    hidden = model.surface_ao[model.surface_faces].mean(1) < 0.03
    return torch.where(hidden, 0.3, weight)


def build_atlas(model: HeadModel, pairs: int, seed: int = 0) -> SurfaceAtlas:
    """Draw `pairs` pairs of points of the guide surface by importance."""
    rng = torch.Generator().manual_seed(seed)
    model = model.to("cpu")
    corners = model.surface_canonical[model.surface_faces]
    edge_a, edge_b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = torch.linalg.cross(edge_a, edge_b).norm(dim=1)
    face = torch.multinomial(area * triangle_importance(model), pairs, True, generator=rng)
    bary = _uniform_barycentric(2 * pairs, rng).reshape(pairs, 2, 3)
    face = face[:, None].expand(-1, 2)
    guide = guide_from_barycentric(model, face, bary, torch.zeros(pairs, 2))
    return SurfaceAtlas(
        guide.canonical, guide.ao, guide.tongue, detail_fields(guide.canonical), face, bary
    )


def _uniform_barycentric(count: int, rng: torch.Generator) -> Tensor:
    a, b = torch.rand(2, count, generator=rng).unbind(0)
    outside = a + b > 1
    a, b = torch.where(outside, 1 - a, a), torch.where(outside, 1 - b, b)
    return torch.stack([1 - a - b, a, b], 1)
