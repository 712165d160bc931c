"""Eyeballs: spheres with a cornea, turned by the eyeLook keys, and their material."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .geometry import fit_rotation, fit_sphere, normalize, smoothstep
from .iris_texture import ANGLE_AT_RIM, RADIUS_POWER, paint_eye
from .rigged_head import Material, Part
from .template import PART_LEFT_EYE, PART_RIGHT_EYE, Template

SEGMENTS = 40
RADIUS_SHARE = 0.985  # of the template's eyeball, so that closed lids cover it
CORNEA_HEIGHT = 0.0009  # m above the sphere at the pupil
# Degrees from the gaze axis, close together where pupil and iris end.
RINGS = (
    2.5, 5, 7.5, 10, 12.5, 15, 17.5, 20, 22.5, 25, 29, 34, 40, 47, 55, 64, 74, 85, 98, 114, 134, 157
)  # fmt: skip


@dataclass(frozen=True)
class Eyeball:
    """Centre (3,), radius (m) and unit gaze direction (3,) of one eye at rest."""

    centre: np.ndarray
    radius: float
    gaze: np.ndarray


def eyeball(template: Template, cage: np.ndarray, part: int) -> Eyeball:
    """Measure the eyeball `part` (PART_LEFT_EYE or PART_RIGHT_EYE) of a cage (V, 3)."""
    centre, radius = fit_sphere(cage[template.part == part])
    side = "left" if part == PART_LEFT_EYE else "right"
    gaze = normalize(cage[template.rims[f"{side}_pupil"]].mean(axis=0) - centre)
    return Eyeball(centre, radius, gaze)


def build_eyes(
    template: Template,
    cage: np.ndarray,
    expressions: np.ndarray,
    iris_color: np.ndarray,
    iris_angle: float,
    texture_size: int = 512,
) -> Part:
    """Return both eyeballs as one part with eyeLook keys.

    cage (V, 3) and its expression offsets (E, V, 3) in metres; iris_color (3,) sRGB; iris_angle
    is the angular radius of the iris in radians.
    """
    meshes = [
        _eye_mesh(template, cage, expressions, part, iris_angle)
        for part in (PART_LEFT_EYE, PART_RIGHT_EYE)
    ]
    count = len(meshes[0].vertices)
    faces = np.concatenate([meshes[0].faces, meshes[1].faces + count])
    weights = np.zeros((2 * count, 5), np.float32)
    weights[:count, 3] = 1.0
    weights[count:, 4] = 1.0
    names = [name for name in template.expression_names if name in meshes[0].keys]
    return Part(
        name="Eyes",
        vertices=np.concatenate([mesh.vertices for mesh in meshes]).astype(np.float32),
        faces=faces.astype(np.int32),
        uvs=np.concatenate([mesh.uvs[mesh.faces] for mesh in meshes]).astype(np.float32),
        material_index=np.zeros(len(faces), np.int32),
        materials=(_eye_material(iris_color, iris_angle, texture_size),),
        weights=weights,
        shape_keys={
            name: np.concatenate([mesh.keys[name] for mesh in meshes]).astype(np.float32)
            for name in names
        },
    )


def _eye_material(iris_color, iris_angle, texture_size) -> Material:
    return Material(
        name="Eye",
        color=tuple(float(channel) for channel in iris_color),
        image=paint_eye(np.asarray(iris_color), iris_angle, texture_size),
        roughness=0.35,
        specular=0.15,
        coat=1.0,
    )


@dataclass(frozen=True)
class _EyeMesh:
    vertices: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray
    keys: dict[str, np.ndarray]


def _eye_mesh(template, cage, expressions, part, iris_angle) -> _EyeMesh:
    ball = eyeball(template, cage, part)
    nasal_sign = 1.0 if part == PART_LEFT_EYE else -1.0
    directions, uvs = _directions(ball.gaze, nasal_sign)
    faces = _sphere_faces(len(RINGS))
    if nasal_sign < 0:
        faces = faces[:, ::-1]
    cosine = directions @ ball.gaze
    bulge = CORNEA_HEIGHT * smoothstep(cosine, np.cos(1.25 * iris_angle), 1.0)
    offsets = directions * (ball.radius * RADIUS_SHARE + bulge)[:, None]
    keys = {}
    members = template.part == part
    rest = cage[members] - ball.centre
    for index, name in enumerate(template.expression_names):
        if not name.startswith("eyeLook"):
            continue
        moved = expressions[index][members]
        still = np.abs(moved).max() < 1e-4
        rotation = np.eye(3) if still else fit_rotation(rest, rest + moved)
        keys[name] = offsets @ rotation.T - offsets
    return _EyeMesh(ball.centre + offsets, faces, uvs, keys)


def _directions(gaze: np.ndarray, nasal_sign: float) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (N, 3) of the sphere grid around `gaze`, and their texture coordinates.

    The texture's right side is the temple side of either eye.
    """
    outward = normalize(np.cross(gaze, [0.0, 0.0, 1.0])) * -nasal_sign
    upward = normalize(np.array([0.0, 0.0, 1.0]) - gaze * gaze[2])
    turn = np.arange(SEGMENTS) * (2.0 * np.pi / SEGMENTS)
    circle = np.cos(turn)[:, None] * outward + np.sin(turn)[:, None] * upward
    vectors, uvs = [gaze[None]], [np.array([[0.5, 0.5]])]
    for degrees in RINGS:
        angle = np.radians(degrees)
        vectors.append(gaze * np.cos(angle) + circle * np.sin(angle))
        radius = 0.495 * min(degrees / ANGLE_AT_RIM, 1.0) ** RADIUS_POWER
        uvs.append(0.5 + radius * np.column_stack([np.cos(turn), np.sin(turn)]))
    vectors.append(-gaze[None])
    uvs.append(np.array([[0.995, 0.5]]))
    return np.concatenate(vectors), np.concatenate(uvs)


def _sphere_faces(rings: int) -> np.ndarray:
    """Triangles (F, 3) of a pole - rings - pole sphere grid."""
    around = np.arange(SEGMENTS)
    after = (around + 1) % SEGMENTS
    zero = np.zeros_like(around)
    faces = [np.column_stack([zero, 1 + around, 1 + after])]
    for ring in range(rings - 1):
        near, far = 1 + ring * SEGMENTS, 1 + (ring + 1) * SEGMENTS
        faces.append(np.column_stack([near + around, far + around, far + after]))
        faces.append(np.column_stack([near + around, far + after, near + after]))
    last = 1 + (rings - 1) * SEGMENTS
    pole = zero + 1 + rings * SEGMENTS
    faces.append(np.column_stack([last + around, pole, last + after]))
    return np.concatenate(faces)
