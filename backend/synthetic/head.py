"""Synthetic heads: exact signed distance, colour and labels in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..head_model.closest import ClosestPoint
from ..head_model.model import HeadModel
from ..parts.anchors import PartAnchors
from ..parts.compose import sample_parts
from ..parts.values import PartValues
from .beard import beard
from .detail import detail_fields
from .face import ExpressionState, brows, face_coordinates, lips, relief
from .hair import scalp_hair
from .hair_volume import hair_volume
from .labels import BACKGROUND_DISTANCE, surface_labels
from .latent import SHAPE_DIM, derive, measure
from .skin import Paint, skin_color
from .smooth import mix, smooth_min, smoothstep

HAIR_FILLET = 0.010  # metres over which scalp hair and hanging hair flow together


@dataclass(frozen=True)
class Samples:
    """The field at B x N points.

    sdf (B, N) metres, negative inside; color (B, N, 3) sRGB; label (B, N) int64, index into
    LABELS; hair_amount (B, N) 0..1; canonical (B, N, 3) position on the average head; offset
    (B, N) metres by which relief, scalp hair and beard stand off the skin; volume (B, N) metres,
    signed distance to hanging hair (0.5 where there is none).
    """

    sdf: Tensor
    color: Tensor
    label: Tensor
    hair_amount: Tensor
    canonical: Tensor
    offset: Tensor
    volume: Tensor


class SyntheticHeads:
    """A batch of heads from latents z (B, 104) and ARKit weights (B, 52)."""

    def __init__(self, z: Tensor, expression: Tensor, model: HeadModel) -> None:
        if len(z) != len(expression):
            raise ValueError(f"expression: expected {len(z)} rows, given {len(expression)}")
        self.z, self.expression, self.model = z, expression, model
        self.params = derive(z, model)
        self.measures = measure(model, z[:, :SHAPE_DIM])
        self.state = ExpressionState.from_weights(expression)

    @cached_property
    def vertices(self) -> Tensor:
        """Posed model vertices (B, V, 3)."""
        return self.model.forward(self.z[:, :SHAPE_DIM], self.expression)[0]

    @cached_property
    def surface(self) -> Tensor:
        """Posed guide surface (B, W, 3)."""
        return self.model.subdivide(self.vertices)

    @cached_property
    def _searches(self) -> list[ClosestPoint]:
        return [ClosestPoint(surface, self.model.surface_faces) for surface in self.surface]

    @cached_property
    def part_values(self) -> PartValues:
        """Values of eyes, glasses and earrings."""
        return PartValues.collect(lambda name: getattr(self.params, name))

    @cached_property
    def part_anchors(self) -> PartAnchors:
        """Places of eyes, teeth, glasses and earrings."""
        return PartAnchors.from_vertices(self.model, self.vertices)

    def closest(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Signed distance (N,), face (N,) and weights (N, 3) of the first head at points (N, 3)."""
        return self._searches[0](points)

    def guided(
        self,
        p: Tensor,
        distance: Tensor,
        q: Tensor,
        ao: Tensor,
        tongue: Tensor,
        detail: Tensor | None = None,
    ) -> Samples:
        """The field without parts at points q (B, N, 3) whose place about the skin is known.

        p (B, N, 3): canonical position of the closest skin point; distance (B, N): signed
        distance to the posed skin; ao, tongue (B, N): its ambient occlusion and tongue attribute;
        detail (B, N, DETAIL_DIM): detail_fields(p), if known already.
        """
        detail = detail_fields(p) if detail is None else detail
        face = face_coordinates(p)
        upper, lower = lips(face)
        brow = brows(face, detail, self.params)
        folds = relief(face, detail, self.params, self.state, upper, lower, brow)
        thickness, cover, shade = scalp_hair(p, detail, self.params)
        beard_thickness, beard_cover, stubble, beard_shade = beard(
            p, detail, self.params, (upper + lower).clamp(0, 1)
        )
        offset = folds.height + thickness + beard_thickness
        volume, volume_shade = hair_volume(q, self.params, self.measures)
        skin = distance - offset
        sdf = smooth_min(skin, volume, HAIR_FILLET)
        paint = Paint(
            p=p, face=face, detail=detail, ambient_occlusion=ao, tongue=tongue,
            upper_lip=upper, lower_lip=lower, brow=brow, beard_cover=beard_cover,
            stubble=stubble, beard_shade=beard_shade, relief=folds, state=self.state,
            params=self.params,
        )  # fmt: skip
        color, mouth = skin_color(paint)
        hanging = smoothstep(skin - volume, -0.0065, -0.0015)
        color, hair_amount = self._hair_over(color, cover, shade, hanging, volume_shade)
        covers = {
            "upper_lip": upper, "lower_lip": lower, "brow": brow, "mouth": mouth,
            "hair": hair_amount, "beard": beard_cover,
        }  # fmt: skip
        label = surface_labels(face, covers, sdf)
        return Samples(sdf, color, label, hair_amount, p, offset, volume)

    def evaluate(self, points: Tensor, parts: bool = True) -> Samples:
        """The field at free points (B, N, 3), with or without eyes, teeth, glasses, earrings."""
        found = [
            search(head_points) for search, head_points in zip(self._searches, points, strict=True)
        ]
        distance, face, bary = (torch.stack(values).to(points.device) for values in zip(*found))
        distance, bary = distance.to(points.dtype), bary.to(points.dtype)
        corners = self.model.surface_faces[face]
        p = (self.model.surface_canonical[corners] * bary[..., None]).sum(-2)
        ao = (self.model.surface_ao[corners] * bary).sum(-1)
        tongue = (self.model.surface_tongue[corners] * bary).sum(-1)
        field = self.guided(p, distance, points, ao, tongue)
        return self._with_parts(field, points, distance) if parts else field

    def _hair_over(
        self, color: Tensor, cover: Tensor, shade: Tensor, hanging: Tensor, volume_shade: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Lay scalp hair and hanging hair over the skin; also return how much hair shows."""
        amount = torch.maximum(cover, hanging)
        shade = shade + (volume_shade - shade) * hanging
        hair = self.params.hair[:, None] * shade[..., None]
        return mix(color, hair, amount).clamp(0, 1), amount

    def _with_parts(self, field: Samples, points: Tensor, skin_distance: Tensor) -> Samples:
        """Union of the field and the parts; the nearer one gives colour and label."""
        nearest = sample_parts(points, self.part_anchors, self.part_values, skin_distance)
        outside = nearest.sdf < field.sdf
        label = nearest.label * (nearest.sdf <= BACKGROUND_DISTANCE)
        return Samples(
            sdf=torch.minimum(field.sdf, nearest.sdf),
            color=torch.where(outside[..., None], nearest.color, field.color),
            label=torch.where(outside, label, field.label),
            hair_amount=field.hair_amount * ~outside,
            canonical=field.canonical,
            offset=field.offset,
            volume=field.volume,
        )
