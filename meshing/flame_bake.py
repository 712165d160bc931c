"""Albedo of a fitted FLAME head: what a short ray against the normal of every texel sees."""

from __future__ import annotations

import numpy as np

from .flame_template import FlameTemplate
from .geometry import normalize, vertex_normals
from .pixels import to_bytes
from .texel_map import dilate, texel_map

CHUNK = 1 << 16  # texels per field query
LEAST_SEEN = 0.05  # of all texels that must see the head
EYE_FACING = 0.35  # cosine to the front below which an eyeball is hidden in its socket
SCLERA_RANK = 0.75  # of the visible eye's brightness that the hidden part is painted with


def bake_flame(
    field, vertices: np.ndarray, template: FlameTemplate, resolution: int, callback=None
) -> np.ndarray:
    """Return the colours (R, R, 3) uint8 sRGB, row 0 = top, of a fitted head's vertices (V, 3).

    field offers `seen_color(points, normals)`.  Texels that see nothing and those between the
    islands take the nearest colour.  Raises ValueError if hardly a texel sees anything.
    """
    report = callback or (lambda stage, fraction: None)
    report("bake", 0.0)
    texels = texel_map(template, template.uvs, resolution)
    normals = vertex_normals(vertices, template.faces)
    colors = np.empty((len(texels.texel), 3), np.float32)
    seen = np.empty(len(colors), bool)
    facing = np.empty(len(colors), np.float32)
    for start in range(0, len(colors), CHUNK):
        part = slice(start, start + CHUNK)
        corners, bary = template.faces[texels.triangle[part]], texels.bary[part, :, None]
        points = (vertices[corners] * bary).sum(axis=1)
        normal = normalize((normals[corners] * bary).sum(axis=1))
        colors[part], seen[part] = field.seen_color(points, normal)
        facing[part] = -normal[:, 1]
        report("bake", 0.95 * min(start + CHUNK, len(colors)) / len(colors))
    if seen.mean() < LEAST_SEEN:
        raise ValueError("the field is empty where the head's skin is")
    eyes = (template.eye[template.faces] > 0).all(axis=1)[texels.triangle]
    seen |= _paint_hidden_eyes(colors, eyes, eyes & seen & (facing > EYE_FACING))
    covered = np.zeros(resolution**2, bool)
    covered[texels.texel[seen]] = True
    image = dilate(texels.image(colors), covered.reshape(resolution, resolution))
    report("bake", 1.0)
    return to_bytes(image)


def _paint_hidden_eyes(colors: np.ndarray, eyes: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Give the hidden texels of the eyeballs (N,) a colour of the white; return which they are."""
    hidden = eyes & ~visible
    if not visible.any():
        return np.zeros_like(hidden)
    brightness = colors[visible].mean(axis=1)
    order = np.argsort(brightness, kind="stable")
    colors[hidden] = colors[visible][order[int(SCLERA_RANK * (len(order) - 1))]]
    return hidden
