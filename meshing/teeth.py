"""Teeth and gums: the template's own procedural rows on the fitted head."""

from __future__ import annotations

import numpy as np

from .geometry import fit_rotation
from .head_part import normalized_weights
from .rigged_head import JOINT_NAMES, Material, Part
from .template import PART_LOWER_TEETH, PART_SKIN, PART_UPPER_TEETH, Template

SMALLEST_KEY = 1e-5  # m, expressions that move the average teeth less get no key
JAW = JOINT_NAMES.index("jaw")
CHIN_WEIGHT = 0.75  # skin that hangs on the jaw this much is chin
CHIN_HEIGHT = -0.10  # m
TEETH = Material("Teeth", (0.90, 0.87, 0.80), roughness=0.22, specular=0.5, coat=0.4)
GUMS = Material("Gums", (0.60, 0.30, 0.29), roughness=0.35, specular=0.5, coat=0.3)


def build_teeth(template: Template, cage: np.ndarray, expressions: np.ndarray) -> Part | None:
    """Return the part "Teeth" of a fitted cage (V, 3), or None if the template has no teeth.

    `expressions` (E, V, 3) are the fitted offsets in metres; the lower row moves with the jaw.
    """
    chosen = np.isin(template.part, (PART_UPPER_TEETH, PART_LOWER_TEETH))
    if not chosen.any():
        return None
    face_ids = np.flatnonzero(chosen[template.faces[:, 0]])
    position = np.cumsum(chosen) - 1
    keys = _jaw_keys(template, cage, expressions, chosen)
    faces = template.faces[face_ids]
    is_gum = template.masks["gums"][faces].mean(axis=1) > 0.5 if "gums" in template.masks else 0
    return Part(
        name="Teeth",
        vertices=cage[chosen].astype(np.float32),
        faces=position[faces].astype(np.int32),
        uvs=template.uvs[template.uv_faces[face_ids]].astype(np.float32),
        material_index=np.zeros(len(faces), np.int32) + np.asarray(is_gum, np.int32),
        materials=(TEETH, GUMS),
        weights=normalized_weights(template.weights[chosen]),
        shape_keys=keys,
    )


def _jaw_keys(template: Template, cage, expressions, chosen) -> dict[str, np.ndarray]:
    """Move the lower row rigidly with the chin of this head (Kabsch), the upper not at all."""
    lower = template.part == PART_LOWER_TEETH
    chin = (template.part == PART_SKIN) & (template.weights[:, JAW] > CHIN_WEIGHT)
    chin &= template.rest[:, 2] < CHIN_HEIGHT
    centre = cage[chin].mean(axis=0)
    keys = {}
    for index, name in enumerate(template.expression_names):
        if np.abs(template.expressions[index][chosen]).max() < SMALLEST_KEY:
            continue
        moved = cage[chin] + expressions[index][chin]
        moved_centre = moved.mean(axis=0)
        rotation = fit_rotation(cage[chin] - centre, moved - moved_centre)
        offsets = np.zeros((len(cage), 3), np.float32)
        offsets[lower] = (cage[lower] - centre) @ rotation.T + moved_centre - cage[lower]
        keys[name] = offsets[chosen]
    return keys
