"""Albedo: the field's colour at the texels of the fitted template, cleaned of hair and eyes.

Texels lie on the fitted guide surface and are not projected onto the iso-surface: at the lid
margins the normals run onto the eyeballs. Hair colour outside the scalp is replaced by skin
inpainted from its surroundings (Laplace), what the hair shell will hide is painted in a calm
dark hair colour, and the inside of mouth and eye sockets gets flat colours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

from . import labels
from .geometry import adjacency, neighbour_average, smoothstep, unique_edges
from .pixels import to_bytes
from .regions import lid_zone, scalp_zone
from .template import Template
from .texel_map import TexelMap, texel_map

CHUNK = 1 << 17  # texels per field query
MOUTH_COLOR = np.array([0.42, 0.16, 0.15])
TONGUE_COLOR = np.array([0.68, 0.34, 0.33])
SOCKET_TINT = np.array([0.80, 0.56, 0.53])
LID_TINT = np.array([0.86, 0.70, 0.68])
SHELL_THICKNESS = (0.0012, 0.0030)  # m of hair over the skin: none hidden .. all hidden
MARGIN_RINGS = 3  # of guide vertices (2.5 mm) around hanging hair that are hair-coloured too
SHELL_SHADE = 0.72  # of the hair colour, on the scalp below the hair


@dataclass(frozen=True)
class Albedo:
    """Baked colour image (R, R, 3) uint8 sRGB, row 0 = top, and the median colours found."""

    image: np.ndarray
    skin_color: np.ndarray
    hair_color: np.ndarray | None


@dataclass(frozen=True)
class _Texels:
    color: np.ndarray  # (N, 3)
    hair: np.ndarray  # (N,) probability
    eyes: np.ndarray  # (N,) probability
    brow: np.ndarray  # (N,) probability
    shell: np.ndarray  # (N,) 0..1 under a shell of scalp hair


def bake_albedo(
    field, surface: np.ndarray, template: Template, resolution: int = 1024, callback=None
) -> Albedo:
    """Bake the colours of `field` over the fitted guide surface (W, 3) to the template's UVs.

    Raises ValueError if `resolution` is not positive or no skin is visible.
    """
    report = callback or (lambda stage, fraction: None)
    report("bake", 0.0)
    texels = texel_map(template, template.surface_uvs, resolution)
    region = template.surface_region[texels.triangle]
    skin = _visible_skin(field, surface, template)
    is_skin = region == template.REGION_SKIN
    buried = is_skin & skin.buried[texels.triangle]
    baked = np.flatnonzero(is_skin & ~buried)
    report("bake", 0.05)
    colors = _query(field, surface, template, texels, baked, report)
    report("bake", 0.9)
    canonical = texels.interpolate(template.surface_canonical, template.surface_faces)
    underneath = texels.interpolate(skin.color, template.surface_faces)
    hanging = texels.interpolate(skin.hanging, template.surface_faces)
    result = np.empty((len(texels.texel), 3))
    result[baked] = _clean(
        colors, canonical[baked], underneath[baked], hanging[baked], skin.hair_color
    )
    if buried.any():
        result[buried] = skin.hair_color * SHELL_SHADE
    result[region == template.REGION_MOUTH] = MOUTH_COLOR
    result[region == template.REGION_TONGUE] = TONGUE_COLOR
    result[region == template.REGION_SOCKET] = skin.median * SOCKET_TINT
    image = texels.filled_image(result)
    report("bake", 1.0)
    return Albedo(to_bytes(image), skin.median, skin.hair_color)


def _query(field, surface, template, texels: TexelMap, baked, report) -> _Texels:
    triangle, bary = texels.triangle[baked], texels.bary[baked]
    on_guide = getattr(field, "sample_guide", None)
    parts = []
    for start in range(0, len(baked), CHUNK):
        chunk = slice(start, start + CHUNK)
        if on_guide is not None:
            sample = on_guide(triangle[chunk], bary[chunk])
        else:
            corners = surface[template.surface_faces[triangle[chunk]]]
            sample = field.sample((corners * bary[chunk, :, None]).sum(axis=1))
        parts.append(
            _Texels(
                color=np.clip(sample.color, 0.0, 1.0),
                hair=sample.labels[:, labels.HAIR],
                eyes=sample.labels[:, labels.EYES].sum(axis=1),
                brow=sample.labels[:, labels.BROWS].sum(axis=1),
                shell=_shell(sample, sample.canonical),
            )
        )
        report("bake", 0.05 + 0.8 * min(start + CHUNK, len(baked)) / len(baked))
    return _Texels(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in _TEXEL_FIELDS)
    )


_TEXEL_FIELDS = ("color", "hair", "eyes", "brow", "shell")


@dataclass(frozen=True)
class _Skin:
    color: np.ndarray  # (W, 3) skin colour, inpainted where something hides it
    hanging: np.ndarray  # (W,) 0..1, hair over skin where none grows, with a margin
    median: np.ndarray  # (3,)
    hair_color: np.ndarray | None  # (3,) median, None for a head without hair
    buried: np.ndarray  # (T,) guide triangles wholly below a thick shell of hair


def _visible_skin(field, surface: np.ndarray, template: Template) -> _Skin:
    """Find the skin colour of every guide vertex."""
    sample = field.sample(surface)
    bare = sample.labels[:, labels.BARE_SKIN].sum(axis=1)
    hair = sample.labels[:, labels.HAIR]
    eyes = sample.labels[:, labels.EYES].sum(axis=1)
    off_scalp = hair * (1.0 - scalp_zone(template.surface_canonical))
    hanging = _widen(off_scalp, template.surface_faces)
    known = template.surface_skin & (bare > 0.85) & (eyes < 0.03) & (template.surface_ao > 0.12)
    known &= _widen(hair, template.surface_faces) < 0.1
    if known.sum() < 100:
        raise ValueError(f"expected visible skin to bake, got {known.sum()} skin vertices")
    color = np.clip(sample.color, 0.0, 1.0)
    filled = color.copy()
    filled[~known] = harmonic_fill(template.surface_faces, color, known)[~known]
    hairy = hair > 0.7
    under_shell = _shell(sample, template.surface_canonical) > 0.99
    return _Skin(
        color=filled,
        hanging=hanging,
        median=np.median(color[known], axis=0),
        hair_color=np.median(color[hairy], axis=0) if hairy.sum() > 50 else None,
        buried=under_shell[template.surface_faces].all(axis=1) & (hairy.sum() > 50),
    )


def _shell(sample, canonical: np.ndarray) -> np.ndarray:
    """Return 0..1 (N,) where points of the skin lie under a shell of scalp hair."""
    thick = smoothstep(-np.asarray(sample.sdf), *SHELL_THICKNESS)
    hairy = smoothstep(sample.labels[:, labels.HAIR], 0.4, 0.8)
    return scalp_zone(canonical) * thick * hairy


def _widen(values: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return vertex values (W,) grown by `MARGIN_RINGS` rings of neighbours, then softened."""
    edges = unique_edges(faces)
    grown = np.array(values, np.float64)
    for _ in range(MARGIN_RINGS):
        spread = grown.copy()
        np.maximum.at(spread, edges[:, 0], grown[edges[:, 1]])
        np.maximum.at(spread, edges[:, 1], grown[edges[:, 0]])
        grown = spread
    average = neighbour_average(edges, len(values))
    return 0.5 * grown + 0.5 * (average @ grown)


