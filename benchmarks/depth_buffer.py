"""Which triangle is seen at each pixel of an orthographic view: a small numpy z-buffer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EDGE = 1e-9  # barycentric slack, so that pixels on shared edges belong to a triangle


@dataclass(frozen=True)
class Window:
    """A rectangle of the picture plane: centre (2,), half size (2,) and pixel size, metres."""

    centre: tuple[float, float]
    half: tuple[float, float]
    pixel: float

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels along right and up."""
        return tuple(int(round(2 * half / self.pixel)) for half in self.half)


def turned(points: np.ndarray, yaw: float) -> np.ndarray:
    """Return points (N, 3) seen from `yaw` radians beside the front: right, up, depth."""
    x, y, z = points.T
    right = x * np.cos(yaw) + y * np.sin(yaw)
    depth = y * np.cos(yaw) - x * np.sin(yaw)
    return np.stack([right, z, depth], axis=1)


def visible_triangles(points: np.ndarray, triangles: np.ndarray, window: Window) -> np.ndarray:
    """Return the triangle seen at each pixel of the window, flat, -1 where there is none.

    points (V, 3) are right, up and depth; the least depth is nearest.
    """
    low = np.array(window.centre) - window.half
    corners = points[triangles].astype(np.float64)
    corners[..., :2] = (corners[..., :2] - low) / window.pixel - 0.5
    shape = np.array(window.shape)
    first = np.clip(np.ceil(corners[..., :2].min(axis=1)), 0, shape).astype(np.int64)
    last = np.clip(np.floor(corners[..., :2].max(axis=1)), -1, shape - 1).astype(np.int64)
    size = np.maximum(last - first + 1, 0)
    count = size[:, 0] * size[:, 1]
    owner = np.repeat(np.arange(len(triangles)), count)
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    width = np.maximum(size[owner, 0], 1)
    pixel = first[owner] + np.stack([step % width, step // width], axis=1)
    inside, depth = _depth(corners[owner], pixel)
    owner, pixel, depth = owner[inside], pixel[inside], depth[inside]
    flat = pixel[:, 0] + shape[0] * pixel[:, 1]
    order = np.lexsort((depth, flat))
    nearest = np.unique(flat[order], return_index=True)
    seen = np.full(shape.prod(), -1)
    seen[nearest[0]] = owner[order][nearest[1]]
    return seen


def _depth(corners: np.ndarray, pixel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each pixel (N, 2) lies in its triangle (N, 3, 3), and the depth there."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, ac, ap = b[:, :2] - a[:, :2], c[:, :2] - a[:, :2], pixel - a[:, :2]
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    safe = np.where(np.abs(area) > 1e-12, area, np.inf)
    v = (ap[:, 0] * ac[:, 1] - ap[:, 1] * ac[:, 0]) / safe
    w = (ab[:, 0] * ap[:, 1] - ab[:, 1] * ap[:, 0]) / safe
    inside = (v >= -EDGE) & (w >= -EDGE) & (v + w <= 1 + EDGE) & np.isfinite(safe)
    return inside, a[:, 2] + v * (b[:, 2] - a[:, 2]) + w * (c[:, 2] - a[:, 2])
