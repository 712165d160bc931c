"""Tooth crowns and gums as quads along a dental arch, millimetres on the average head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

AROUND = 12
# Rings from under the gum (negative) to the edge (1), and the half-width there.
RING_HEIGHTS = np.array([-0.14, 0.06, 0.30, 0.58, 0.82, 0.94, 1.0])
FRONT_WIDTH = np.array([0.72, 0.80, 0.92, 0.99, 1.0, 0.95, 0.82])
BACK_WIDTH = np.array([0.78, 0.86, 0.96, 1.0, 0.98, 0.90, 0.70])
FRONT_DEPTH = np.array([0.95, 1.0, 0.93, 0.76, 0.56, 0.44, 0.28])
BACK_DEPTH = np.array([0.92, 1.0, 1.04, 1.02, 0.95, 0.82, 0.58])
FACE_BULGE = np.array([-0.5, 0.1, 0.55, 0.50, 0.15, -0.15, -0.6])
SQUARENESS = 0.62  # exponent of the cross-section's superellipse
CONTACT = 0.985  # of the full width; leaves a hairline between neighbours
FIRST_BACK_TOOTH = 3
GUM_STEPS = 4  # sections per tooth
PAPILLA = 2.4  # mm that the gum reaches down between two teeth
# Gum section: outward offset from the arch and height above the gum line.
GUM_OUT = np.array([-0.3, 0.75, 1.5, 1.7, 0.2, -6.0, -11.0, -12.2, -10.8])
GUM_UP = np.array([-0.2, 0.1, 1.6, 4.5, 8.5, 9.5, 6.0, 2.0, -0.2])


@dataclass(frozen=True)
class Row:
    """Sizes of one row of teeth from the midline back, mm; z grows from the edge to the gum."""

    arch: tuple[tuple[float, float], ...]  # outer face (x, y), x = left, -y = forward
    widths: tuple[float, ...]
    heights: tuple[float, ...]
    depths: tuple[float, ...]  # half thickness at the neck
    edge: float  # height of the middle edge
    edge_rise: float  # further back, towards the gum positive
    towards_gum: int  # +1 upper row, -1 lower row


UPPER = Row(
    arch=((0, -26.2), (8.5, -25.0), (16.4, -21.9), (23.4, -17.2), (29.0, -10.3), (33.4, -2.0),
          (36.6, 8.0), (38.6, 18.5)),
    widths=(10.0, 7.9, 9.1, 8.3, 8.1, 11.4, 10.6),
    heights=(13.0, 11.8, 12.8, 11.2, 10.6, 9.8, 9.2),
    depths=(2.9, 2.7, 3.5, 4.4, 4.5, 5.4, 5.2),
    edge=-88.5, edge_rise=4.2, towards_gum=1,
)
LOWER = Row(
    arch=((0, -22.6), (7.8, -21.6), (14.8, -18.7), (21.0, -14.2), (26.1, -7.8), (30.2, 0.2),
          (33.0, 9.4), (34.8, 18.5)),
    widths=(6.5, 7.2, 8.3, 8.4, 8.6, 12.0, 11.4),
    heights=(10.6, 10.8, 11.8, 10.4, 9.6, 8.8, 8.4),
    depths=(2.5, 2.6, 3.3, 4.0, 4.3, 5.2, 5.2),
    edge=-85.2, edge_rise=0.9, towards_gum=-1,
)


@dataclass(frozen=True)
class Dentition:
    """One row: vertices in metres, quads, corner uvs and which vertices are gum."""

    vertices: np.ndarray  # (N,3)
    faces: np.ndarray  # (F,4)
    corner_uvs: np.ndarray  # (F,4,2)
    gum: np.ndarray  # (N,) bool


class Arch:
    """The outer face of a row by arc length from the midline, left side positive."""

    def __init__(self, row: Row) -> None:
        right = [(-x, y) for x, y in row.arch[:0:-1]]
        points = np.array([*right, *row.arch])
        chord = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
        self.curve = CubicSpline(chord - chord[-1] / 2, points)
        self.half_length = chord[-1] / 2

    def frame(self, arc: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return points (N,2), unit tangents and unit outward normals at arc lengths (N,)."""
        tangent = self.curve(arc, 1)
        tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
        outward = np.stack([tangent[..., 1], -tangent[..., 0]], -1)
        return self.curve(arc), tangent, outward


