"""Hanging hair of one generated head, traced through a lattice of the volume branch.

The branch is asked on a coarse lattice, again on a finer one near the surface, and once more where
a ray ends: a tenth of the questions that tracing the branch itself would take.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..synthetic.params import from_vector
from .generator import Generator, Planes
from .mapping import HeadValues
from .rays import box_range, sphere_trace
from .volume_features import HAIR_BOX

_COARSE = 0.020  # metres between the points of the first lattice, at most
_NEAR = 0.016  # metres from the surface within which the second one is asked
_STEPS = 48
_NUDGE = 0.004  # metres a ray's end is moved at most by the last question


class HangingHair:
    """Signed distance and shade of the hair that hangs free of one head's skin."""

    def __init__(self, generator: Generator, ws: Tensor, planes: Planes, values: HeadValues):
        self.generator, self.ws, self.planes, self.values = generator, ws, planes, values
        self.color = from_vector(values.values, "hair")[0]
        self.low, self.high = self.color.new_tensor(HAIR_BOX)
        self.lattice = self._sample_lattice()

    def ask(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Signed distance (N,) in metres and shade (N,) at points (N, 3)."""
        distance, shade = self.generator.volume_branch(
            self.ws, self.planes, self.values, points[None]
        )
        return distance[0], shade[0]

    def distance(self, points: Tensor) -> Tensor:
        """Signed distance (N,) at points (N, 3), off the lattice."""
        grid = (points - self.low) / (self.high - self.low) * 2 - 1
        grid = grid.view(1, 1, 1, -1, 3)
        read = F.grid_sample(self.lattice, grid, padding_mode="border", align_corners=True)
        return read.flatten()

    def normal(self, points: Tensor) -> Tensor:
        """Unit normals (N, 3) at points (N, 3): differences of the lattice."""
        steps = 0.5 * _COARSE * torch.eye(3, dtype=points.dtype, device=points.device)
        sides = [self.distance(points + s) - self.distance(points - s) for s in steps]
        return F.normalize(torch.stack(sides, -1), dim=-1)

    def trace(self, origin: Tensor, direction: Tensor, far: Tensor) -> Tensor:
        """Distance (M,) along rays (M, 3) to the hair, infinite where there is none before far."""
        near, leave = box_range(origin, direction, self.low, self.high)
        far = torch.minimum(far, leave)
        depth = sphere_trace(self.distance, origin, direction, near, far, _STEPS)
        hit = depth.isfinite().nonzero()[:, 0]
        left = self.ask(origin[hit] + depth[hit, None] * direction[hit])[0]
        depth[hit] = depth[hit] + left.clamp(-_NUDGE, _NUDGE)
        return depth

    def _sample_lattice(self) -> Tensor:
        """Distances (1, 1, z, y, x) over `HAIR_BOX`."""
        counts = [int(n) + 1 for n in ((self.high - self.low) / _COARSE).ceil()]
        coarse = self.ask(self._points(counts))[0].view(1, 1, *reversed(counts))
        counts = [2 * n - 1 for n in counts]
        shape = tuple(reversed(counts))
        fine = F.interpolate(coarse, size=shape, mode="trilinear", align_corners=True).flatten()
        near = (fine.abs() < _NEAR).nonzero()[:, 0]
        fine[near] = self.ask(self._points(counts)[near])[0]
        return fine.view(1, 1, *shape)

    def _points(self, counts: list[int]) -> Tensor:
        """Lattice points (N, 3), x fastest."""
        axes = [torch.linspace(0, 1, n, device=self.low.device) for n in reversed(counts)]
        z, y, x = torch.meshgrid(*axes, indexing="ij")
        unit = torch.stack([x, y, z], -1).view(-1, 3)
        return self.low + unit * (self.high - self.low)
