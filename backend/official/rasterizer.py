"""Orthographic rasterisation of triangles with the rules of the public programs' rasteriser.

Pixel centres are (2 i + 1) / size - 1. A face counts if its doubled area, as seen, exceeds 1e-8:
back faces and slivers do not. Barycentric weights are edge functions over (doubled area + 1e-8), a
pixel is covered where all three are above zero, the nearest face wins, of equals the first. Single
precision in this order of operations gives the public program's numbers bit by bit.

Instead of testing every pixel against every face, the pixels in every face's bounding box are
listed, all faces together: a head's faces cover a few pixels each.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

AREA_EPSILON = 1e-8
CANDIDATES_AT_A_TIME = 1 << 20
NOTHING = -1
TURNED = (0, 2, 1)


@dataclass(frozen=True)
class Fragments:
    """What M images see: face (M, R, R), -1 where nothing; weights (M, R, R, 3); depth (M, R, R).

    weights are barycentric and zero where nothing is seen, depth is -1 there.
    """

    face: Tensor
    weights: Tensor
    depth: Tensor

    @property
    def coverage(self) -> Tensor:
        """Whether a pixel sees the mesh: (M, R, R) bool."""
        return self.face >= 0

    def interpolate(self, corners: Tensor) -> Tensor:
        """Interpolate values of face corners (F, 3, K): (M, R, R, K), zero where nothing."""
        own = corners[self.face.clamp(min=0)]
        weighted = [self.weights[..., k, None] * own[..., k, :] for k in TURNED]
        return weighted[0] + weighted[1] + weighted[2]


@dataclass(frozen=True)
class _Faces:
    """Faces to draw: corners (T, 3, 3), their image and index (T,), doubled area (T,)."""

    corners: Tensor
    image: Tensor
    index: Tensor
    area: Tensor


def edge_function(point: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Return twice the area of (start, end, point), positive if it turns from row to column."""
    along = (point[..., 0] - start[..., 0]) * (end[..., 1] - start[..., 1])
    return along - (point[..., 1] - start[..., 1]) * (end[..., 0] - start[..., 0])


def rasterize(vertices: Tensor, faces: Tensor, size: int) -> Fragments:
    """Draw faces (F, 3) of vertices (M, V, 3): column and row in -1..1, row down, then depth."""
    images = len(vertices)
    drawn = _drawn_faces(vertices, faces)
    depth = vertices.new_full((images * size * size,), float("inf"))
    face = torch.full_like(depth, NOTHING, dtype=torch.int64)
    weights = vertices.new_zeros(images * size * size, 3)
    first, count = _bounding_boxes(drawn.corners, size)
    for part in _chunks(count[:, 0] * count[:, 1]):
        _draw(_slice(drawn, part), first[part], count[part], size, depth, face, weights)
    shape = (images, size, size)
    depth = torch.where(face >= 0, depth, torch.full_like(depth, float(NOTHING)))
    return Fragments(face.reshape(shape), weights.reshape(*shape, 3), depth.reshape(shape))


def _drawn_faces(vertices: Tensor, faces: Tensor) -> _Faces:
    """Gather the faces that can be seen, image by image, in their own order."""
    # seen with rows growing downwards a face turns the other way round
    corners = vertices[:, faces[:, TURNED]]
    area = edge_function(corners[:, :, 2], corners[:, :, 0], corners[:, :, 1])
    seen = (area > AREA_EPSILON) & (corners[..., 2] >= AREA_EPSILON).all(dim=-1)
    image, index = seen.nonzero(as_tuple=True)
    return _Faces(corners[image, index], image, index, area[image, index])


def _slice(faces: _Faces, part: slice) -> _Faces:
    return _Faces(faces.corners[part], faces.image[part], faces.index[part], faces.area[part])


def _bounding_boxes(corners: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return first pixel and number of pixels (T, 2) across and down, generously by one."""
    place = ((corners[..., :2] + 1.0) * size - 1.0) / 2.0
    first = (place.amin(dim=1).floor().clamp(0, size)).to(torch.int64)
    last = (place.amax(dim=1).ceil().clamp(-1, size - 1)).to(torch.int64)
    return first, (last - first + 1).clamp(min=0)


def _chunks(pixels: Tensor) -> list[slice]:
    """Cut faces (T,) so that each piece has about a given number of pixels, at least one face."""
    total = torch.cumsum(pixels, dim=0).cpu()
    slices, start, done = [], 0, 0
    while start < len(total):
        end = int(torch.searchsorted(total, done + CANDIDATES_AT_A_TIME, right=True))
        end = min(max(end, start + 1), len(total))
        slices.append(slice(start, end))
        start, done = end, int(total[end - 1])
    return slices


def _draw(
    faces: _Faces,
    first: Tensor,
    count: Tensor,
    size: int,
    depth: Tensor,
    face: Tensor,
    weights: Tensor,
) -> None:
    """Draw faces with bounding boxes (first, count) into flat images, in place."""
    own, column, row = _candidates(first, count)
    corners = faces.corners[own]
    centre = torch.stack([column, row], dim=-1).to(depth.dtype) * 2.0 + 1.0
    centre = centre / size - 1.0
    area = faces.area[own] + AREA_EPSILON
    inner = [
        edge_function(centre, corners[:, (k + 1) % 3], corners[:, (k + 2) % 3]) / area
        for k in range(3)
    ]
    inner = torch.stack(inner, dim=-1)
    inside = (inner > 0.0).all(dim=-1)
    own, inner, corners = own[inside], inner[inside], corners[inside]
    pixel = (faces.image[own] * size + row[inside]) * size + column[inside]
    z = inner[:, 0] * corners[:, 0, 2] + inner[:, 1] * corners[:, 1, 2]
    z = z + inner[:, 2] * corners[:, 2, 2]
    _keep_nearest(pixel, z, faces.index[own], inner, depth, face, weights)


def _candidates(first: Tensor, count: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """List all pixels of all boxes: face (P,), column (P,), row (P,)."""
    pixels = count[:, 0] * count[:, 1]
    own = torch.repeat_interleave(torch.arange(len(first), device=first.device), pixels)
    begin = torch.cumsum(pixels, dim=0) - pixels
    place = torch.arange(len(own), device=first.device) - begin[own]
    width = count[own, 0]
    down = torch.div(place, width.clamp(min=1), rounding_mode="floor")
    return own, first[own, 0] + place - down * width, first[own, 1] + down


def _keep_nearest(
    pixel: Tensor,
    z: Tensor,
    index: Tensor,
    inner: Tensor,
    depth: Tensor,
    face: Tensor,
    weights: Tensor,
) -> None:
    """Enter the nearest of these samples where it is nearer than what is there already.

    Faces arrive in their own order, so that of equally near ones the one already there is first.
    """
    least = torch.full_like(depth, float("inf")).scatter_reduce(0, pixel, z, "amin")
    nearest = (z == least[pixel]) & (z < depth[pixel])
    pixel, z, index, inner = pixel[nearest], z[nearest], index[nearest], inner[nearest]
    lowest = torch.full_like(face, torch.iinfo(face.dtype).max)
    lowest = lowest.scatter_reduce(0, pixel, index, "amin")
    chosen = index == lowest[pixel]
    pixel = pixel[chosen]
    depth[pixel] = z[chosen]
    face[pixel] = index[chosen]
    weights[pixel] = inner[chosen][:, TURNED]
