"""From an official generator's field and surface to a rigged head of FLAME's topology."""

from __future__ import annotations

import numpy as np

from .flame_bake import bake_flame
from .flame_fit import fit_flame
from .flame_keys import EXPRESSION_PREFIX, POSE_PREFIX, SHAPE_PREFIX, key_name
from .flame_template import FlameTemplate
from .head_part import normalized_weights, skin_material
from .raw_surface import raw_part
from .rigged_head import JOINT_NAMES, Part, PoseElement, RiggedHead

SHAPE_KEYS, EXPRESSION_KEYS = 100, 50  # as many as DECA reads off photographs
KEY_RANGE = (-4.0, 4.0)  # standard deviations; elements of R - I are within 2 of zero


def assemble_flame_head(
    field,
    surface,
    template: FlameTemplate,
    texture: int = 1024,
    raw_surface: bool = False,
    callback=None,
) -> RiggedHead:
    """Return the rigged head of `field` and its extracted `surface`: one part, FLAME's mesh.

    callback(stage, fraction) hears of "fit", "bake" and "rig" and may cancel by raising.  Raises
    ValueError if the surface is not that of a head.
    """
    report = callback or (lambda stage, fraction: None)
    fitted = fit_flame(surface, template, callback=report)
    albedo = bake_flame(field, fitted.vertices, template, texture, callback=report)
    report("rig", 0.0)
    pose_keys = pose_elements()
    head = Part(
        name="Head",
        vertices=fitted.vertices.astype(np.float32),
        faces=template.faces.astype(np.int32),
        uvs=template.uvs.astype(np.float32),
        material_index=np.zeros(len(template.faces), np.int32),
        materials=(skin_material(albedo),),
        weights=normalized_weights(template.weights),
        shape_keys=_keys(template, pose_keys),
        key_range=KEY_RANGE,
        pose_keys=pose_keys,
    )
    color = albedo.reshape(-1, 3).mean(axis=0) / 255.0
    report("rig", 1.0)
    return RiggedHead(
        parts=(head,),
        joints=template.joint_regressor @ fitted.skull,
        raw_surface=raw_part(surface, head, color) if raw_surface else None,
    )


def pose_elements() -> dict[str, PoseElement]:
    """Return what drives each pose corrective, by name: Pose_001 to Pose_036, in FLAME's order."""
    elements = [
        PoseElement(joint, row, column)
        for joint in JOINT_NAMES[1:]
        for row in range(3)
        for column in range(3)
    ]
    return {key_name(POSE_PREFIX, index): element for index, element in enumerate(elements)}


def _keys(template: FlameTemplate, pose_keys: dict[str, PoseElement]) -> dict[str, np.ndarray]:
    """Return the offsets (V, 3) of all keys by name."""
    keys = {}
    for prefix, basis in (
        (SHAPE_PREFIX, template.shapes[:SHAPE_KEYS]),
        (EXPRESSION_PREFIX, template.expressions[:EXPRESSION_KEYS]),
    ):
        keys |= {key_name(prefix, index): offsets for index, offsets in enumerate(basis)}
    for name, element in pose_keys.items():
        joint = JOINT_NAMES.index(element.joint) - 1
        keys[name] = template.correctives[joint, element.row, element.column]
    return {name: offsets.astype(np.float32) for name, offsets in keys.items()}
