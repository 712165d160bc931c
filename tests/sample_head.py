"""A small rigged head made of spheres, with the structure of a real one."""

from __future__ import annotations

import numpy as np

from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.meshing.rigged_head import Material, Part, RiggedHead

JOINTS = np.array(
    [[0, 0.05, -0.2], [0, 0.04, -0.12], [0, 0.06, -0.04], [0.03, 0, 0], [-0.03, 0, 0]]
)
NECK, LEFT_EYE = 1, 3


def sphere(
    center: tuple[float, float, float], radius: float, rings: int = 12, sectors: int = 16
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vertices (V, 3), quads (F, 4) and corner UVs (F, 4, 2) of an open-poled sphere."""
    polar = np.linspace(0.1, np.pi - 0.1, rings)
    azimuth = np.linspace(0, 2 * np.pi, sectors, endpoint=False)
    polar, azimuth = np.meshgrid(polar, azimuth, indexing="ij")
    unit = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], -1
    )
    vertices = (np.asarray(center) + radius * unit.reshape(-1, 3)).astype(np.float32)
    ring, sector = np.meshgrid(np.arange(rings - 1), np.arange(sectors), indexing="ij")
    corner_rings = np.stack([ring, ring + 1, ring + 1, ring], -1).reshape(-1, 4)
    corner_sectors = np.stack([sector, sector, sector + 1, sector + 1], -1).reshape(-1, 4)
    faces = (corner_rings * sectors + corner_sectors % sectors).astype(np.int32)
    uvs = np.stack([corner_sectors / sectors, 1 - corner_rings / (rings - 1)], -1)
    return vertices, faces, uvs.astype(np.float32)


def _part(name, center, radius, material, joint, keys, seed):
    vertices, faces, uvs = sphere(center, radius)
    weights = np.zeros((len(vertices), 5), np.float32)
    weights[:, joint] = 1
    generator = np.random.default_rng(seed)
    direction = {key: generator.normal(size=3) * 0.004 for key in keys}
    front = np.clip((center[1] - vertices[:, 1:2]) / radius, 0, 1)
    return Part(
        name=name,
        vertices=vertices,
        faces=faces,
        uvs=uvs,
        material_index=np.zeros(len(faces), np.int32),
        materials=(material,),
        weights=weights,
        shape_keys={key: (front * direction[key]).astype(np.float32) for key in keys},
    )


def sample_rigged_head(seed: int = 0) -> RiggedHead:
    """Return a head of three spheres: face with 52 keys, left eye with 4, hair with 2."""
    generator = np.random.default_rng(seed)
    albedo = generator.integers(90, 200, (64, 64, 3), dtype=np.uint8)
    skin = Material("Skin", (0.8, 0.6, 0.5), albedo, roughness=0.5, subsurface=0.2)
    iris = Material("Eye", (0.9, 0.9, 0.9), albedo[:32, :32], roughness=0.1, coat=0.5)
    strands = Material("Hair", (0.2, 0.1, 0.05), roughness=0.55, specular=0.3)
    looks = [key for key in EXPRESSIONS if key.startswith("eyeLook") and key.endswith("Left")]
    head = _part("Head", (0, 0.07, 0), 0.11, skin, NECK, EXPRESSIONS, seed)
    blended = np.clip(-head.vertices[:, 2:] / 0.1, 0, 0.6)
    weights = np.zeros_like(head.weights)
    weights[:, 1:2], weights[:, 2:3] = 1 - blended, blended
    object.__setattr__(head, "weights", weights)
    eye = _part("Eyes", (0.03, 0, 0), 0.02, iris, LEFT_EYE, looks, seed)
    hair = _part("Hair", (0, 0.08, 0.04), 0.1, strands, NECK, ["browInnerUp", "jawOpen"], seed)
    return RiggedHead(parts=(head, eye, hair), joints=JOINTS)


def geometry(generated) -> list[bytes]:
    """All arrays of the parts of a generated head, to be compared bit for bit."""
    arrays = []
    for part in generated.rigged.parts:
        arrays += [part.vertices, part.faces, part.weights, *part.shape_keys.values()]
    return [np.ascontiguousarray(array).tobytes() for array in arrays]
