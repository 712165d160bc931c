"""Eyelashes: curved, tapered ribbons rooted on the lid margins, following every lid key.

Roots are where the visible opening of the eye ends in a front view; a lash is rebuilt in the frame
of its lid (along the margin, away from the eyeball) for the rest pose and each expression.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .geometry import as_triangles, fit_sphere, normalize
from .head_part import normalized_weights
from .rigged_head import Material, Part
from .texel_map import rasterize

VIEW_HALF, VIEW_PIXELS = 0.028, 512  # m, size of the front view of an eye
SMOOTH_ROOTS = 3.0  # roots over which the lid's frame is averaged
SECTIONS = 4  # points along a lash, the last one is the tip
SMALLEST_KEY = 1e-4  # m, expressions that move the lashes less get no key
MATERIAL = Material("Lashes", (0.055, 0.040, 0.035), roughness=0.55, specular=0.25)


@dataclass(frozen=True)
class LashRow:
    """Shape of one row of lashes; lengths in metres, directions as (out, up) shares."""

    upper: bool
    count: int
    span: tuple[float, float]  # of the opening, -1 inner corner .. 1 outer corner
    length: tuple[float, float]  # at the inner and the outer end
    width: float
    start: tuple[float, float]
    end: tuple[float, float]
    fan: float  # how far lashes lean along the margin, away from the middle


UPPER_ROW = LashRow(
    upper=True, count=46, span=(-0.74, 0.985), length=(0.0042, 0.0076), width=0.00045,
    start=(1.00, -0.25), end=(0.50, 0.90), fan=0.35,
)  # fmt: skip
LOWER_ROW = LashRow(
    upper=False, count=26, span=(-0.45, 0.93), length=(0.0016, 0.0030), width=0.00026,
    start=(1.00, 0.10), end=(0.75, -0.60), fan=0.30,
)  # fmt: skip


@dataclass(frozen=True)
class _Roots:
    """Places of one row on the margins of both eyes, left eye first."""

    row: LashRow
    vertices: np.ndarray  # (N, 3) of the triangle
    bary: np.ndarray  # (N, 3)
    coordinate: np.ndarray  # (N,) along the opening, -1 inner .. 1 outer corner
    side: np.ndarray  # (N,) +1 left eye, -1 right eye
    scale: float = 1.0  # of lengths and widths


def build_lashes(head: Part, eyes: Part, fullness: float = 0.5) -> Part:
    """Return the part "Lashes" growing on the lid margins of the part `head` (metres).

    `eyes` are both eyeballs, left first; fullness 0..1 goes from short, thin lashes to long,
    strong ones.
    """
    scale = 0.55 + 0.60 * float(np.clip(fullness, 0.0, 1.0))
    balls = [fit_sphere(ball.astype(np.float64)) for ball in np.split(eyes.vertices, 2)]
    triangles = as_triangles(head.faces)
    views = [
        _front_view(head.vertices.astype(np.float64), triangles, centre, radius, side)
        for (centre, radius), side in zip(balls, (1.0, -1.0), strict=True)
    ]
    rows = [
        replace(_find_roots(views, row, seed), scale=scale)
        for seed, row in enumerate((UPPER_ROW, LOWER_ROW))
    ]
    lids = np.unique(np.concatenate([row.vertices for row in rows]))
    centres = np.stack([centre for centre, _ in balls])
    local = np.searchsorted(lids, np.arange(len(head.vertices)))
    rest = head.vertices[lids].astype(np.float64)
    vertices = np.concatenate([_grow(row, centres, rest, local) for row in rows])
    keys = {}
    for name, offsets in head.shape_keys.items():
        moved = offsets[lids]
        if np.abs(moved).max() < SMALLEST_KEY:
            continue
        posed = np.concatenate([_grow(row, centres, rest + moved, local) for row in rows])
        keys[name] = (posed - vertices).astype(np.float32)
    faces = _ribbon_faces(sum(len(row.coordinate) for row in rows))
    weights = np.concatenate([_at(head.weights, (row.vertices, row.bary)) for row in rows])
    return Part(
        name="Lashes",
        vertices=vertices.astype(np.float32),
        faces=faces.astype(np.int32),
        uvs=None,
        material_index=np.zeros(len(faces), np.int32),
        materials=(MATERIAL,),
        weights=normalized_weights(weights.repeat(2 * SECTIONS - 1, axis=0)),
        shape_keys=keys,
    )


@dataclass(frozen=True)
class _FrontView:
    """What is seen of one eye from the front, pixel by pixel."""

    side: float  # +1 left eye, -1 right eye
    open: np.ndarray  # (P, P) the eyeball is in front; row 0 = top, columns towards +x
    vertices: np.ndarray  # (P, P, 3) of the foremost skin triangle
    bary: np.ndarray  # (P, P, 3)


def _front_view(
    surface: np.ndarray, triangles: np.ndarray, centre: np.ndarray, radius: float, side: float
) -> _FrontView:
    middle = surface[triangles].mean(axis=1)
    near = np.abs(middle - centre)[:, [0, 2]].max(axis=1) < 1.2 * VIEW_HALF
    triangles = triangles[near & (middle[:, 1] < centre[1] + radius)]
    # Painter's order: the foremost triangle is drawn last.
    triangles = triangles[np.argsort(-surface[triangles, 1].mean(axis=1))]
    flat = (surface[triangles][:, :, [0, 2]] - centre[[0, 2]]) / (2.0 * VIEW_HALF) + 0.5
    seen = rasterize(flat, VIEW_PIXELS)
    vertices = np.zeros((VIEW_PIXELS**2, 3), np.int64)
    bary = np.zeros((VIEW_PIXELS**2, 3))
    depth = np.full(VIEW_PIXELS**2, np.inf)
    vertices[seen.texel] = triangles[seen.triangle]
    bary[seen.texel] = seen.bary
    depth[seen.texel] = seen.interpolate(surface[:, 1], triangles)
    offset = ((np.arange(VIEW_PIXELS) + 0.5) / VIEW_PIXELS * 2.0 - 1.0) * VIEW_HALF
    right, down = np.meshgrid(offset, offset)
    height = np.maximum(radius**2 - right**2 - down**2, 0.0)
    eye_depth = np.where(height > 0.0, centre[1] - np.sqrt(height), np.inf)
    shape = (VIEW_PIXELS, VIEW_PIXELS)
    return _FrontView(
        side=side,
        open=eye_depth < depth.reshape(shape),
        vertices=vertices.reshape(*shape, 3),
        bary=bary.reshape(*shape, 3),
    )


def _find_roots(views: list[_FrontView], row: LashRow, seed: int) -> _Roots:
    rng = np.random.default_rng(seed)
    share = (np.arange(row.count) + rng.uniform(-0.25, 0.25, row.count)) / (row.count - 1)
    u = row.span[0] + (row.span[1] - row.span[0]) * np.clip(share, 0.0, 1.0)
    vertices, bary = [], []
    for view in views:
        columns = np.flatnonzero(view.open.any(axis=0))
        first, last = columns[0], columns[-1]
        wanted = 0.5 * (first + last) + 0.5 * (last - first) * u * view.side
        column = np.clip(np.round(wanted), first, last).astype(int)
        edge = _edge_rows(view.open[:, column], row.upper)
        vertices.append(view.vertices[edge, column])
        bary.append(view.bary[edge, column])
    return _Roots(
        row=row,
        vertices=np.concatenate(vertices),
        bary=np.concatenate(bary),
        coordinate=np.tile(u, 2),
        side=np.repeat([view.side for view in views], row.count),
    )


def _edge_rows(opening: np.ndarray, upper: bool) -> np.ndarray:
    """Return the row just above (or below) the opened pixels of every column (P, N)."""
    if upper:
        return opening.argmax(axis=0) - 1
    return len(opening) - opening[::-1].argmax(axis=0)


def _at(values: np.ndarray, places) -> np.ndarray:
    vertices, bary = places
    return (values[vertices] * bary[..., None]).sum(axis=1)


def _grow(roots: _Roots, centres: np.ndarray, surface: np.ndarray, local: np.ndarray) -> np.ndarray:
    """Return the ribbon vertices (N * (2 * SECTIONS - 1), 3) on a posed lid surface.

    Lashes stand off the eyeball: outwards is away from its centre (2, 3; left, right), so they
    turn down as the lid closes.
    """
    row = roots.row
    root = _at(surface, (local[roots.vertices], roots.bary))
    along = _along_margin(root)
    outward = _smooth(root - np.where(roots.side[:, None] > 0, centres[0], centres[1]))
    outward = normalize(outward - along * (outward * along).sum(axis=1, keepdims=True))
    upward = np.cross(outward, along) * roots.side[:, None]
    rng = np.random.default_rng(7 if row.upper else 8)
    count = len(root) // 2
    share = (roots.coordinate - row.span[0]) / (row.span[1] - row.span[0])
    length = np.interp(share, [0.0, 0.75, 1.0], [row.length[0], row.length[1], row.length[1] * 0.9])
    length *= roots.scale * np.tile(rng.uniform(0.82, 1.08, count), 2)
    clump = np.tile(0.16 * np.sin(np.arange(count) * 2.1) + rng.uniform(-0.08, 0.08, count), 2)
    lean = row.fan * (roots.coordinate - 0.1) + clump
    points, point = [root], root
    for step in range(1, SECTIONS):
        t = (step - 0.5) / (SECTIONS - 1)
        out = row.start[0] + (row.end[0] - row.start[0]) * t
        up = row.start[1] + (row.end[1] - row.start[1]) * t
        direction = normalize(outward * out + upward * up + along * (lean * (0.4 + t))[:, None])
        point = point + direction * (length / (SECTIONS - 1))[:, None]
        points.append(point)
    return _ribbons(points, along, row.width * roots.scale**0.5)


def _along_margin(root: np.ndarray) -> np.ndarray:
    """Unit tangents (N, 3) of the margin, from the inner to the outer corner on each eye."""
    halves = np.split(_smooth(root), 2)
    return np.concatenate([normalize(np.gradient(half, axis=0)) for half in halves])


def _smooth(values: np.ndarray) -> np.ndarray:
    """Average (N, C) along the row of each eye."""
    halves = np.split(values, 2)
    return np.concatenate(
        [gaussian_filter1d(half, SMOOTH_ROOTS, axis=0, mode="nearest") for half in halves]
    )


def _ribbons(points: list[np.ndarray], along: np.ndarray, width: float) -> np.ndarray:
    columns = []
    for step, point in enumerate(points[:-1]):
        half = 0.5 * width * (1.0 - 0.25 * step / (SECTIONS - 1)) * along
        columns += [point - half, point + half]
    columns.append(points[-1])
    return np.stack(columns, axis=1).reshape(-1, 3)


def _ribbon_faces(count: int) -> np.ndarray:
    """Triangles of `count` ribbons of 2 * SECTIONS - 1 vertices each."""
    faces = []
    for section in range(SECTIONS - 2):
        base = 2 * section
        faces += [[base, base + 1, base + 3], [base, base + 3, base + 2]]
    base = 2 * (SECTIONS - 2)
    faces.append([base, base + 1, base + 2])
    stride = 2 * SECTIONS - 1
    return (np.array(faces)[None] + stride * np.arange(count)[:, None, None]).reshape(-1, 3)
