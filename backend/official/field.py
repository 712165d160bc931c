"""An official generator's density and colour as the field that a head is made from.

Positions are in the model frame (metres, x the subject's left, -y forward, z up) at FLAME's size.
The generator's cube is about 2.5 times as large: Next3D draws its guiding mesh onto the front
plane at X = 2.5 x and Y = 2.5 (y + 0.01).  Depth has no such rule and is left to the fit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..generator.field import FieldSample
from ..generator.plane_field import PlaneField
from .density_level import choose_level, slope_at

WORLD_SCALE = 2.5  # generator's units per metre
WORLD_UP = 0.01  # metres that the mesh is raised by before that
KEPT = 0.383  # half the side of what is kept, of the box's; what lies beyond is noise
MARGIN = 0.01  # of the box's side, left free around it
COARSE = 64  # lattice points a side by which the level is chosen
FARTHEST = 0.05  # metres, greatest distance that is told
RAY = (0.008, -0.012)  # metres along the normal between which a colour is looked for
RAY_SAMPLES = 10
POINTS_AT_A_TIME = 1 << 16


class OfficialField:
    """Distance-like values and colours of one head; it knows no labels and no parts.

    read gives raw density and colour features of the generator's planes, of which the first three
    are red, green and blue; box_warp is the side of the cube they span.  The head ends at a cube
    a little smaller, as the necks and shoulders of the public programs do.  `tick` is called
    between chunks of work; it may raise to cancel.
    """

    def __init__(
        self, read: PlaneField, box_warp: float, tick: Callable[[], None] | None = None
    ) -> None:
        self.read, self.tick = read, tick
        self.half = KEPT * box_warp / WORLD_SCALE
        reach = self.half + MARGIN * box_warp / WORLD_SCALE
        centre = np.array([0.0, 0.0, -WORLD_UP])
        self.bounds = np.stack([centre - reach, centre + reach])
        density, spacing = self._coarse_density()
        self.level = choose_level(density)
        self.slope = slope_at(density, self.level, spacing)

    def sdf(self, points: np.ndarray) -> np.ndarray:
        """Distance-like values (N,) in metres at points (N, 3), negative inside."""
        return self._chunked(self._sdf, points)

    def sample(self, points: np.ndarray) -> FieldSample:
        """Values and colours at points (N, 3); labels are (N, 0), there is no canonical space."""
        return FieldSample(
            sdf=self.sdf(points),
            color=self._chunked(self._color, points),
            labels=np.zeros((len(points), 0), np.float32),
            canonical=np.asarray(points, np.float32),
        )

    def seen_color(self, points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return colour (N, 3) and opacity (N,) of short rays against the normals (N, 3).

        As the volume is rendered, so that a point a little off the surface has its colour.
        """
        both = self._chunked(self._seen, np.concatenate([points, normals], axis=1))
        return both[:, :3], both[:, 3]

    # -- inside --------------------------------------------------------------------------------

    def _coarse_density(self) -> tuple[Tensor, float]:
        """Return density (n,n,n) in the kept cube and the lattice spacing in metres."""
        steps = torch.linspace(-self.half, self.half, COARSE, device=self.read.texels.device)
        grid = torch.stack(torch.meshgrid(steps, steps, steps - WORLD_UP, indexing="ij"), -1)
        values = []
        with torch.inference_mode():
            for part in grid.reshape(-1, 3).split(POINTS_AT_A_TIME):
                self._tick()
                values.append(self._density(part))
        return torch.cat(values).view(COARSE, COARSE, COARSE), 2.0 * self.half / (COARSE - 1)

    def _density(self, points: Tensor) -> Tensor:
        return self.read.density(to_world(points)[None])[0, :, 0]

    def _sdf(self, points: Tensor) -> Tensor:
        distance = (self.level - self._density(points)) / self.slope
        centred = points + points.new_tensor([0.0, 0.0, WORLD_UP])
        beyond = centred.abs().amax(-1) - self.half
        return torch.maximum(distance.clamp(-FARTHEST, FARTHEST), beyond)

    def _color(self, points: Tensor) -> Tensor:
        return self.read(to_world(points)[None])[0][0, :, :3].clamp(0.0, 1.0)

    def _seen(self, rays: Tensor) -> Tensor:
        points, normals = rays[:, None, :3], rays[:, None, 3:]
        offsets = torch.linspace(*RAY, RAY_SAMPLES, device=rays.device)
        along = (points + offsets[:, None] * normals).reshape(-1, 3)
        features, density = self.read(to_world(along)[None])
        step = WORLD_SCALE * (RAY[0] - RAY[1]) / (RAY_SAMPLES - 1)
        density = torch.nn.functional.softplus(density.view(-1, RAY_SAMPLES) - 1.0)
        through = torch.exp(-(density * step).cumsum(1))
        before = torch.cat([torch.ones_like(through[:, :1]), through[:, :-1]], 1)
        weight = before - through
        total = weight.sum(1, keepdim=True)
        color = (features[0, :, :3].view(-1, RAY_SAMPLES, 3) * weight[..., None]).sum(1)
        color = color / total.clamp_min(1e-6)
        return torch.cat([color.clamp(0.0, 1.0), total], 1)

    def _tick(self) -> None:
        if self.tick is not None:
            self.tick()

    def _chunked(self, read: Callable[[Tensor], Tensor], rows: np.ndarray) -> np.ndarray:
        parts = []
        with torch.inference_mode():
            for start in range(0, len(rows), POINTS_AT_A_TIME):
                self._tick()
                chunk = np.ascontiguousarray(rows[start : start + POINTS_AT_A_TIME], np.float32)
                tensor = torch.from_numpy(chunk).to(self.read.texels.device)
                parts.append(read(tensor).cpu())
        return torch.cat(parts).numpy() if parts else np.zeros(0, np.float32)


def to_world(points: Tensor) -> Tensor:
    """Return the generator's positions (N,3) of points (N,3) of the model frame."""
    x, y, z = points.unbind(-1)
    return WORLD_SCALE * torch.stack([x, z + WORLD_UP, -y], -1)
