"""The head mesh itself: skin, mouth bag and tongue with albedo, skin weights and 52 keys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .rigged_head import Material, Part
from .template import Template

DENSITIES = ("cage", "high")
# Material slots beside "Skin", by the model's region masks; later ones win where two meet. They
# show one image: no border is seen until an artist changes one of them.
SLOTS = {
    "Scalp": ("scalp",),
    "Neck": ("neck",),
    "Ears": ("ears",),
    "Brows": ("brows",),
    "Lips": ("lips",),
    "Mouth": ("mouth_bag", "tongue"),
}
SMALLEST_WEIGHT = 0.002  # weights below are dropped, as file formats keep few per vertex


def build_head_part(
    template: Template,
    cage: np.ndarray,
    expressions: np.ndarray,
    albedo: np.ndarray,
    density: str = "cage",
) -> Part:
    """Return the part "Head" of a fitted cage (V, 3) with expression offsets (E, V, 3), metres.

    density "cage": quads of the model's own topology, vertices on the guide surface; "high": the
    quads of the guide surface, four times as many. Raises ValueError for any other density.
    """
    rows, faces, uvs = head_mesh(template, density)
    matrix = template.subdivision[rows]
    moved = matrix @ np.moveaxis(expressions, 0, 1).reshape(len(cage), -1)
    keys = np.moveaxis(moved.reshape(len(rows), -1, 3), 1, 0).astype(np.float32)
    return Part(
        name="Head",
        vertices=np.asarray(matrix @ cage, np.float32),
        faces=faces.astype(np.int32),
        uvs=uvs.astype(np.float32),
        material_index=material_slots(template, rows, faces),
        materials=skin_materials(albedo),
        weights=normalized_weights(np.asarray(matrix @ template.weights)),
        shape_keys=dict(zip(template.expression_names, keys, strict=True)),
    )


def head_mesh(template: Template, density: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return guide-surface rows (N,), quads (F, 4) and corner UVs (F, 4, 2) of a density."""
    if density == "cage":
        return _cage_mesh(template)
    if density == "high":
        return _guide_mesh(template)
    raise ValueError(f"expected density to be one of {DENSITIES}, got {density!r}")


def normalized_weights(weights: np.ndarray) -> np.ndarray:
    """Return skin weights (V, J) without negligible entries, rows summing to one, float32."""
    kept = np.where(weights > SMALLEST_WEIGHT, weights, 0.0)
    return (kept / kept.sum(axis=1, keepdims=True)).astype(np.float32)


def material_slots(template: Template, rows: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the slot (F,) int32 of quads (F, 4) whose vertices are guide-surface rows (N,)."""
    slots = np.zeros(len(faces), np.int32)
    for number, names in enumerate(SLOTS.values(), start=1):
        mask = sum(template.masks_on_surface(name)[rows] for name in names)
        slots[mask[faces].mean(axis=1) > 0.5] = number
    return slots


def skin_materials(albedo: np.ndarray) -> tuple[Material, ...]:
    """Return the materials of the slots with an albedo image (R, R, 3) uint8."""
    skin = skin_material(albedo)
    return (skin, *(replace(skin, name=name) for name in SLOTS))


def skin_material(albedo: np.ndarray) -> Material:
    """Return the material of skin with an albedo image (R, R, 3) uint8."""
    mean_color = albedo.reshape(-1, 3).mean(axis=0) / 255.0
    return Material(
        name="Skin",
        color=tuple(float(channel) for channel in mean_color),
        image=albedo,
        roughness=0.48,
        specular=0.35,
        subsurface=0.20,
        image_name="Skin Color",
    )


def _cage_mesh(template: Template):
    """Rows of the guide surface, quads and corner UVs of the model's own topology."""
    position = np.full(len(template.rest), -1)
    position[template.cage_vertices] = np.arange(len(template.cage_vertices))
    faces = position[template.skin_faces]
    uvs = template.uvs[template.uv_faces[template.skin_face_ids]]
    return np.arange(len(template.cage_vertices)), faces, uvs


def _guide_mesh(template: Template):
    """Rows, quads and corner UVs of the guide surface without its neck cap."""
    textured = template.surface_uv_faces[:, 0] >= 0
    triangles = template.surface_faces[textured]
    corners = template.surface_uv_faces[textured]
    # The guide's triangles are its quads' first halves (0, 1, 2), then second halves (0, 2, 3).
    half = len(triangles) // 2
    faces = np.column_stack([triangles[:half], triangles[half:, 2]])
    uv_faces = np.column_stack([corners[:half], corners[half:, 2]])
    rows = np.unique(faces)
    position = np.full(len(template.surface_canonical), -1)
    position[rows] = np.arange(len(rows))
    return rows, position[faces], template.surface_uv_points[uv_faces]