def build_row(row: Row) -> Dentition:
    """Return crowns and gum of one row on the average head."""
    arch = Arch(row)
    limits = np.r_[0, np.cumsum(row.widths)] / sum(row.widths) * (arch.half_length - 0.5)
    pieces = []
    count = len(row.widths)
    for tooth in range(count):
        for side in (1, -1):
            cell = count + tooth if side > 0 else count - 1 - tooth
            span = (limits[tooth], limits[tooth + 1])
            pieces.append(_crown(row, arch, tooth, side, span, cell / (2 * count)))
    pieces.append(_gum(row, arch, limits))
    vertices = np.concatenate([piece[0] for piece in pieces])
    starts = np.cumsum([0] + [len(piece[0]) for piece in pieces[:-1]])
    faces = np.concatenate([piece[1] + start for piece, start in zip(pieces, starts, strict=True)])
    uvs = np.concatenate([piece[2] for piece in pieces])
    gum = np.zeros(len(vertices), bool)
    gum[starts[-1]:] = True
    if row.towards_gum < 0:
        uvs[..., 1] = 1 - uvs[..., 1]
    inverted = _inverted(vertices, faces, starts)
    faces[inverted] = faces[inverted][:, ::-1]
    uvs[inverted] = uvs[inverted][:, ::-1]
    return Dentition(vertices / 1000, faces, uvs, gum)


def _edge_height(row: Row, x: np.ndarray) -> np.ndarray:
    """Return the height of the edge at x mm: a smile arc that levels off at the sides."""
    return row.edge + row.edge_rise * np.tanh(0.008 * x**2 / 4.2)


def _crown(row, arch, tooth, side, span, first_u) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    back = tooth >= FIRST_BACK_TOOTH
    point, tangent, outward = arch.frame(np.array(side * (span[0] + span[1]) / 2))
    half_width = CONTACT * (span[1] - span[0]) / 2
    widths = half_width * (BACK_WIDTH if back else FRONT_WIDTH)
    depths = row.depths[tooth] * (BACK_DEPTH if back else FRONT_DEPTH)
    turn = np.arange(AROUND) * (2 * np.pi / AROUND)
    cosine, sine = np.cos(turn), np.sin(turn)
    across = widths[:, None] * _power(cosine)
    face = FACE_BULGE[:, None] - depths[:, None] + depths[:, None] * _power(sine)
    height = row.heights[tooth]
    up = (1 - RING_HEIGHTS)[:, None] * height + _cusp(tooth, across / half_width, RING_HEIGHTS)
    rings = np.concatenate([_ring_points(point, tangent, outward, across, face),
                            up[..., None]], -1).reshape(-1, 3)
    middle = point + outward * (FACE_BULGE[-1] - depths[-1])
    fossa = 1.0 if back else -0.15
    poles = np.array([[*middle, fossa], [*middle, 1.2 * height]])
    vertices = np.r_[rings, poles]
    vertices[:, 2] = _edge_height(row, point[0]) + row.towards_gum * vertices[:, 2]
    return vertices, *_crown_faces(len(rings), first_u, len(row.widths))


def _power(value: np.ndarray) -> np.ndarray:
    return np.sign(value) * np.abs(value) ** SQUARENESS


def _ring_points(point, tangent, outward, across, face) -> np.ndarray:
    return point + across[..., None] * tangent + face[..., None] * outward