def harmonic_fill(faces: np.ndarray, values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return `values` (W, C) with unknown vertices solving Laplace's equation on the mesh."""
    links = adjacency(unique_edges(faces), len(values))
    laplacian = (sparse.diags(np.asarray(links.sum(axis=1)).ravel()) - links).tocsr()
    free, fixed = np.flatnonzero(~known), np.flatnonzero(known)
    result = np.array(values, np.float64)
    if len(free):
        system = laplacian[free][:, free] + 1e-9 * sparse.eye(len(free))
        pull = -(laplacian[free][:, fixed] @ values[fixed])
        result[free] = spsolve(system.tocsc(), pull).reshape(pull.shape)
    return result


def _clean(texels: _Texels, canonical, underneath, hanging, hair_color) -> np.ndarray:
    """Remove colours that belong to hair volumes and eyeballs from the skin (N, 3)."""
    scalp = scalp_zone(canonical)
    color = texels.color
    if hair_color is not None:
        color = _mix(color, hair_color * SHELL_SHADE, texels.shell)
    covered = np.maximum(smoothstep(texels.hair, 0.05, 0.30), smoothstep(hanging, 0.0, 0.6))
    covered *= (1.0 - scalp) * (1.0 - texels.brow)
    color = _mix(color, underneath, covered)
    on_lid = np.clip((texels.eyes - 0.25) / 0.3, 0.0, 1.0) * lid_zone(canonical)
    return _mix(color, underneath * LID_TINT, on_lid)


def _mix(base: np.ndarray, other: np.ndarray, amount: np.ndarray) -> np.ndarray:
    return base + (other - base) * amount[:, None]
