"""Measures of a finished head's hair, beard and accessories: meshes, and colours on the scalp.

Each takes a `MeasuredHead` and its `Ruler` and returns one number, or several for what is told
apart by more than one; NaN where the head has no hair to measure.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from avatarmmc_blender.meshing.geometry import vertex_normals
from avatarmmc_blender.meshing.hair_surface import HairSurface
from avatarmmc_blender.meshing.regions import scalp_zone

from .measured_head import MeasuredHead, Ruler
from .paint_measures import LUMINANCE, forehead_color, zone

MM = 1e3
SIDEBURN_TOP = 0.002  # m; in front of the ear everyone with side hair has some above
HANGING_AXIS = (0.0, 0.09)  # x and y about which long hair hangs
SHOWING = 0.001  # m above the skin from where hair is seen


def _showing(hair: HairSurface | None) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (M, 3) that stand over the skin and their heights (M,), metres."""
    if hair is None:
        return np.zeros((0, 3)), np.zeros(0)
    seen = hair.height > SHOWING
    return hair.vertices[seen], hair.height[seen]


def _scalp_color(head: MeasuredHead, ruler: Ruler) -> np.ndarray:
    place = ruler.texel_place
    grows = (scalp_zone(place) > 0.9) & (place[:, 2] < 0.085) & (place[:, 1] > 0.09)
    return np.median(head.texel_color[grows], axis=0)


def lightness(head: MeasuredHead, ruler: Ruler) -> float:
    """Logarithm of the luminance of the hair on the back of the head."""
    return float(np.log(_scalp_color(head, ruler) @ LUMINANCE + 0.01))


def redness(head: MeasuredHead, ruler: Ruler) -> float:
    """Red against the mean of green and blue of the hair."""
    red, green, blue = _scalp_color(head, ruler)
    return float((red - 0.5 * (green + blue)) / (red + green + blue))


def greyness(head: MeasuredHead, ruler: Ruler) -> float:
    """How little colour the hair has: least over greatest component."""
    color = _scalp_color(head, ruler)
    return float(color.min() / color.max())


def volume(head: MeasuredHead, ruler: Ruler) -> float:
    """Mean height of the hair over the top of the head, mm."""
    vertices, height = _showing(head.hair)
    top = (vertices[:, 2] > 0.06) if len(vertices) else np.zeros(0, bool)
    return float(height[top].mean() * MM) if top.any() else np.nan


def length(head: MeasuredHead, ruler: Ruler) -> float:
    """How far the hair hangs below the eyes, mm."""
    vertices, _ = _showing(head.hair)
    return float(-np.percentile(vertices[:, 2], 3) * MM) if len(vertices) else np.nan


def hairline(head: MeasuredHead, ruler: Ruler) -> float:
    """Height at which hair begins on forehead and temples, on the average head, mm."""
    vertices, _ = _showing(head.hair)
    front = vertices[(vertices[:, 1] < 0.06) & (vertices[:, 2] > 0.02)]
    if not len(front):
        return np.nan
    # The skin below says where on the average head hair stands, whatever the head's shape.
    _, skin = cKDTree(head.skin).query(front)
    x, y, z = ruler.template.surface_canonical[skin].T
    azimuth = np.abs(np.arctan2(x, 0.07 - y))
    lowest = []
    for low, high in ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75)):
        sector = (azimuth > low) & (azimuth < high)
        if sector.sum() > 10:
            lowest.append(np.percentile(z[sector], 4))
    return float(np.mean(lowest) * MM) if lowest else np.nan


