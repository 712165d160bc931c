"""Where the parts sit on a posed head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..head_model.model import PART_LOWER_TEETH, PART_SKIN, PART_UPPER_TEETH, HeadModel

LOBES = ((0.094, 0.083, -0.052), (-0.094, 0.083, -0.052))
BRIDGE = (0.0, -0.034, -0.004)


@dataclass(frozen=True)
class Rigid:
    """Rotations (B, 3, 3) and shifts (B, 3) from the average head to the posed one."""

    rotation: Tensor
    shift: Tensor

    def to_rest(self, points: Tensor) -> Tensor:
        """Posed points (B, N, 3) -> the same points about the average head."""
        return torch.einsum("bni,bij->bnj", points - self.shift[:, None], self.rotation)


@dataclass(frozen=True)
class PartAnchors:
    """Places of the parts of B heads, metres in the model frame; eyes and lobes left, right.

    eye_centre (B, 2, 3), eye_radius (B, 2), gaze (B, 2, 3) unit; upper_teeth and lower_teeth from
    the average head; lobe (B, 2, 3); bridge (B, 3) of the nose; temple (B,) half width of the head
    at the temples.
    """

    eye_centre: Tensor
    eye_radius: Tensor
    gaze: Tensor
    upper_teeth: Rigid
    lower_teeth: Rigid
    lobe: Tensor
    bridge: Tensor
    temple: Tensor

    @classmethod
    def from_vertices(cls, model: HeadModel, vertices: Tensor) -> PartAnchors:
        """Find the anchors of posed model vertices (B, V, 3)."""
        centre, radius, gaze = model.eyeballs(vertices)
        lobes = torch.stack([vertices[:, _nearest(model, place)] for place in LOBES], 1)
        return cls(
            eye_centre=centre,
            eye_radius=radius,
            gaze=gaze,
            upper_teeth=_rigid(model, vertices, PART_UPPER_TEETH),
            lower_teeth=_rigid(model, vertices, PART_LOWER_TEETH),
            lobe=lobes,
            bridge=vertices[:, _nearest(model, BRIDGE)],
            temple=vertices[:, _temples(model), 0].abs().amax(1),
        )


def _nearest(model: HeadModel, place: tuple[float, float, float]) -> int:
    """Skin vertex of the average head nearest to a canonical place."""
    distance = (model.canonical - model.canonical.new_tensor(place)).norm(dim=1)
    return int(torch.where(model.part == PART_SKIN, distance, torch.inf).argmin())


def _temples(model: HeadModel) -> Tensor:
    _, y, z = model.canonical.unbind(1)
    beside = ((z - 0.008).abs() < 0.012) & (y > -0.01) & (y < 0.075)
    return (model.part == PART_SKIN) & beside


def _rigid(model: HeadModel, vertices: Tensor, part: int) -> Rigid:
    """Rotation and shift that best move a part of the average head (Kabsch 1976)."""
    rest, posed = model.v_template[model.part == part], vertices[:, model.part == part]
    rest_centre, posed_centre = rest.mean(0), posed.mean(1)
    covariance = torch.einsum("vi,bvj->bij", rest - rest_centre, posed - posed_centre[:, None])
    left, _, right = torch.linalg.svd(covariance)
    mirror = torch.ones_like(left[:, 0])
    mirror[:, 2] = torch.sign(torch.linalg.det(left @ right))
    rotation = (right.mT * mirror[:, None]) @ left.mT
    return Rigid(rotation, posed_centre - rotation @ rest_centre)
