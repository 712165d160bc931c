"""Eyes, teeth, glasses and earrings of one head seen along rays: each traced in its own box."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..head_model.model import PART_LOWER_TEETH, PART_UPPER_TEETH, HeadModel
from ..parts.anchors import PartAnchors
from ..parts.compose import sample_parts
from ..parts.earrings import OFFSET, RADIUS, earring_distance
from ..parts.eyes import CORNEA_HEIGHT, eye_distance
from ..parts.glasses import TEMPLE_END, glasses_distance
from ..parts.teeth import teeth
from ..parts.values import PartValues
from .rays import box_range, sphere_trace

_STEPS = 48
_NORMAL_STEP = 0.0003
_LID_REACH = 0.024  # metres from an eye's centre to the lids that shade it
_TEETH_MARGIN = 0.004
_GLASSES_LOW, _GLASSES_HIGH = (-0.13, -0.03, -0.036), (0.13, 0.0, 0.034)
_THIN = 0.7  # glasses' distances are too long beside the rims


@dataclass(frozen=True)
class PartHits:
    """What M rays see of the parts: depth (M,) infinite for a miss; and of the hits `index` (K,)
    color (K, 3) sRGB, label (K,) and unit normal (K, 3)."""

    depth: Tensor
    index: Tensor
    color: Tensor
    label: Tensor
    normal: Tensor


@dataclass(frozen=True)
class _Part:
    """Distance (N, 3) -> (N,), box low and high (3,), share of the distance a ray may step."""

    distance: Callable[[Tensor], Tensor]
    low: Tensor
    high: Tensor
    scale: float


class PartRays:
    """Parts of one head posed at `vertices` (1, V, 3), its guide surface at `surface` (W, 3)."""

    def __init__(self, model: HeadModel, vertices: Tensor, surface: Tensor, values: PartValues):
        self.anchors = PartAnchors.from_vertices(model, vertices)
        self.values = values
        self.lids = self._near_eyes(surface)
        self.parts = [*self._eyes(), self._teeth(model, vertices)]
        if float(values.glass[0]) > 0.5:
            self.parts.append(self._glasses())
        if float(values.ear[0]) > 0.5:
            self.parts += self._earrings()

    def trace(self, origin: Tensor, direction: Tensor, far: Tensor) -> PartHits:
        """What rays (M, 3) see of the parts before far (M,)."""
        depth, far = torch.full_like(far, torch.inf), far.clone()
        owner = torch.zeros_like(far, dtype=torch.int64)
        for number, part in enumerate(self.parts):
            near, leave = box_range(origin, direction, part.low, part.high)
            leave = torch.minimum(leave, far)
            met = (near < leave).nonzero()[:, 0]
            ray = origin[met], direction[met]
            found = sphere_trace(part.distance, *ray, near[met], leave[met], _STEPS, part.scale)
            hit = met[found.isfinite()]
            depth[hit] = far[hit] = found[found.isfinite()]
            owner[hit] = number
        index = depth.isfinite().nonzero()[:, 0]
        points = origin[index] + depth[index, None] * direction[index]
        look = sample_parts(points[None], self.anchors, self.values, self._lid_distance(points))
        normal = self._normals(points, owner[index])
        return PartHits(depth, index, look.color[0], look.label[0], normal)

    def _normals(self, points: Tensor, owner: Tensor) -> Tensor:
        normal = torch.zeros_like(points)
        for number in owner.unique().tolist():
            own, distance = owner == number, self.parts[number].distance
            at = points[own]
            steps = _NORMAL_STEP * torch.eye(3, dtype=at.dtype, device=at.device)
            sides = [distance(at + step) - distance(at - step) for step in steps]
            normal[own] = torch.nn.functional.normalize(torch.stack(sides, -1), dim=-1)
        return normal

    def _near_eyes(self, surface: Tensor) -> Tensor:
        """Guide points (K, 3) of the lids."""
        return surface[torch.cdist(surface, self.anchors.eye_centre[0]).amin(1) < _LID_REACH]

    def _lid_distance(self, points: Tensor) -> Tensor:
        """Distance (1, N) to the lids, near enough by their points alone."""
        if len(points) == 0:
            return points.new_zeros(1, 0)
        return torch.cdist(points, self.lids).amin(1)[None]

    def _eyes(self) -> list[_Part]:
        parts = []
        for side in (0, 1):
            centre = self.anchors.eye_centre[0, side]
            reach = self.anchors.eye_radius[0, side] + CORNEA_HEIGHT + 0.001

            def distance(points: Tensor, side: int = side) -> Tensor:
                return eye_distance(points[None], self.anchors, self.values)[0, side]

            parts.append(_Part(distance, centre - reach, centre + reach, 0.9))
        return parts

    def _teeth(self, model: HeadModel, vertices: Tensor) -> _Part:
        own = (model.part == PART_UPPER_TEETH) | (model.part == PART_LOWER_TEETH)
        points = vertices[0, own]

        def distance(points: Tensor) -> Tensor:
            return teeth(points[None], self.anchors)[0][0]

        low, high = points.amin(0) - _TEETH_MARGIN, points.amax(0) + _TEETH_MARGIN
        return _Part(distance, low, high, 0.9)

    def _glasses(self) -> _Part:
        middle = self.anchors.eye_centre[0].mean(0)
        low, high = (middle + middle.new_tensor(v) for v in (_GLASSES_LOW, _GLASSES_HIGH))
        low[1] = torch.minimum(low[1], self.anchors.bridge[0, 1] - 0.02)
        high[1] = TEMPLE_END + 0.002

        def distance(points: Tensor) -> Tensor:
            return glasses_distance(points[None], self.anchors, self.values)[0]

        return _Part(distance, low, high, _THIN)

    def _earrings(self) -> list[_Part]:
        parts = []
        for lobe, side in zip(self.anchors.lobe[0], (1.0, -1.0), strict=True):
            centre = lobe + lobe.new_tensor(OFFSET) * lobe.new_tensor([side, 1.0, 1.0])

            def distance(points: Tensor) -> Tensor:
                return earring_distance(points[None], self.anchors, self.values)[0]

            parts.append(_Part(distance, centre - 1.2 * RADIUS, centre + 1.2 * RADIUS, 0.9))
        return parts
