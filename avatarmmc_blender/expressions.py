"""Expression presets on a head: set its shape keys, put keyframes on them."""

from __future__ import annotations

import bpy

from .expression_presets import LAYERS, PRESETS
from .meshing.flame_keys import EXPRESSION_PREFIX, POSE_PREFIX, SHAPE_PREFIX, key_name

SIDES = ("Left", "Right")
# Keys of FLAME heads that no expression moves: the shape is the identity, the pose follows bones.
NO_EXPRESSION = (SHAPE_PREFIX, POSE_PREFIX)


def preset_weights(name: str, strength: float = 1.0) -> dict[str, float]:
    """Return the weight of every shape that preset `name` sets, by ARKit name.

    Raises ValueError if there is no such preset.
    """
    if name not in PRESETS:
        raise ValueError(f"expected a preset of {', '.join(PRESETS)}, given {name!r}")
    weights: dict[str, float] = {}
    for shape, weight in PRESETS[name].weights.items():
        paired = shape.endswith("*")
        names = [shape[:-1] + side for side in SIDES] if paired else [shape]
        weights |= {full_name: weight * strength for full_name in names}
    return weights


def apply_preset(face: bpy.types.Object, name: str, strength: float = 1.0) -> None:
    """Set the shape keys of `face` to preset `name`; keys of other layers stay as they are."""
    weights = preset_weights(name, strength)
    beginnings = LAYERS[PRESETS[name].layer]
    for block in face.data.shape_keys.key_blocks[1:]:
        if block.name.startswith(beginnings):
            block.value = weights.get(block.name, 0.0)


def is_flame_face(face: bpy.types.Object) -> bool:
    """Tell whether `face` has FLAME's expressions instead of the ARKit shapes."""
    keys = face.data.shape_keys
    return keys is not None and key_name(EXPRESSION_PREFIX, 0) in keys.key_blocks


def expression_keys(face: bpy.types.Object) -> list[bpy.types.ShapeKey]:
    """Return the shape keys of `face` that make its expression."""
    blocks = face.data.shape_keys.key_blocks[1:]
    return [block for block in blocks if not block.name.startswith(NO_EXPRESSION)]


def clear_expression(face: bpy.types.Object) -> None:
    """Set every shape key of the expression of `face` to zero."""
    for block in expression_keys(face):
        block.value = 0.0


def insert_keyframes(face: bpy.types.Object, frame: float) -> int:
    """Put a keyframe on every shape key of the expression at `frame` and return how many."""
    blocks = expression_keys(face)
    for block in blocks:
        block.keyframe_insert("value", frame=frame)
    return len(blocks)