def _cusp(tooth: int, across: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Return mm by which the edge lies higher off the middle: rounded corners, pointed canine."""
    amount = (0.5, 0.7, 2.2, 1.1, 0.9, 0.4, 0.4)[tooth]
    towards_edge = np.clip((ring - 0.5) / 0.5, 0, 1)[:, None] ** 2
    return amount * across**2 * towards_edge


def _crown_faces(ring_vertices: int, first_u: float, per_side: int):
    """Return quads of rings and both end fans, and their corner uvs."""
    rings = ring_vertices // AROUND
    faces, uvs = [], []
    cell = 1 / (2 * per_side)

    def place(ring: float, step: float) -> tuple[float, float]:
        across = 0.02 + 0.96 * step / AROUND
        return first_u + cell * across, 0.52 + 0.22 * (1 - ring / (rings - 1))

    for ring in range(rings - 1):
        for step in range(AROUND):
            following = (step + 1) % AROUND
            here, below = ring * AROUND, (ring + 1) * AROUND
            faces.append([here + step, here + following, below + following, below + step])
            uvs.append([place(ring, step), place(ring, step + 1),
                        place(ring + 1, step + 1), place(ring + 1, step)])
    for ring, pole in ((rings - 1, ring_vertices), (0, ring_vertices + 1)):
        for step in range(0, AROUND, 2):
            corners = [ring * AROUND + (step + k) % AROUND for k in range(3)]
            order = corners if pole == ring_vertices else corners[::-1]
            faces.append([*order, pole])
            steps = (step, step + 1, step + 2)
            order = steps if pole == ring_vertices else steps[::-1]
            uvs.append([*(place(ring, k) for k in order), place(ring, step + 1)])
    return np.array(faces), np.array(uvs)


def _gum(row: Row, arch: Arch, limits: np.ndarray):
    """Return the gum: a closed section swept along the arch, scalloped around the necks."""
    sections = np.unique(np.concatenate(
        [np.linspace(low, high, GUM_STEPS + 1)
         for low, high in zip(limits[:-1], limits[1:], strict=True)]))
    arc = np.r_[-sections[:0:-1], sections]
    tooth = np.clip(np.searchsorted(limits, np.abs(arc), side="right") - 1, 0, len(limits) - 2)
    middle = (limits[tooth] + limits[tooth + 1]) / 2
    phase = (np.abs(arc) - middle) / (limits[tooth + 1] - limits[tooth]) * 2
    necks = np.interp(np.abs(arc), (limits[:-1] + limits[1:]) / 2, row.heights)
    point, _, outward = arch.frame(arc)
    line = necks - PAPILLA * phase**4
    falling = np.exp(-np.maximum(GUM_UP, 0) / 3.0)  # the scallop fades towards the root
    up = GUM_UP + (line[:, None] - necks[:, None]) * falling + necks[:, None]
    flat = point[:, None] + GUM_OUT[:, None] * outward[:, None]
    height = _edge_height(row, point[:, :1]) + row.towards_gum * up
    vertices = np.concatenate([flat, height[..., None]], -1).reshape(-1, 3)
    return vertices, *_strip_faces(len(arc), len(GUM_OUT))


def _strip_faces(sections: int, profile: int):
    faces, uvs = [], []

    def place(section: int, step: int) -> tuple[float, float]:
        return section / (sections - 1), 0.76 + 0.23 * step / profile

    for section in range(sections - 1):
        for step in range(profile):
            here, there = section * profile, (section + 1) * profile
            following = (step + 1) % profile
            faces.append([here + step, there + step, there + following, here + following])
            uvs.append([place(section, step), place(section + 1, step),
                        place(section + 1, step + 1), place(section, step + 1)])
    return np.array(faces), np.array(uvs)


def _inverted(vertices: np.ndarray, faces: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return which faces belong to a piece whose volume is negative."""
    piece = np.searchsorted(starts, faces[:, 0], side="right") - 1
    inverted = np.zeros(len(faces), bool)
    for number in range(len(starts)):
        own = piece == number
        quads = vertices[faces[own]] - vertices[faces[own]].mean((0, 1))
        first = np.einsum("fi,fi->f", quads[:, 0], np.cross(quads[:, 1], quads[:, 2]))
        second = np.einsum("fi,fi->f", quads[:, 0], np.cross(quads[:, 2], quads[:, 3]))
        inverted[own] = (first + second).sum() < 0
    return inverted
