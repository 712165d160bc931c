"""Hair and beard parts: closed meshes with strands painted on, tied to the skin below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from . import labels
from .decimate import decimate
from .geometry import vertex_normals
from .hair_flow import hair_flow
from .hair_surface import HairSurface, SurfaceSamples, extract_hair, sample_surface
from .hair_texture import BEARD_LOOK, CURLY_LOOK, SCALP_LOOK, HairMesh, bake_hair
from .hair_uv import facing, outermost_last, polar_uvs
from .rigged_head import JOINT_NAMES, Material, Part

HEAD_JOINT = JOINT_NAMES.index("neck")
HAIR_CENTRE, HAIR_AXIS = np.array([0.0, 0.095, -0.030]), np.array([0.0, 0.25, 1.0])
BEARD_CENTRE, BEARD_AXIS = np.array([0.0, 0.075, -0.060]), np.array([0.0, -1.0, -0.45])
BURIED_HEIGHT = -0.0015  # m; vertices this far under the skin never show
BURIED_IMPORTANCE = 0.03
SKIN_NEIGHBOURS = 8
FOLLOW_DISTANCE = 0.014  # m over which hair stops following the skin's expression
SMALLEST_KEY = 0.0004  # m; expressions that move the beard less are left out


@dataclass(frozen=True)
class HairSettings:
    """Sizes of the hair meshes and of their images."""

    hair_faces: int = 14_000
    beard_faces: int = 5_000
    hair_texture: int = 1024
    beard_texture: int = 512


@dataclass(frozen=True)
class SkinBinding:
    """Fitted skin that hair follows: positions (S, 3), weights (S, 5), key offsets (S, 3)."""

    vertices: np.ndarray
    weights: np.ndarray
    shape_keys: dict[str, np.ndarray]


def make_hair(
    field,
    surface,
    head_distance: Callable[[np.ndarray], np.ndarray],
    skin: SkinBinding,
    settings: HairSettings | None = None,
    callback: Callable[[str, float], None] | None = None,
) -> list[Part]:
    """Return the "Hair" and "Beard" parts of `field`, those that are more than paint.

    `surface` is the field's extracted mesh (`vertices` (V, 3) metres, `faces` (F, 3));
    `head_distance` maps points (N, 3) to signed distances (N,) from the fitted bare head, metres,
    negative inside.
    """
    settings = settings or HairSettings()
    report = callback or (lambda stage, fraction: None)
    report("hair", 0.0)
    vertices = np.asarray(surface.vertices, np.float64)
    normals = vertex_normals(vertices, surface.faces)
    samples = sample_surface(field, vertices, normals)
    report("hair", 0.15)
    parts = []
    hair = extract_hair(vertices, normals, samples, labels.HAIR, head_distance)
    report("hair", 0.4)
    if hair is not None:
        mesh, material = _finish(field, hair, samples, labels.HAIR, settings)
        parts.append(_part("Hair", mesh, material, _rigid_weights(mesh), {}))
    report("hair", 0.7)
    beard = extract_hair(vertices, normals, samples, labels.BEARD, head_distance)
    if beard is not None:
        mesh, material = _finish(field, beard, samples, labels.BEARD, settings)
        weights, keys = follow_skin(mesh.vertices, skin)
        parts.append(_part("Beard", mesh, material, weights, keys))
    report("hair", 1.0)
    return parts


def _finish(
    field, hair: HairSurface, samples: SurfaceSamples, label: int, settings: HairSettings
) -> tuple[HairMesh, Material]:
    """Decimate, unwrap and paint a hair surface."""
    scalp = label == labels.HAIR
    importance = np.where(hair.height < BURIED_HEIGHT, BURIED_IMPORTANCE, 1.0)
    target = settings.hair_faces if scalp else settings.beard_faces
    vertices, faces = decimate(hair.vertices, hair.faces, target, importance)
    centre, axis = (HAIR_CENTRE, HAIR_AXIS) if scalp else (BEARD_CENTRE, BEARD_AXIS)
    faces = faces[outermost_last(vertices, faces, centre)]
    _, near = cKDTree(hair.vertices).query(vertices)
    mesh = HairMesh(
        vertices,
        faces,
        polar_uvs(vertices, faces, centre, axis),
        facing(vertices, vertex_normals(vertices, faces), centre),
        hair.height[near],
        hair_flow(vertices, faces, samples, label),
    )
    curly = np.median(mesh.flow.curl) > 0.5
    look = (CURLY_LOOK if curly else SCALP_LOOK) if scalp else BEARD_LOOK
    resolution = settings.hair_texture if scalp else settings.beard_texture
    image, normal_image = bake_hair(field, mesh, label, look, resolution)
    color = tuple(float(channel) for channel in np.median(image.reshape(-1, 3), axis=0) / 255.0)
    name = "Hair" if scalp else "Beard"
    material = Material(
        name, color, image, roughness=0.52, specular=0.35, normal_image=normal_image
    )
    return mesh, material


def follow_skin(points: np.ndarray, skin: SkinBinding) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return weights (N, 5) and shape keys of `points` (N, 3) that follow the skin near them.

    Expressions fade with the distance to the skin; weights do not, so that no hair stays behind.
    """
    count = min(SKIN_NEIGHBOURS, len(skin.vertices))
    distance, near = cKDTree(skin.vertices).query(points, count)
    share = 1.0 / (distance + 1e-4) ** 2
    share /= share.sum(axis=1, keepdims=True)
    weights = np.einsum("nk,nkj->nj", share, skin.weights[near])
    weights /= weights.sum(axis=1, keepdims=True)
    fade = np.exp(-((distance.min(axis=1) / FOLLOW_DISTANCE) ** 2))
    keys = {}
    for name, offsets in skin.shape_keys.items():
        moved = np.einsum("nk,nkc->nc", share, offsets[near]) * fade[:, None]
        if np.linalg.norm(moved, axis=1).max() >= SMALLEST_KEY:
            keys[name] = moved.astype(np.float32)
    return weights, keys


def _rigid_weights(mesh: HairMesh) -> np.ndarray:
    weights = np.zeros((len(mesh.vertices), len(JOINT_NAMES)))
    weights[:, HEAD_JOINT] = 1.0
    return weights


def _part(name, mesh: HairMesh, material: Material, weights, keys) -> Part:
    return Part(
        name=name,
        vertices=mesh.vertices.astype(np.float32),
        faces=mesh.faces.astype(np.int32),
        uvs=mesh.uvs[mesh.faces].astype(np.float32),
        material_index=np.zeros(len(mesh.faces), np.int32),
        materials=(material,),
        weights=weights.astype(np.float32),
        shape_keys=keys,
    )
