"""The generated field of one head as numpy functions: what meshing and baking ask."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..head_model.arkit import EXPRESSIONS
from ..head_model.closest import ClosestPoint
from ..parts.values import PartValues
from ..synthetic.face import ExpressionState
from .generator import VOLUME_RANGE, FieldOutput, Generator
from .guide import Guide, find_guide, guide_from_barycentric
from .planes import CUBE_CENTRE, CUBE_HALF, planes_on_lattice

_CHUNK = 1 << 15


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
            raise ValueError(f"expected style rows of one head (1, R, W), got {tuple(ws.shape)}")
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
            self.closest = ClosestPoint(self.surface, generator.model.surface_faces)
            self.state = ExpressionState.from_weights(expression)
            self.has_volume = bool(generator.has_hanging_hair(self.values))
        centre = np.array(CUBE_CENTRE)
        self.bounds = np.stack([centre - CUBE_HALF, centre + CUBE_HALF])
        self._lattice: tuple | None = None

    def sdf(self, points: np.ndarray) -> np.ndarray:
        """Signed distance (N,) in metres at points (N, 3), negative inside."""
        _check_points(points)
        return self._chunked(points, lambda q: self._field(q)[0].sdf[0])

    def sample(self, points: np.ndarray) -> FieldSample:
        """Everything the field says at points (N, 3)."""
        _check_points(points)
        return self._as_sample(self._chunked(points, lambda q: self._columns(*self._field(q))))

    def sample_guide(self, triangle: np.ndarray, bary: np.ndarray) -> FieldSample:
        """The skin at points of the guide mesh itself: triangle (N,), bary (N, 3).

        No search is needed, and hanging hair is left out: what it hides is skin.
        """
        rows = np.concatenate([triangle[:, None].astype(np.float64), bary], 1)

        def read(part: Tensor) -> Tensor:
            face, weights = part[:, 0].long()[None], part[None, :, 1:].float()
            guide = guide_from_barycentric(
                self.generator.model, face, weights, torch.zeros_like(weights[..., 0])
            )
            corners = self.surface[self.generator.model.surface_faces[face[0]]]
            q = (corners * weights[0][..., None]).sum(1)
            return self._columns(self._at_guide(q, guide, hanging=False), guide)

        return self._as_sample(self._chunked(rows, read, torch.float64))

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

    @property
    def part_values(self) -> PartValues:
        """Iris, glasses and earrings of this head, on the CPU."""
        values = self.generator.part_values(self.values)
        return PartValues.collect(lambda name: getattr(values, name).cpu())

    # -- inside --------------------------------------------------------------------------------

    def _field(self, q: Tensor, features: Tensor | None = None) -> tuple[FieldOutput, Guide]:
        guide = find_guide(self.generator.model, self.closest, q)
        return self._at_guide(q, guide, features), guide

    def _at_guide(
        self, q: Tensor, guide: Guide, features: Tensor | None = None, hanging: bool = True
    ) -> FieldOutput:
        g = self.generator
        surface = g.surface_branch(self.ws, self.planes, self.values, guide, self.state)
        if not (hanging and self.has_volume):
            volume = torch.full_like(guide.distance, VOLUME_RANGE)
            shade = torch.zeros_like(volume)
        elif features is None:
            volume, shade = g.volume_branch(self.ws, self.planes, self.values, q[None])
        else:
            volume, shade = g.volume_from_features(self.ws, features, self.values, q[None])
        return g.compose(surface, guide.distance, volume, shade, self.values)

    @staticmethod
    def _columns(out: FieldOutput, guide: Guide) -> Tensor:
        labels = torch.softmax(out.logits[0], -1)
        columns = [out.sdf[0][:, None], out.color[0].clamp(0, 1), guide.canonical[0], labels]
        return torch.cat(columns, -1)

    @staticmethod
    def _as_sample(columns: np.ndarray) -> FieldSample:
        return FieldSample(columns[:, 0], columns[:, 1:4], columns[:, 7:], columns[:, 4:7])

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
        parts = []
        with torch.inference_mode():
            for start in range(0, len(array), _CHUNK):
                if self.tick is not None:
                    self.tick()
                parts.append(read(self._tensor(array[start : start + _CHUNK], dtype)).cpu())
        return torch.cat(parts).numpy() if parts else np.zeros(0, np.float32)


def _check_points(points: np.ndarray) -> None:
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"expected points of shape (N, 3), got {points.shape}")
