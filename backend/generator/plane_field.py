"""Tri-planes read fast: a decoder's first layer applied to the planes once, then look-ups.

The mean over planes, bilinear reading and the decoder's first linear layer are all linear, so they
change places exactly: each texel holds the 64 hidden values, and a point is a weighted sum of its
twelve texels. On a lattice the sum of three planes is one broadcast addition a plane.
"""

import torch
from torch import Tensor
from torch.nn import functional

from .triplanes import OSGDecoder, stretched_sigmoid

# Twelve indices and 64 hidden values each stay near a processor; graphics cards want more work.
POINTS_AT_A_TIME = {"cpu": 1 << 15}
POINTS_AT_A_TIME_ELSEWHERE = 1 << 19


class PlaneField:
    """Colours and raw density of planes (B, 3, C, R, R), for `renderer.render_rays`.

    axes (3, 3, 3) as stored with a checkpoint, box_warp the side of the cube the planes span.
    """

    def __init__(self, planes: Tensor, axes: Tensor, box_warp: float, decoder: OSGDecoder) -> None:
        _, _, channels, height, width = planes.shape
        device = planes.device
        self.to_planes = torch.linalg.inv(axes.cpu()).to(planes)[:, :, :2]
        self.scale = 2.0 / box_warp
        self.size = planes.new_tensor([width, height])
        first, last = decoder.net[0], decoder.net[2]
        weight = first.weight * (first.weight_gain / planes.shape[1])
        # A border of nothing: points outside read it, and no index needs a test.
        framed = functional.pad(planes.permute(0, 1, 3, 4, 2), (0, 0, 1, 2, 1, 2))
        self.row, self.plane_size = framed.shape[3], framed.shape[2] * framed.shape[3]
        self.texels = functional.linear(framed.reshape(-1, channels), weight.to(planes.dtype))
        self.corners = torch.tensor([0, 1, self.row, self.row + 1], device=device).int()
        self.at_a_time = POINTS_AT_A_TIME.get(device.type, POINTS_AT_A_TIME_ELSEWHERE)
        self.bias = first.bias * first.bias_gain
        self.weight = last.weight * last.weight_gain
        self.last_bias = last.bias * last.bias_gain

    def __call__(self, points: Tensor, directions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return features (B, N, 32) and raw density (B, N, 1) at points (B, N, 3)."""
        values = self._decoded(points, self.weight, self.last_bias)
        return stretched_sigmoid(values[..., 1:]), values[..., :1]

    def density(self, points: Tensor) -> Tensor:
        """Return raw density (B, N, 1) at points (B, N, 3)."""
        return self._decoded(points, self.weight[:1], self.last_bias[:1])

    def lattice(self, axes: tuple[Tensor, Tensor, Tensor]) -> "PlaneLattice":
        """Resample the first sample's planes on lattice axes (n,) along x, y and z."""
        return PlaneLattice(self, axes)

    @property
    def has_lattice(self) -> bool:
        """Whether every plane lies along two coordinate axes, as in all releases."""
        return bool(((self.to_planes != 0).sum(dim=(1, 2)) == 2).all())

    def _decoded(self, points: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        samples = []
        for b, own in enumerate(points):
            parts = []
            for part in own.split(self.at_a_time):
                hidden = functional.softplus(self._look_up(part, b) + self.bias)
                parts.append(functional.linear(hidden, weight, bias))
            samples.append(torch.cat(parts) if len(parts) > 1 else parts[0])
        return torch.stack(samples)

    def _look_up(self, points: Tensor, sample: int) -> Tensor:
        """Sum the twelve texels around points (N, 3) on the sample's planes: (N, 64)."""
        return self._weighted(*self._corners(points, sample))

    def _weighted(self, index: Tensor, weight: Tensor) -> Tensor:
        """Sum texels (N, k) by their weights: (N, 64)."""
        if self.texels.device.type == "mps":  # has no weighted embedding bag
            return torch.einsum("nk,nkc->nc", weight, self.texels[index])
        return functional.embedding_bag(index, self.texels, mode="sum", per_sample_weights=weight)

    def look_up_plane(self, points: Tensor, plane: int) -> Tensor:
        """Return one plane's part of the first sample's hidden values (N, 64) at points (N, 3)."""
        own = slice(4 * plane, 4 * plane + 4)
        parts = []
        for part in points.split(self.at_a_time):
            index, weight = self._corners(part, 0)
            parts.append(self._weighted(index[:, own].contiguous(), weight[:, own].contiguous()))
        return torch.cat(parts)

    def _corners(self, points: Tensor, sample: int) -> tuple[Tensor, Tensor]:
        """Return texel indices (N, 12) and their bilinear weights."""
        across = self.to_planes.permute(1, 0, 2).reshape(3, -1)
        grid = (points * self.scale @ across).unflatten(1, (3, 2))
        # rounded as grid_sample does it: texels of random networks differ a lot
        place = (grid + 1.0) * (self.size / 2.0) - 0.5
        place = torch.minimum(place.clamp(min=-1.0), self.size)
        low = place.floor()
        high_weight = place - low
        column, row = (low.to(torch.int32) + 1).unbind(dim=-1)
        plane = torch.arange(3, device=points.device, dtype=torch.int32) + 3 * sample
        first = row * self.row + column + plane * self.plane_size
        index = first[:, :, None] + self.corners
        x, y = torch.stack([1.0 - high_weight, high_weight], dim=-1).unbind(dim=2)
        weight = y[..., :, None] * x[..., None, :]
        return index.flatten(1), weight.flatten(1)


class PlaneLattice:
    """Raw density where lattice axes cross: three hidden values to add, instead of twelve.

    Bilinear reading is the same point by point and axis by axis, so nothing is approximated.
    """

    def __init__(self, field: PlaneField, axes: tuple[Tensor, Tensor, Tensor]) -> None:
        self.field = field
        sheets = [self._sheet(plane, axes) for plane in range(3)]
        self.rows = torch.cat([sheet.flatten(0, 2) for sheet in sheets])
        self.steps, self.first = self._row_numbers([sheet.shape[:3] for sheet in sheets])

    def density(self, index: Tensor) -> Tensor:
        """Return raw density (N,) at crossings (N, 3), counted along x, y and z."""
        values = []
        for part in index.split(self.field.at_a_time):
            numbers = (part[:, None, :] * self.steps).sum(dim=-1) + self.first
            if self.rows.device.type == "mps":  # see PlaneField
                hidden = self.rows[numbers].sum(dim=1)
            else:
                hidden = functional.embedding_bag(numbers, self.rows, mode="sum")
            hidden = functional.softplus(hidden + self.field.bias)
            values.append(hidden @ self.field.weight[0] + self.field.last_bias[0])
        return torch.cat(values)

    def _row_numbers(self, shapes: list[torch.Size]) -> tuple[Tensor, Tensor]:
        """Return the step in rows along x, y, z (3, 3) and the first row (3,) of each sheet."""
        steps, first = [], [0]
        for nx, ny, nz in shapes:
            along = zip((ny * nz, nz, 1), (nx, ny, nz), strict=True)
            steps.append([step if count > 1 else 0 for step, count in along])
            first.append(first[-1] + nx * ny * nz)
        device = self.rows.device
        return torch.tensor(steps, device=device), torch.tensor(first[:3], device=device)

    def _sheet(self, plane: int, axes: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Resample one plane where its two axes cross, shaped to broadcast on (x, y, z)."""
        to_plane = self.field.to_planes[plane]
        if (to_plane != 0).sum() != 2:
            raise ValueError(
                f"plane {plane} is expected to lie along two coordinate axes, its axes are "
                f"{to_plane.tolist()}; ask for density at points instead"
            )
        used = to_plane.abs().argmax(dim=0).tolist()
        shape = [len(axes[d]) if d in used else 1 for d in range(3)]
        points = self.field.texels.new_zeros(*shape, 3)
        for d in used:
            view = [1, 1, 1]
            view[d] = -1
            points[..., d] = axes[d].to(points).reshape(view)
        return self.field.look_up_plane(points.reshape(-1, 3), plane).reshape(*shape, -1)
