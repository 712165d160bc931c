"""Rims of mouth and eyes, 68 landmarks and soft region masks on the average head."""

from __future__ import annotations

import numpy as np

from .stylise import smoothstep
from .subdivision import boundary_loops

LONGEST_RIM = 60  # vertices; the other borders are the seam and the neck
LID_MARGIN_RING = 3  # rings of vertices from the inner border to the front edge of the lid


def face_rims(vertices: np.ndarray, outer_quads: np.ndarray) -> dict[str, np.ndarray]:
    """Return upper and lower halves of mouth and lid lines, corner to corner, x rising.

    outer_quads: quads of the outer skin; its inner borders lie behind the visible edges. The
    mouth line is that border, the lid lines are the front edges of the lid margins.
    """
    rims = {}
    for loop in boundary_loops(outer_quads):
        centre = vertices[loop].mean(0)
        if len(loop) > LONGEST_RIM or centre[1] > 0 or centre[2] < -0.1:
            continue
        name = "mouth" if centre[2] < -0.05 else "left_eye" if centre[0] > 0 else "right_eye"
        if name != "mouth":
            rims[f"{name}_inner"] = loop
            loop = _ring(outer_quads, loop, LID_MARGIN_RING)
        rims[f"{name}_upper"], rims[f"{name}_lower"] = _halves(vertices, loop)
    return rims


def inside_rings(outer_quads: np.ndarray, loop: np.ndarray, rings: int) -> np.ndarray:
    """Return the ids of a border loop and of the next rings of vertices around it."""
    inside = loop
    for _ in range(rings):
        touching = np.isin(outer_quads, inside)
        neighbours = [
            outer_quads[touching[:, corner]][:, [(corner + 1) % 4, corner - 1]].ravel()
            for corner in range(4)
        ]
        inside = np.unique(np.concatenate([inside, *neighbours]))
    return inside


def _ring(outer_quads: np.ndarray, loop: np.ndarray, number: int) -> np.ndarray:
    """Return the n-th closed ring of vertices around a border loop, in order."""
    covered = inside_rings(outer_quads, loop, number - 1)
    uncovered = outer_quads[~np.isin(outer_quads, covered).any(1)]
    ring = np.setdiff1d(inside_rings(outer_quads, loop, number), covered)
    for border in boundary_loops(uncovered):
        if np.array_equal(np.sort(border), ring):
            return border
    raise ValueError(f"rims: ring {number} around a border of {len(loop)} vertices is not a loop")


