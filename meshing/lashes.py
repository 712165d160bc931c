"""Eyelashes: curved, tapered ribbons rooted on the lid margins, following every lid key.

Roots are places on the average head, found once per template; a lash is rebuilt in the frame of
its lid (along the margin, up the lid, outwards) for the rest pose and for each expression.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .geometry import fit_sphere, normalize
from .head_part import normalized_weights
from .rigged_head import Material, Part
from .template import PART_LEFT_EYE, PART_RIGHT_EYE, Template
from .texel_map import rasterize

VIEW_HALF, VIEW_PIXELS = 0.028, 512  # m, size of the front view of an eye
PLATE_PIXELS = 27  # 3 mm, from the margin to the point that tells the lid's slope
CLOSING_DROP = 0.009  # m the margin moves down until the eye is shut
CLOSING_TURN = 1.0  # radians a lid margin rolls meanwhile
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
    upper=True, count=46, span=(-0.84, 0.985), length=(0.0042, 0.0076), width=0.00045,
    start=(0.90, 0.30), end=(0.30, 1.00), fan=0.55,
)  # fmt: skip
LOWER_ROW = LashRow(
    upper=False, count=26, span=(-0.45, 0.93), length=(0.0016, 0.0030), width=0.00026,
    start=(0.95, 0.10), end=(0.75, -0.65), fan=0.50,
)  # fmt: skip


@dataclass(frozen=True)
class _Roots:
    """Surface places of one row on both eyes: margin points and lid-plate points above them."""

    row: LashRow
    margin: tuple[np.ndarray, np.ndarray]  # vertices (N, 3), bary (N, 3)
    plate: tuple[np.ndarray, np.ndarray]
    coordinate: np.ndarray  # (N,) along the opening, -1 inner .. 1 outer corner
    side: np.ndarray  # (N,) +1 left eye, -1 right eye
    scale: float = 1.0  # of lengths and widths


_CACHE: WeakKeyDictionary = WeakKeyDictionary()


def build_lashes(
    template: Template, cage: np.ndarray, expressions: np.ndarray, fullness: float = 0.5
) -> Part:
    """Return the part "Lashes" of a fitted cage (V, 3) with offsets (E, V, 3), metres.

    fullness 0..1 goes from short, thin lashes to long, strong ones.
    """
    scale = 0.55 + 0.60 * float(np.clip(fullness, 0.0, 1.0))
    rows = tuple(replace(roots, scale=scale) for roots in _roots_of(template))
    used = [places[0].ravel() for row in rows for places in (row.margin, row.plate)]
    lids = np.unique(np.concatenate(used))
    local = np.searchsorted(lids, np.arange(len(template.surface_canonical)))
    matrix = template.subdivision[lids]
    rest = matrix @ cage
    vertices = np.concatenate([_grow(row, rest, local) for row in rows])
    keys = {}
    for name, offsets in zip(template.expression_names, expressions, strict=True):
        moved = matrix @ offsets
        if np.abs(moved).max() < SMALLEST_KEY:
            continue
        posed = np.concatenate([_grow(row, rest + moved, local, rest) for row in rows])
        keys[name] = (posed - vertices).astype(np.float32)
    faces = _ribbon_faces(sum(len(row.coordinate) for row in rows))
    weights = np.concatenate(
        [_at(template.surface_weights, row.margin) for row in rows]
    ).repeat(2 * SECTIONS - 1, axis=0)
    return Part(
        name="Lashes",
        vertices=vertices.astype(np.float32),
        faces=faces.astype(np.int32),
        uvs=None,
        material_index=np.zeros(len(faces), np.int32),
        materials=(MATERIAL,),
        weights=normalized_weights(weights),
        shape_keys=keys,
    )


def _roots_of(template: Template) -> tuple[_Roots, ...]:
    if template not in _CACHE:
        views = [_front_view(template, part) for part in (PART_LEFT_EYE, PART_RIGHT_EYE)]
        _CACHE[template] = tuple(
            _find_roots(views, row, seed) for seed, row in enumerate((UPPER_ROW, LOWER_ROW))
        )
    return _CACHE[template]


@dataclass(frozen=True)
class _FrontView:
    """What is seen of one eye of the average head from the front, pixel by pixel."""

    side: float  # +1 left eye, -1 right eye
    open: np.ndarray  # (P, P) the eyeball is in front; row 0 = top, columns towards +x
    vertices: np.ndarray  # (P, P, 3) of the foremost skin triangle
    bary: np.ndarray  # (P, P, 3)


def _front_view(template: Template, part: int) -> _FrontView:
    surface = template.surface_rest
    centre, radius = fit_sphere(template.rest[template.part == part])
    outer = template.surface_region == template.REGION_SKIN
    triangles = template.surface_faces[outer]
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
        side=1.0 if part == PART_LEFT_EYE else -1.0,
        open=eye_depth < depth.reshape(shape),
        vertices=vertices.reshape(*shape, 3),
        bary=bary.reshape(*shape, 3),
    )


def _find_roots(views: list[_FrontView], row: LashRow, seed: int) -> _Roots:
    rng = np.random.default_rng(seed)
    share = (np.arange(row.count) + rng.uniform(-0.25, 0.25, row.count)) / (row.count - 1)
    u = row.span[0] + (row.span[1] - row.span[0]) * np.clip(share, 0.0, 1.0)
    margin, plate = [], []
    for view in views:
        columns = np.flatnonzero(view.open.any(axis=0))
        first, last = columns[0], columns[-1]
        wanted = 0.5 * (first + last) + 0.5 * (last - first) * u * view.side
        column = np.clip(np.round(wanted), first, last).astype(int)
        edge = _edge_rows(view.open[:, column], row.upper)
        away = PLATE_PIXELS if row.upper else -PLATE_PIXELS
        for places, pixel in ((margin, edge), (plate, edge - away)):
            places.append((view.vertices[pixel, column], view.bary[pixel, column]))
    return _Roots(
        row=row,
        margin=tuple(np.concatenate(part) for part in zip(*margin, strict=True)),
        plate=tuple(np.concatenate(part) for part in zip(*plate, strict=True)),
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


def _grow(
    roots: _Roots, surface: np.ndarray, local: np.ndarray, rest: np.ndarray | None = None
) -> np.ndarray:
    """Return the ribbon vertices (N * (2 * SECTIONS - 1), 3) on a posed lid surface.

    `rest` is the unposed surface: lashes turn down as the margin drops from there.
    """
    row = roots.row
    root = _at(surface, (local[roots.margin[0]], roots.margin[1]))
    plate = _at(surface, (local[roots.plate[0]], roots.plate[1]))
    along = _along_margin(root)
    upward = normalize(_smooth(plate - root)) * (1.0 if row.upper else -1.0)
    upward = normalize(upward - along * (upward * along).sum(axis=1, keepdims=True))
    outward = np.cross(along, upward) * roots.side[:, None]
    if rest is not None:
        drop = (_at(rest, (local[roots.margin[0]], roots.margin[1])) - root)[:, 2]
        turn = CLOSING_TURN * np.clip(_smooth(drop[:, None]) / CLOSING_DROP, 0.0, 1.0)
        outward, upward = (
            outward * np.cos(turn) - upward * np.sin(turn),
            upward * np.cos(turn) + outward * np.sin(turn),
        )
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
