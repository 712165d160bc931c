"""Generated heads under the synthetic heads' own renderer, for pictures of both side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from avatarmmc_blender.backend.generator.cameras import intrinsics_from_angle, orbit_camera
from avatarmmc_blender.backend.generator.field import GeneratedField
from avatarmmc_blender.backend.generator.generator import Generator
from avatarmmc_blender.backend.parts.anchors import PartAnchors
from avatarmmc_blender.backend.parts.compose import sample_parts
from avatarmmc_blender.backend.parts.values import PartValues
from avatarmmc_blender.backend.synthetic.head import SyntheticHeads
from avatarmmc_blender.backend.synthetic.images import Images, render

DISTANCE = 1.5  # metres from the middle of the head
FIELD_OF_VIEW = 13.5  # degrees
TARGET = (0.0, 0.06, 0.0)


@dataclass(frozen=True)
class _TracedSamples:
    sdf: Tensor
    color: Tensor
    label: Tensor


class TracedHead:
    """One generated head (latent (1, 104), expression (1, 52)) that `images.render` can trace."""

    def __init__(self, generator: Generator, z: Tensor, expression: Tensor):
        self.z = z
        self.field = GeneratedField(generator, generator.mapping(z), expression)
        self.anchors = PartAnchors.from_vertices(generator.model, self.field.vertices)
        self.values: PartValues = self.field.part_values

    def evaluate(self, points: Tensor, parts: bool = True) -> _TracedSamples:
        """Field and parts at points (1, N, 3), the nearer of both."""
        found = self.field.sample(points[0].numpy())
        field = _TracedSamples(
            sdf=torch.from_numpy(found.sdf)[None],
            color=torch.from_numpy(found.color)[None],
            label=torch.from_numpy(found.labels).argmax(-1)[None],
        )
        if not parts:
            return field
        part = sample_parts(points, self.anchors, self.values, field.sdf)
        outside = part.sdf < field.sdf
        return replace(
            field,
            sdf=torch.minimum(field.sdf, part.sdf),
            color=torch.where(outside[..., None], part.color, field.color),
            label=torch.where(outside, part.label, field.label),
        )


def render_both(
    generator: Generator, z: Tensor, expression: Tensor, yaw: float, size: int
) -> tuple[Images, Images]:
    """Return images of the synthetic head (1, 104) and of the generator's, seen from `yaw` rad."""
    camera = orbit_camera(torch.tensor([yaw]), torch.tensor([0.0]), DISTANCE, torch.tensor(TARGET))
    intrinsics = intrinsics_from_angle(FIELD_OF_VIEW)[None]
    truth = SyntheticHeads(z, expression, generator.model)
    found = TracedHead(generator, z, expression)
    return render(truth, camera, intrinsics, size), render(found, camera, intrinsics, size)
