"""The panel's settings, kept in the scene: seed, pictures, guidance, one entry per attribute.

An attribute acts only when it is switched on; moving its slider switches it on.  The others are
left to the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy

from .backend.conditions.table import ATTRIBUTES, Attribute
from .edit_head import EditRequest
from .picture_properties import image_property, picture_properties, snap_property
from .settings import (
    GUIDANCE,
    METHODS,
    PERSONALISE_RANGE,
    RESOLUTION_RANGE,
    SEED_LIMIT,
    STEPS_RANGE,
    TEXTURE_SIZES,
    VARIANTS_RANGE,
    GenerateSettings,
)

DEFAULTS = GenerateSettings()
METHOD_LABELS = {
    "diffusion": ("Diffusion", "The trained model: seconds, and other seeds give other answers"),
    "optimise": ("Optimization", "The slow way, for comparison: searches the latent for minutes"),
}
GUIDANCE_TEXTS = {
    "photo": "How much the photo counts: 0 ignores it, 1 is the plain model, more insists",
    "map": "How much the label map counts; where map and attributes disagree the larger one wins",
    "attributes": "How much the attributes count: 0 ignores them, 1 is the plain model",
}
GROUPS = tuple(dict.fromkeys(attribute.group for attribute in ATTRIBUTES))


def switch_name(attribute: str) -> str:
    """Return the name of the property that says whether `attribute` is set."""
    return f"use_{attribute}"


def label_of(name: str) -> str:
    """Return the words for a property or stage called `name`, e.g. "Skin Tone"."""
    return name.replace("_", " ").title()


def _switch_on(attribute: str) -> Callable[[Any, bpy.types.Context], None]:
    def update(settings: Any, context: bpy.types.Context) -> None:
        setattr(settings, switch_name(attribute), True)

    return update


def _value_property(attribute: Attribute) -> Any:
    common = {
        "name": label_of(attribute.name),
        "description": attribute.description,
        "update": _switch_on(attribute.name),
    }
    if attribute.choices:
        items = [(choice, label_of(choice), "") for choice in attribute.choices]
        return bpy.props.EnumProperty(items=items, default=attribute.default, **common)
    return bpy.props.FloatProperty(
        default=attribute.default,
        min=attribute.minimum,
        max=attribute.maximum,
        step=1,
        precision=2,
        **common,
    )


def _attribute_properties() -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for attribute in ATTRIBUTES:
        properties[attribute.name] = _value_property(attribute)
        properties[switch_name(attribute.name)] = bpy.props.BoolProperty(
            name=f"Set {label_of(attribute.name)}",
            description="Set this attribute; otherwise the seed decides",
        )
    return properties


def guidance_name(name: str) -> str:
    """Return the name of the property with the guidance scale called `name`."""
    return f"guidance_{name}"


def _answer_properties() -> dict[str, Any]:
    scales = {
        guidance_name(name): bpy.props.FloatProperty(
            name=label_of(name),
            description=GUIDANCE_TEXTS[name],
            default=default,
            min=0.0,
            max=10.0,
            soft_max=6.0,
            step=10,
            precision=2,
        )
        for name, default in GUIDANCE.items()
    }
    return {
        **scales,
        "steps": bpy.props.IntProperty(
            name="Steps",
            description="Evaluations of the model on the way to an answer; 20 are mostly enough",
            default=DEFAULTS.steps,
            min=STEPS_RANGE[0],
            max=STEPS_RANGE[1],
            soft_max=100,
        ),
        "variants": bpy.props.IntProperty(
            name="Variants",
            description="Heads to make at once, with this seed and those that follow",
            default=DEFAULTS.variants,
            min=VARIANTS_RANGE[0],
            max=VARIANTS_RANGE[1],
            soft_max=8,
        ),
        "method": bpy.props.EnumProperty(
            name="Method",
            description="How heads are found that meet photo, map and attributes",
            items=[(name, *METHOD_LABELS[name]) for name in METHODS],
            default=DEFAULTS.method,
        ),
        "personalise": bpy.props.IntProperty(
            name="Personalize",
            description="Steps that refine the answer against the photo; 0 for none, 60 are usual",
            default=DEFAULTS.personalise,
            min=PERSONALISE_RANGE[0],
            max=PERSONALISE_RANGE[1],
            soft_max=200,
        ),
    }


def _edit_properties() -> dict[str, Any]:
    return {
        "edit_map": image_property(
            "Painted Map",
            "The map of the head as it shall become; where it differs from the selected head, "
            "or is erased, the head may change",
        ),
        "edit_snap": snap_property(),
        "edit_mask": image_property(
            "May Change", "Where this picture is white the head may change"
        ),
        "edit_strength": bpy.props.FloatProperty(
            name="Strength",
            description="Little keeps the head as it is: 0.8 for hair and glasses, 0.6 for shapes, "
            "0.4 for colours",
            default=EditRequest().strength,
            min=0.0,
            max=1.0,
            subtype="FACTOR",
        ),
        "identity_lock": bpy.props.BoolProperty(
            name="Keep Identity",
            description="Hold what the edit does not touch: face, skin, eyes, hair or accessories",
            default=True,
        ),
    }


class AvatarSettings(bpy.types.PropertyGroup):
    """What the next head is to be."""

    # The attributes' properties come from their table.
    __annotations__ = {
        "seed": bpy.props.IntProperty(
            name="Seed",
            description="The same seed and settings give the same head",
            default=DEFAULTS.seed,
            min=0,
            max=SEED_LIMIT,
        ),
        "model": bpy.props.StringProperty(
            name="Model",
            description="The bundled model, or the id of a converted official one",
            default=DEFAULTS.model,
        ),
        "truncation": bpy.props.FloatProperty(
            name="Variety",
            description="0 is the average head, 1 the full variety",
            default=DEFAULTS.truncation,
            min=0.0,
            max=1.0,
            subtype="FACTOR",
        ),
        "resolution": bpy.props.IntProperty(
            name="Surface",
            description="Cells of the surface along each side of the head's cube",
            default=DEFAULTS.resolution,
            min=RESOLUTION_RANGE[0],
            max=RESOLUTION_RANGE[1],
        ),
        "texture": bpy.props.EnumProperty(
            name="Texture",
            description="Pixels along each side of the skin's texture",
            items=[(str(size), f"{size} px", "") for size in TEXTURE_SIZES],
            default=str(DEFAULTS.texture),
        ),
        "raw_surface": bpy.props.BoolProperty(
            name="Keep Raw Surface",
            description="Add the dense unrigged surface too, hidden",
            default=DEFAULTS.raw_surface,
        ),
        "look_at_head": bpy.props.BoolProperty(
            name="Look at New Head",
            description="Turn the viewport to a finished head and show its colours",
            default=True,
        ),
        "strength": bpy.props.FloatProperty(
            name="Strength",
            description="Of the expressions below",
            default=1.0,
            min=0.0,
            max=1.0,
            subtype="FACTOR",
        ),
        **picture_properties(),
        **_answer_properties(),
        **_edit_properties(),
        **_attribute_properties(),
    }


def register() -> None:
    """Give every scene its settings."""
    bpy.utils.register_class(AvatarSettings)
    bpy.types.Scene.avatarmmc = bpy.props.PointerProperty(type=AvatarSettings)


def unregister() -> None:
    """Take the settings away."""
    del bpy.types.Scene.avatarmmc
    bpy.utils.unregister_class(AvatarSettings)
