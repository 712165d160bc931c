"""The generated field of one head as numpy functions: what meshing and baking ask."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..head_model.arkit import EXPRESSIONS
from ..synthetic.face import ExpressionState
from .generator import VOLUME_RANGE, FieldOutput, Generator
from .guide import Guide, find_guide
from .planes import CUBE_CENTRE, CUBE_HALF, planes_on_lattice

_CHUNK = 1 << 15
_PROBE = 40  # lattice points an axis when looking for hanging hair


@dataclass(frozen=True)
class FieldSample:
    """Field at N points: sdf (N,) m, color (N, 3) sRGB, labels (N, 20) probabilities,
    canonical (N, 3) m."""

    sdf: np.ndarray
    color: np.ndarray
    labels: np.ndarray
    canonical: np.ndarray


class GeneratedField:
    """Signed distance, colour, labels and canonical position at any point of one head.

    `tick` is called between chunks of work; it may raise to cancel.
    """

    def __init__(
        self,
        generator: Generator,
        ws: Tensor,
        expression: Tensor | None = None,
        pose: Tensor | None = None,
        tick: Callable[[], None] | None = None,
    ):
        if ws.ndim != 3 or len(ws) != 1:
            raise ValueError(f"expected the style rows of one head (1, R, W), got {tuple(ws.shape)}")
        self.generator, self.ws, self.tick = generator, ws, tick
        device = ws.device
        if expression is None:
            expression = torch.zeros(1, len(EXPRESSIONS), device=device)
        with torch.inference_mode():
            self.planes = generator.synthesis(ws)
            self.values = generator.readout(ws)
            self.vertices, self.joints = generator.model.forward(
                self.values.betas, expression, pose
            )
            self.surface = generator.model.subdivide(self.vertices)[0]
            self.state = ExpressionState.from_weights(expression)
            self.has_volume = self._probe_volume()
        centre = np.array(CUBE_CENTRE)
        self.bounds = np.stack([centre - CUBE_HALF, centre + CUBE_HALF])
        self._lattice: tuple | None = None

    def sdf(self, points: np.ndarray) -> np.ndarray:
        """Signed distance (N,) in metres at points (N, 3), negative inside."""
        return self._chunked(points, lambda q: self._field(q)[0].sdf[0])

    def sample(self, points: np.ndarray) -> FieldSample:
        """Everything the field says at points (N, 3)."""

        def read(q: Tensor) -> Tensor:
            out, guide = self._field(q)
            labels = torch.softmax(out.logits[0], -1)
            columns = [out.sdf[0][:, None], out.color[0].clamp(0, 1), guide.canonical[0], labels]
            return torch.cat(columns, -1)

        columns = self._chunked(points, read)
        return FieldSample(columns[:, 0], columns[:, 1:4], columns[:, 7:], columns[:, 4:7])

    def sdf_lattice(
        self, axes: tuple[np.ndarray, np.ndarray, np.ndarray], index: np.ndarray
    ) -> np.ndarray:
        """Signed distance (N,) at lattice points index (N, 3) of three axes.

        The observation planes are resampled on the axes once, so that reading them is three
        gathers a point.
        """
        tensors = tuple(self._tensor(axis) for axis in axes)
        if self.has_volume:
            self._prepare_lattice(tensors)

        def read(i: Tensor) -> Tensor:
            q = torch.stack([axis[i[:, k]] for k, axis in enumerate(tensors)], -1)
            features = None
            if self.has_volume:
                xz, yz, xy = self._lattice[1]
                x, y, z = i.unbind(-1)
                features = torch.cat([xz[x, z], yz[y, z], xy[x, y]], -1)[None]
            return self._field(q, features)[0].sdf[0]

        return self._chunked(index, read, torch.int64)

    # -- inside --------------------------------------------------------------------------------

    def _field(self, q: Tensor, features: Tensor | None = None) -> tuple[FieldOutput, Guide]:
        g = self.generator
        guide = find_guide(g.model, self.surface, q)
        surface = g.surface_branch(self.ws, self.planes, self.values, guide, self.state)
        if not self.has_volume:
            volume = torch.full_like(guide.distance, VOLUME_RANGE)
            shade = torch.zeros_like(volume)
        elif features is None:
            volume, shade = g.volume_branch(self.ws, self.planes, q[None])
        else:
            volume, shade = g.volume_from_features(self.ws, features, q[None])
        return g.compose(surface, guide.distance, volume, shade, self.values), guide

    def _probe_volume(self) -> bool:
        """Whether any hanging hair comes near the head: if not, its branch need not be read."""
        line = torch.linspace(-1, 1, _PROBE, device=self.ws.device)
        lattice = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1).reshape(1, -1, 3)
        q = lattice * CUBE_HALF + lattice.new_tensor(CUBE_CENTRE)
        volume, _ = self.generator.volume_branch(self.ws, self.planes, q)
        return bool(volume.min() < 0.25 * VOLUME_RANGE)

    def _prepare_lattice(self, axes: tuple[Tensor, Tensor, Tensor]) -> None:
        key = tuple((len(axis), float(axis[0]), float(axis[-1])) for axis in axes)
        if self._lattice is None or self._lattice[0] != key:
            self._lattice = (key, planes_on_lattice(self.planes.observation[0], axes))

    def _tensor(self, array: np.ndarray, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=dtype, device=self.ws.device)

    def _chunked(
        self,
        array: np.ndarray,
        read: Callable[[Tensor], Tensor],
        dtype: torch.dtype = torch.float32,
    ) -> np.ndarray:
        if array.ndim != 2 or array.shape[1] != 3:
            raise ValueError(f"expected points of shape (N, 3), got {array.shape}")
        parts = []
        with torch.inference_mode():
            for start in range(0, len(array), _CHUNK):
                if self.tick is not None:
                    self.tick()
                parts.append(read(self._tensor(array[start : start + _CHUNK], dtype)).cpu())
        return torch.cat(parts).numpy() if parts else np.zeros(0, np.float32)
