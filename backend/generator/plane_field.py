"""Tri-planes read fast: a decoder's first layer applied to the planes once, then look-ups.

The mean over planes, bilinear reading and the decoder's first linear layer are all linear, so they
change places exactly: each texel holds the 64 hidden values, and a point is a weighted sum of its
twelve texels. On a lattice the sum of three planes is one broadcast addition a plane.
"""

import torch
from torch import Tensor
from torch.nn import functional

from .triplanes import OSGDecoder, stretched_sigmoid

POINTS_AT_A_TIME = 32768  # twelve indices and 64 hidden values each stay near the processor


class PlaneField:
    """Colours and raw density of planes (B, 3, C, R, R), for `renderer.render_rays`.

    axes (3, 3, 3) as stored with a checkpoint, box_warp the side of the cube the planes span.
    """

    def __init__(self, planes: Tensor, axes: Tensor, box_warp: float, decoder: OSGDecoder) -> None:
        self.batch, _, channels, self.height, self.width = planes.shape
        self.to_planes = torch.linalg.inv(axes.to(planes))[:, :, :2] * (2.0 / box_warp)
        first, last = decoder.net[0], decoder.net[2]
        texels = planes.permute(0, 1, 3, 4, 2).reshape(-1, channels)
        weight = first.weight * (first.weight_gain / planes.shape[1])
        self.texels = functional.linear(texels, weight.to(texels.dtype))
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

    def density_on_lattice(self, axes: tuple[Tensor, Tensor, Tensor], sample: int = 0) -> Tensor:
        """Return one sample's raw density (nx, ny, nz) where the lattice axes (n,) cross."""
        sheets = [self._sheet(k, axes, sample) + self.bias / 3.0 for k in range(3)]
        slabs = []
        for i in range(len(axes[0])):
            hidden = sum(sheet[min(i, sheet.shape[0] - 1)] for sheet in sheets)
            hidden = functional.softplus(hidden)
            slabs.append(hidden @ self.weight[0] + self.last_bias[0])
        return torch.stack(slabs)

    def hidden(self, points: Tensor) -> Tensor:
        """Return the decoder's first layer (B, N, 64) before its activation, without its bias."""
        return torch.stack([self._look_up(p, b) for b, p in enumerate(points)])

    def _decoded(self, points: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        samples = []
        for b, own in enumerate(points):
            parts = []
            for part in own.split(POINTS_AT_A_TIME):
                hidden = functional.softplus(self._look_up(part, b) + self.bias)
                parts.append(functional.linear(hidden, weight, bias))
            samples.append(torch.cat(parts) if len(parts) > 1 else parts[0])
        return torch.stack(samples)

    def _look_up(self, points: Tensor, sample: int) -> Tensor:
        """Sum the twelve texels around points (N, 3) on the sample's planes: (N, 64)."""
        index, weight = self._corners(points, sample)
        if self.texels.device.type == "mps":  # has no weighted embedding bag
            return torch.einsum("nk,nkc->nc", weight, self.texels[index])
        return functional.embedding_bag(index, self.texels, mode="sum", per_sample_weights=weight)

    def _corners(self, points: Tensor, sample: int) -> tuple[Tensor, Tensor]:
        """Return texel indices (N, 12) and their bilinear weights; texels outside weigh nothing."""
        size = points.new_tensor([self.width, self.height])
        grid = torch.einsum("nd,kdc->nkc", points, self.to_planes)
        place = torch.addcmul((size - 1.0) / 2.0, grid, size / 2.0)
        # far points would overflow the integers; two texels outside weigh nothing already
        place = torch.minimum(place.clamp(min=-2.0), size + 1.0)
        low = place.floor()
        high_weight = place - low
        low_index = low.to(torch.int64)
        both = torch.stack([low_index, low_index + 1], dim=-1)
        last = torch.tensor([self.width - 1, self.height - 1], device=points.device)[:, None]
        inside = torch.minimum(both.clamp(min=0), last)
        weights = torch.stack([1.0 - high_weight, high_weight], dim=-1) * (inside == both)
        plane = torch.arange(3, device=points.device) + 3 * sample
        rows = (inside[:, :, 1] + plane[:, None] * self.height) * self.width
        index = rows[..., :, None] + inside[:, :, 0, None, :]
        weight = weights[:, :, 1, :, None] * weights[:, :, 0, None, :]
        return index.flatten(1), weight.flatten(1)

    def _sheet(self, plane: int, axes: tuple[Tensor, Tensor, Tensor], sample: int) -> Tensor:
        """Resample one plane at the crossings of its two axes, shaped to broadcast on (x, y, z)."""
        used = [int(self.to_planes[plane, :, c].abs().argmax()) for c in (0, 1)]
        if (self.to_planes[plane] != 0).sum() != 2:
            raise ValueError(
                f"plane {plane} is expected to lie along two coordinate axes, its axes are "
                f"{self.to_planes[plane].tolist()}; ask for density at points instead"
            )
        shape = [len(axes[d]) if d in used else 1 for d in range(3)]
        points = self.texels.new_zeros(*shape, 3)
        for d in used:
            view = [1, 1, 1]
            view[d] = -1
            points[..., d] = axes[d].to(points).reshape(view)
        index, weight = self._corners(points.reshape(-1, 3), sample)
        own = slice(4 * plane, 4 * plane + 4)
        read = torch.einsum("nk,nkc->nc", weight[:, own], self.texels[index[:, own]])
        return read.reshape(*shape, -1)
