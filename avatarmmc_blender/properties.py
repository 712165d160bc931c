"""The panel's settings, kept in the scene: seed, variety, quality and one entry per attribute.

An attribute acts only when it is switched on; moving its slider switches it on.  The others are
left to the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import bpy

from .backend.conditions.table import ATTRIBUTES, Attribute
from .preferences import chosen_device
from .settings import (
    BUNDLED_MODEL,
    RESOLUTION_RANGE,
    SEED_LIMIT,
    TEXTURE_SIZES,
    GenerateSettings,
)

DEFAULTS = GenerateSettings()
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
        **_attribute_properties(),
    }


def settings_from_panel(context: bpy.types.Context) -> GenerateSettings:
    """Return what the panel asks for; raises AvatarError if a value cannot be used."""
    panel = context.scene.avatarmmc
    attributes = {
        attribute.name: _typed(getattr(panel, attribute.name))
        for attribute in ATTRIBUTES
        if getattr(panel, switch_name(attribute.name)) and panel.model == BUNDLED_MODEL
    }
    settings = GenerateSettings(
        seed=panel.seed,
        attributes=attributes,
        truncation=_typed(panel.truncation),
        resolution=panel.resolution,
        texture=int(panel.texture),
        device=chosen_device(context),
        raw_surface=panel.raw_surface,
        model=panel.model,
    )
    settings.check()
    return settings


def _typed(value: float | str) -> float | str:
    """Return a number as it was typed: Blender keeps 0.9 as 0.899999976, which is another head."""
    return round(value, 6) if isinstance(value, float) else value


def settings_to_panel(context: bpy.types.Context, stored: Mapping[str, Any]) -> None:
    """Set the panel to the settings stored on a head; attributes it did not set are switched off.

    Raises TypeError or ValueError if a stored value does not fit.
    """
    panel = context.scene.avatarmmc
    for name in ("seed", "model", "truncation", "resolution", "raw_surface"):
        if name in stored:
            setattr(panel, name, stored[name])
    if "texture" in stored:
        panel.texture = str(stored["texture"])
    reset_group(panel)
    known = {attribute.name for attribute in ATTRIBUTES}
    for name, value in stored.get("attributes", {}).items():
        if name in known:  # others come from another version
            setattr(panel, name, value)


def reset_group(panel: AvatarSettings, group: str = "") -> None:
    """Give the attributes of `group`, or all, their defaults and leave them to the seed."""
    for attribute in ATTRIBUTES:
        if group in ("", attribute.group):
            setattr(panel, attribute.name, attribute.default)
            setattr(panel, switch_name(attribute.name), False)


def register() -> None:
    """Give every scene its settings."""
    bpy.utils.register_class(AvatarSettings)
    bpy.types.Scene.avatarmmc = bpy.props.PointerProperty(type=AvatarSettings)


def unregister() -> None:
    """Take the settings away."""
    del bpy.types.Scene.avatarmmc
    bpy.utils.unregister_class(AvatarSettings)
