"""Next3D's four orthographic views of the head mesh, their masks, and the mouth's square.

Meshes are FLAME's: metres, x image-right, y up, z towards the viewer. Planes are stored with rows
growing along +y.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..checkpoints.released import PLANE_RESOLUTION
from .rasterizer import Fragments, rasterize

SIZE = PLANE_RESOLUTION  # views are laid over the planes
DISTANCE = 10.0
MOUTH = slice(48, 60)  # outer lip among the landmarks
MOUTH_CORNERS = (48, 54)
MOUTH_MARGIN = 1.2
_OPAQUE = 254.0  # of 255: less than this the flood from the corner passes through


@dataclass(frozen=True)
class View:
    """From where the mesh is seen: turned about an axis (0 is x, 1 is y) by quarter turns."""

    axis: int
    quarters: int


FRONT = View(1, 0)
SIDE_PLUS = View(1, 1)
SIDE_MINUS = View(1, -1)
TOP = View(0, 1)


def seen_vertices(vertices: Tensor, view: View, scale: Tensor, shift: Tensor) -> Tensor:
    """Return column, row and depth (B, V, 3) of vertices (B, V, 3).

    From the front 5x, 5y + 0.05, 10.05 - 5z; scale (1,) and shift (3,) as stored with a checkpoint
    are 5 and (0, -0.01, -0.01). The order of operations is that of the public program, and so are
    the cosines of quarter turns, which are not quite zero: masks agree to the bit.
    """
    upside_down = vertices * vertices.new_tensor([1.0, -1.0, 1.0])
    if view.quarters:
        upside_down = upside_down @ _turn(view).to(vertices)
    placed = (upside_down + shift) * scale
    return torch.stack([placed[..., 0], -placed[..., 1], DISTANCE - placed[..., 2]], dim=-1)


def _turn(view: View) -> Tensor:
    """Return the matrix (3, 3) that row vectors are multiplied by."""
    angle = torch.tensor(view.quarters * math.pi / 2.0, dtype=torch.float32)
    c, s = float(angle.cos()), float(angle.sin())
    if view.axis == 0:
        return torch.tensor([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    return torch.tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def rasterize_views(
    vertices: Tensor, faces: Tensor, views: tuple[View, ...], scale: Tensor, shift: Tensor
) -> list[Fragments]:
    """Return what each view sees of vertices (B, V, 3), 256^2."""
    seen = [seen_vertices(vertices, view, scale, shift) for view in views]
    together = rasterize(torch.cat(seen), faces, SIZE)
    batch = len(vertices)
    parts = [slice(i * batch, (i + 1) * batch) for i in range(len(views))]
    return [Fragments(together.face[p], together.weights[p], together.depth[p]) for p in parts]


def fill_holes(alpha: Tensor) -> Tensor:
    """Make everything opaque that cannot be reached from the first pixel: alpha (B, R, R).

    The flood passes 4-connected through all but opaque pixels, which keep their value where it
    came; so holes such as the open mouth, and soft rims around them, are closed.
    """
    passable = alpha * 255.0 <= _OPAQUE
    reached = torch.zeros_like(passable)
    reached[:, 0, 0] = passable[:, 0, 0]
    rows, columns = _runs(passable), _runs(passable.transpose(1, 2))
    known = -1
    while (count := int(reached.sum())) > known:
        known = count
        reached = _spread(reached, rows, passable)
        across = _spread(reached.transpose(1, 2), columns, passable.transpose(1, 2))
        reached = across.transpose(1, 2)
    return torch.where(reached, alpha, torch.ones_like(alpha))


def _runs(passable: Tensor) -> Tensor:
    """Number the unbroken runs of every row (B, R, R); a blocking pixel begins the next run."""
    batch, rows, _ = passable.shape
    blocks = ~passable
    blocks[:, :, 0] = True
    return torch.cumsum(blocks.reshape(-1), dim=0).reshape(batch, rows, -1)


def _spread(reached: Tensor, runs: Tensor, passable: Tensor) -> Tensor:
    """Reach the whole of every run that is reached anywhere."""
    flat = runs.reshape(-1)
    hit = torch.zeros(len(flat) + 1, dtype=torch.int32, device=flat.device)
    hit.index_fill_(0, flat[reached.reshape(-1)], 1)
    return (hit[runs] > 0) & passable


def landmarks_in_view(landmarks: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return column and row (B, 68, 2) in -1..1 of landmarks (B, 68, 3) seen from the front."""
    return seen_vertices(landmarks, FRONT, scale, shift)[..., :2]


def mouth_boxes(landmarks: Tensor) -> list[tuple[int, int, int, int]]:
    """Return the mouth's square (y0, y1, x0, x1) in pixels for landmarks (B, 68, 2) in -1..1."""
    pixels = landmarks * (SIZE / 2) + SIZE / 2
    boxes = []
    for own in pixels.cpu():
        lips = own[MOUTH]
        extent = (lips.amax(dim=0) - lips.amin(dim=0)).max()
        radius = int(MOUTH_MARGIN * extent) // 2
        x, y = (own[MOUTH_CORNERS[0]] + own[MOUTH_CORNERS[1]]) / 2.0
        box = (int(y - radius), int(y + radius), int(x - radius), int(x + radius))
        boxes.append(_checked(box))
    return boxes


def _checked(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    y0, y1, x0, x1 = box
    inside = 0 <= y0 < y1 <= SIZE and 0 <= x0 < x1 <= SIZE
    if not inside:
        raise ValueError(
            f"the mouth's square (y0, y1, x0, x1) = {box} is expected inside {SIZE}^2 pixels; "
            "give landmarks in FLAME's metres, 17 of the contour and 51 static ones, without a "
            "global rotation"
        )
    return box
