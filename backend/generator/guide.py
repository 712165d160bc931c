"""What the posed head-model surface tells about a point: the mesh guidance of the generator.

Next3D (Sun et al. 2023) rasterises a neural texture of the posed mesh onto its planes; here every
point is tied to the exact closest point of the posed guide surface instead, which keeps lids and
lips sharp (docs/design.md).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..head_model.closest import ClosestPoint
from ..head_model.model import HeadModel
from ..synthetic.face import ExpressionState


@dataclass(frozen=True)
class Guide:
    """Per query point, shapes (B, N, 3) or (B, N).

    `canonical`: position of the closest skin point on the average head (m).
    `distance`: signed distance to the posed skin (m), negative inside.
    `ao`, `tongue`: vertex attributes interpolated at the closest point, 0..1.
    """

    canonical: Tensor
    distance: Tensor
    ao: Tensor
    tongue: Tensor


def guide_from_barycentric(model: HeadModel, face: Tensor, bary: Tensor, distance: Tensor) -> Guide:
    """Guide of points known to lie `distance` off a place on the surface; no search.

    face (B, N) int, bary (B, N, 3), distance (B, N).
    """
    corners = model.surface_faces[face]
    weights = bary[..., None]
    return Guide(
        canonical=(model.surface_canonical[corners] * weights).sum(-2),
        distance=distance,
        ao=(model.surface_ao[corners] * bary).sum(-1),
        tongue=(model.surface_tongue[corners] * bary).sum(-1),
    )


def find_guide(model: HeadModel, surface: ClosestPoint, points: Tensor) -> Guide:
    """Guide of free points (N, 3) about one posed guide surface; batch of one in the result."""
    distance, face, bary = surface(points)
    return guide_from_barycentric(
        model, face[None], bary[None].to(points.dtype), distance[None].to(points.dtype)
    )


def expression_features(state: ExpressionState, p: Tensor) -> Tensor:
    """What the skin at canonical p (B, N, 3) depends on besides its motion -> (B, N, 6).

    Blink and smile of the point's own side, brow raise, frown, squint and lip seal.
    """
    x = p[..., 0]
    whole = [state.brow_raise, state.frown, state.squint, state.lip_seal]
    features = [state.blink(x), state.smile(x)] + [value.expand_as(x) for value in whole]
    return torch.stack(features, -1)
