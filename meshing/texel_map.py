"""Which surface point lies under each texel: a rasteriser of triangles in UV space."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from scipy.ndimage import distance_transform_edt

CHUNK = 2_000_000  # candidate texels tested at a time, bounds memory

_CACHE: WeakKeyDictionary = WeakKeyDictionary()


@dataclass(frozen=True)
class TexelMap:
    """Covered texels of a square image: flat index (row 0 = top), triangle and barycentric."""

    resolution: int
    texel: np.ndarray  # (N,) flat index, sorted
    triangle: np.ndarray  # (N,)
    bary: np.ndarray  # (N, 3) float32

    @property
    def covered(self) -> np.ndarray:
        """Boolean image (R, R) of the texels inside some triangle."""
        mask = np.zeros(self.resolution**2, bool)
        mask[self.texel] = True
        return mask.reshape(self.resolution, self.resolution)

    def image(self, values: np.ndarray) -> np.ndarray:
        """Scatter per-texel values (N, C) to an image (R, R, C), zero elsewhere."""
        flat = np.zeros((self.resolution**2, values.shape[1]), np.float32)
        flat[self.texel] = values
        return flat.reshape(self.resolution, self.resolution, -1)

    def filled_image(self, values: np.ndarray) -> np.ndarray:
        """Scatter values (N, C) and give every uncovered texel its nearest covered colour."""
        return dilate(self.image(values), self.covered)

    def interpolate(self, values: np.ndarray, triangles: np.ndarray) -> np.ndarray:
        """Return vertex attributes (W, ...) at the covered texels."""
        corners = triangles[self.triangle]
        if values.ndim == 1:
            return (values[corners] * self.bary).sum(axis=1)
        result = values[corners[:, 0]] * self.bary[:, :1]
        for corner in (1, 2):
            result += values[corners[:, corner]] * self.bary[:, corner, None]
        return result


def texel_map(owner: object, triangle_uvs: np.ndarray, resolution: int) -> TexelMap:
    """Return the texel map of `triangle_uvs` (T, 3, 2), kept as long as `owner` lives."""
    maps = _CACHE.setdefault(owner, {})
    if resolution not in maps:
        maps[resolution] = rasterize(triangle_uvs, resolution)
    return maps[resolution]


def rasterize(triangle_uvs: np.ndarray, resolution: int) -> TexelMap:
    """Find the triangle and barycentric coordinates of every covered texel centre.

    `triangle_uvs` is (T, 3, 2) with v upwards; triangles with NaN or no area cover nothing. Where
    triangles overlap, the last one wins.
    """
    if resolution < 1:
        raise ValueError(f"expected a positive texture resolution, got {resolution}")
    usable = np.flatnonzero(np.isfinite(triangle_uvs).all(axis=(1, 2)))
    pixels = triangle_uvs[usable].astype(np.float64)
    pixels[..., 1] = 1.0 - pixels[..., 1]
    pixels = pixels * resolution - 0.5
    low = np.clip(np.ceil(pixels.min(axis=1)), 0, resolution).astype(np.int64)
    high = np.clip(np.floor(pixels.max(axis=1)), -1, resolution - 1).astype(np.int64)
    size = np.maximum(high - low + 1, 0)
    counts = size[:, 0] * size[:, 1]
    owner = np.full(resolution**2, -1, np.int64)
    weights = np.zeros((resolution**2, 3), np.float32)
    for start, stop in _chunks(counts):
        part = slice(start, stop)
        texel, index, bary = _cover(pixels[part], low[part], size[part], counts[part], resolution)
        owner[texel] = usable[start + index]
        weights[texel] = bary
    texel = np.flatnonzero(owner >= 0)
    return TexelMap(resolution, texel, owner[texel], weights[texel])


def _chunks(counts: np.ndarray):
    group = np.cumsum(counts) // CHUNK
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return zip(starts, np.append(starts[1:], len(counts)), strict=True)


def _cover(pixels, low, size, counts, resolution):
    """Test the texels of every triangle's bounding box; return texel, triangle, bary."""
    index = np.repeat(np.arange(len(pixels)), counts)
    step = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    width = np.maximum(size[index, 0], 1)
    column = low[index, 0] + step % width
    row = low[index, 1] + step // width
    a, b, c = pixels[:, 0], pixels[:, 1], pixels[:, 2]
    ab, ac = b - a, c - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    inverse = np.divide(1.0, area, out=np.full_like(area, np.nan), where=np.abs(area) > 1e-10)
    dx = column - a[index, 0]
    dy = row - a[index, 1]
    v = (dx * ac[index, 1] - dy * ac[index, 0]) * inverse[index]
    w = (ab[index, 0] * dy - ab[index, 1] * dx) * inverse[index]
    tolerance = 1e-4
    inside = (v >= -tolerance) & (w >= -tolerance) & (v + w <= 1.0 + tolerance)
    bary = np.stack([1.0 - v - w, v, w], axis=1)[inside]
    return (row * resolution + column)[inside], index[inside], bary


def dilate(image: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Give every texel outside `covered` (R, R) the value of its nearest covered texel."""
    nearest = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return image[tuple(nearest)]