def _halves(vertices: np.ndarray, loop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the upper and the lower half of a loop, each with rising x."""
    across = vertices[loop, 0]
    first, second = sorted((int(across.argmin()), int(across.argmax())))
    one = loop[first : second + 1]
    other = np.r_[loop[second:], loop[: first + 1]]
    rising = [
        half if vertices[half[0], 0] < vertices[half[-1], 0] else half[::-1]
        for half in (one, other)
    ]
    upper, lower = sorted(rising, key=lambda half: -vertices[half, 2].mean())
    return upper, lower


def landmarks(vertices: np.ndarray, skin: np.ndarray, rims: dict) -> np.ndarray:
    """Return 68 skin vertex ids in iBUG order (right jaw first, as an observer reads them).

    vertices (V,3) of the canonical average head; skin (V,) tells which ids are allowed.
    """
    allowed = np.flatnonzero(skin & (vertices[:, 1] < 0.11) & (_ear(vertices) < 0.2))
    points = np.concatenate(
        [
            _jaw_points(vertices, allowed),
            _brow_points(),
            _nose_points(),
            _eye_points(vertices, rims),
            _mouth_points(vertices, rims),
        ]
    )
    distance = np.linalg.norm(points[:, None] - vertices[allowed][None], axis=2)
    return allowed[distance.argmin(1)]


def _jaw_points(vertices: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Return the outline: the farthest skin point in 17 directions of the slanted jaw plane."""
    heights = np.array([-0.01, -0.03, -0.05, -0.07, -0.09, -0.106, -0.120, -0.131, -0.136])
    depths = np.array([0.050, 0.051, 0.055, 0.055, 0.046, 0.032, 0.014, -0.004, -0.012])
    points = []
    for height, depth in zip(heights, depths, strict=True):
        level = np.abs(vertices[skin, 2] - height) < 0.010
        near = skin[level & (np.abs(vertices[skin, 1] - depth) < 0.012)]
        points.append([np.abs(vertices[near, 0]).max(), depth, height])
    left = np.array(points)
    left[-1, 0] = 0
    right = left * [-1, 1, 1]
    return np.concatenate([right[:-1], left[::-1]])


def _brow_points() -> np.ndarray:
    across = np.array([0.058, 0.048, 0.036, 0.025, 0.014])
    height = np.array([0.018, 0.025, 0.0275, 0.025, 0.020])
    depth = np.array([0.0, -0.014, -0.024, -0.030, -0.034])
    right = np.c_[-across, depth, height]
    return np.concatenate([right, right[::-1] * [-1, 1, 1]])


def _nose_points() -> np.ndarray:
    bridge = [[0, -0.034, -0.003], [0, -0.040, -0.016], [0, -0.047, -0.029], [0, -0.053, -0.043]]
    base = [[-0.017, -0.028, -0.053], [-0.009, -0.036, -0.057], [0, -0.042, -0.0585],
            [0.009, -0.036, -0.057], [0.017, -0.028, -0.053]]
    return np.array(bridge + base)


def _along(vertices: np.ndarray, rim: np.ndarray, shares: tuple[float, ...]) -> np.ndarray:
    """Return points at shares of the width of a rim, x rising."""
    line = vertices[rim]
    x = line[0, 0] + np.array(shares) * (line[-1, 0] - line[0, 0])
    order = np.argsort(line[:, 0])
    return np.stack([np.interp(x, line[order, 0], line[order, axis]) for axis in range(3)], 1)


def _eye_points(vertices: np.ndarray, rims: dict) -> np.ndarray:
    points = []
    for side in ("right", "left"):
        upper = _along(vertices, rims[f"{side}_eye_upper"], (0, 0.33, 0.67, 1))
        lower = _along(vertices, rims[f"{side}_eye_lower"], (0.67, 0.33))
        points += [upper, lower]
    return np.concatenate(points)


def _mouth_points(vertices: np.ndarray, rims: dict) -> np.ndarray:
    """Return outer then inner lip points; the outer line is the vermilion border."""
    across = np.array([-0.0295, -0.019, -0.008, 0.0, 0.008, 0.019, 0.0295])
    upper_z = np.array([-0.0815, -0.0735, -0.0697, -0.0714, -0.0697, -0.0735, -0.0815])
    lower_z = np.array([-0.0815, -0.0925, -0.0978, -0.0988, -0.0978, -0.0925, -0.0815])
    depth = np.array([-0.010, -0.026, -0.035, -0.037, -0.035, -0.026, -0.010])
    upper = np.c_[across, depth, upper_z]
    lower = np.c_[across, depth, lower_z][-2:0:-1]
    inner_upper = _along(vertices, rims["mouth_upper"], (0, 0.3, 0.5, 0.7, 1))
    inner_lower = _along(vertices, rims["mouth_lower"], (0.7, 0.5, 0.3))
    return np.concatenate([upper, lower, inner_upper, inner_lower])


def region_masks(canonical: np.ndarray, part: np.ndarray) -> dict[str, np.ndarray]:
    """Return soft masks (V,) of regions, functions of canonical position on the skin."""
    x, y, z = canonical.T
    side = np.abs(x)
    skin = part == 0
    front = smoothstep(-y, -0.03, -0.01)
    masks = {
        "lips": _bump((side / 0.033) ** 2 + ((z + 0.084) / 0.0165) ** 2) * (y < -0.006),
        "brows": _bump(((side - 0.035) / 0.032) ** 2 + ((z - 0.0235) / 0.0105) ** 2) * front,
        "eyes": _bump(((side - 0.0365) / 0.026) ** 2 + (z / 0.0175) ** 2) * front,
        "ears": _ear(canonical),
        "scalp": _scalp(canonical),
        "neck": smoothstep(_jaw_line(y) - z, -0.004, 0.004),
        "nose": _bump((x / (0.013 + 0.013 * smoothstep(-z, 0.0, 0.05))) ** 2
                      + ((z + 0.028) / 0.036) ** 2) * (y < -0.015),
        "face": smoothstep(-y, -0.085, -0.045) * smoothstep(z - _jaw_line(y), -0.004, 0.004)
        * smoothstep(-z, -0.085, -0.065),
    }
    masks = {name: np.where(skin, mask, 0.0) for name, mask in masks.items()}
    masks["skin"] = skin.astype(float)
    masks["tongue"] = (part == 1).astype(float)
    masks["eyeballs"] = ((part == 2) | (part == 3)).astype(float)
    masks["teeth"] = ((part == 4) | (part == 5)).astype(float)
    return masks


def _bump(radius_squared: np.ndarray) -> np.ndarray:
    return 1 - smoothstep(np.sqrt(radius_squared), 0.8, 1.1)


def _jaw_line(y: np.ndarray) -> np.ndarray:
    """Return the height of the border between jaw and neck at depth y."""
    depths = [-0.03, 0.0, 0.035, 0.07, 0.10, 0.13]
    return np.interp(y, depths, [-0.146, -0.139, -0.131, -0.112, -0.070, -0.045])


def _ear(canonical: np.ndarray) -> np.ndarray:
    x, y, z = canonical.T
    sideways = smoothstep(np.abs(x), 0.080, 0.085)
    return sideways * _bump(((y - 0.09) / 0.038) ** 2 + ((z + 0.022) / 0.048) ** 2)


def _scalp(canonical: np.ndarray) -> np.ndarray:
    """Return 1 above the average hairline, a table over azimuth (0 front, pi back)."""
    x, y, z = canonical.T
    azimuth = np.abs(np.arctan2(x, 0.07 - y))
    azimuths = [0, 0.3, 0.55, 0.85, 1.1, 1.32, 1.44, 1.54, 1.66, 1.8, 2.0, 2.15, 2.35, 3.15]
    heights = [0.0800, 0.0800, 0.0785, 0.064, 0.038, 0.006, -0.014, -0.014, 0.010, 0.014,
               0.010, -0.028, -0.056, -0.078]
    above = smoothstep(z - np.interp(azimuth, azimuths, heights), -0.004, 0.008)
    return above * (1 - _ear(canonical))
