"""Expression presets on a head: set its shape keys, put keyframes on them."""

from __future__ import annotations

import bpy

from .expression_presets import LAYERS, PRESETS

SIDES = ("Left", "Right")


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


def clear_expression(face: bpy.types.Object) -> None:
    """Set every shape key of `face` to zero."""
    for block in face.data.shape_keys.key_blocks[1:]:
        block.value = 0.0


def insert_keyframes(face: bpy.types.Object, frame: float) -> int:
    """Put a keyframe on every shape key of `face` at `frame` and return how many."""
    blocks = face.data.shape_keys.key_blocks[1:]
    for block in blocks:
        block.keyframe_insert("value", frame=frame)
    return len(blocks)