def roughness(head: MeasuredHead, ruler: Ruler) -> float:
    """Bumpiness of the hair: how far normals within 9 mm depart from their mean, 0 to 1."""
    vertices, _ = _showing(head.hair)
    if len(vertices) < 100:
        return np.nan
    normals = vertex_normals(head.hair.vertices, head.hair.faces)[head.hair.height > SHOWING]
    chosen = vertices[:: max(1, len(vertices) // 3000)]
    near = cKDTree(vertices).query_ball_point(chosen, 0.009)
    return float(np.mean([1.0 - np.linalg.norm(normals[n].mean(axis=0)) for n in near]))


def waviness(head: MeasuredHead, ruler: Ruler) -> float:
    """How far the locks of hanging hair run sideways: relief along them over relief across."""
    if head.hair is None:
        return np.nan
    vertices = head.hair.vertices
    normals = vertex_normals(vertices, head.hair.faces)
    outward = vertices[:, :2] - HANGING_AXIS
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    hem = np.percentile(vertices[:, 2], 8)
    hangs = (vertices[:, 2] < -0.05) & (vertices[:, 2] > hem) & (head.hair.height > 0.004)
    hangs &= (normals[:, :2] * outward).sum(axis=1) > 0.4
    if hangs.sum() < 100:
        return np.nan
    vertices, normals, outward = vertices[hangs], normals[hangs], outward[hangs]
    sideways = normals[:, 1] * outward[:, 0] - normals[:, 0] * outward[:, 1]
    slopes = np.stack([normals[:, 2], sideways], axis=1)
    chosen = np.arange(0, len(vertices), max(1, len(vertices) // 3000))
    near = cKDTree(vertices).query_ball_point(vertices[chosen], 0.020)
    relief = np.array([slopes[i] - slopes[n].mean(axis=0) for i, n in zip(chosen, near)])
    along, across = np.sqrt((relief**2).mean(axis=0))
    return float(along / across)


def parting(head: MeasuredHead, ruler: Ruler) -> float:
    """Height of the hair on the right of the top of the head over that on the left, mm."""
    vertices, height = _showing(head.hair)
    if not len(vertices):
        return np.nan
    top = (vertices[:, 2] > 0.07) & (vertices[:, 1] > -0.02) & (vertices[:, 1] < 0.12)
    side = vertices[:, 0]
    beside = (np.abs(side) > 0.015) & (np.abs(side) < 0.055) & top
    right, left = height[beside & (side < 0)], height[beside & (side > 0)]
    return float((right.mean() - left.mean()) * MM) if len(right) and len(left) else np.nan


def sideburns(head: MeasuredHead, ruler: Ruler) -> float:
    """How far the hair's colour reaches down in front of the ear, mm."""
    x, y, z = ruler.texel_place.T
    azimuth = np.abs(np.arctan2(x, 0.07 - y))
    strip = (azimuth > 1.38) & (azimuth < 1.48) & (np.abs(x) > 0.06)
    skin = np.median(head.texel_color[strip & (z > -0.060) & (z < -0.045)], axis=0)
    above = strip & (z > SIDEBURN_TOP) & (z < SIDEBURN_TOP + 0.008)
    change = np.median(head.texel_color[above], axis=0) - skin
    below = strip & (z > -0.045) & (z < SIDEBURN_TOP)
    turned = (head.texel_color[below] - skin) @ change / (change @ change + 1e-9)
    return float(np.clip(turned, 0.0, 1.0).mean() * (SIDEBURN_TOP + 0.045) * MM)


def beard_length(head: MeasuredHead, ruler: Ruler) -> float:
    """Greatest height of the beard over the skin of the chin, mm."""
    if head.beard is None:
        return 0.0
    return float(np.percentile(head.beard.height, 97) * MM)


def style_features(head: MeasuredHead, ruler: Ruler) -> list[float]:
    """Where hair is and how it is shaped, for telling styles apart."""
    vertices, height = _showing(head.hair)
    x, y, z = vertices.T if len(vertices) else np.zeros((3, 1))
    height = height if len(vertices) else np.zeros(1)
    away = np.sqrt(np.maximum(height, 0.0))
    regions = {
        "front": (y < 0.0) & (z > 0.06),
        "crown": (z > 0.09) & (y > 0.0),
        "sides": (np.abs(x) > 0.075) & (z > 0.0),
        "back": (y > 0.12) & (z > 0.0),
        "nape": (y > 0.09) & (z < -0.03),
        "cheeks": (np.abs(x) > 0.06) & (z < -0.06) & (y < 0.09),
    }
    features = [float(away[inside].mean()) if inside.sum() > 20 else 0.0
                for inside in regions.values()]  # fmt: skip
    features += [float(-z.min()) * 0.5, float(y.max()) * 0.5, float(np.percentile(z, 99)) * 0.5]
    hangs = z < -0.07
    features.append(float(np.percentile(np.abs(x[hangs]), 95)) if hangs.sum() > 20 else 0.0)
    rough = roughness(head, ruler)
    features.append(0.0 if np.isnan(rough) else rough)
    front = hairline(head, ruler)
    features.append(0.1 if np.isnan(front) else 1e-3 * front)
    lean = parting(head, ruler)
    features.append(0.0 if np.isnan(lean) else 0.01 * abs(lean))
    wavy = waviness(head, ruler)
    features.append(0.0 if np.isnan(wavy) else wavy)
    return features + _scalp_darkness(head, ruler)


def _scalp_darkness(head: MeasuredHead, ruler: Ruler) -> list[float]:
    """Colour change from the skin on forehead's border, top and back of the head."""
    place, skin = ruler.texel_place, forehead_color(head, ruler)
    x, y, z = place.T
    away = np.linalg.norm(head.texel_color - skin, axis=1)
    scalp = scalp_zone(place) > 0.9
    spots = ((y < 0.02) & (z > 0.06), (z > 0.10), (y > 0.13) & (z > 0.0))
    return [0.2 * float(away[scalp & spot].mean()) for spot in spots]


def beard_features(head: MeasuredHead, ruler: Ruler) -> list[float]:
    """Darkness of upper lip, chin and jaw, each of the darkest; how dark; whether a mesh."""
    skin = forehead_color(head, ruler) @ LUMINANCE
    places = ((0.018, -0.064, 0.0035, 2.5), (0.0, -0.116, 0.008, 1.5), (0.058, -0.088, 0.010, 1.0))
    dark = [
        1.0 - np.median(head.texel_color[zone(ruler, *place)] @ LUMINANCE) / skin
        for place in places
    ]
    darkest = max(dark)
    shares = [float(value / max(darkest, 0.1)) for value in dark]
    return [*shares, float(darkest), float(head.beard is not None)]


def glasses_features(head: MeasuredHead, ruler: Ruler) -> list[float]:
    """Whether there are glasses, and how far their rims' corners reach out."""
    if head.glasses is None:
        return [0.0, 0.0]
    x, _, z = head.glasses.vertices[: 48 * 8].T
    x, z = (x - 0.5 * (x.min() + x.max())), (z - 0.5 * (z.min() + z.max()))
    reach = np.hypot(x / np.ptp(x), z / np.ptp(z)).max()
    return [1.0, 5.0 * float(reach - 0.5)]


def has_earrings(head: MeasuredHead, ruler: Ruler) -> float:
    """1 where the head wears earrings."""
    return float(head.earrings is not None)
