"""What the panel asks for as settings and pictures, and settings put back into the panel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import bpy
import numpy as np

from .backend.conditions.table import ATTRIBUTES
from .edit_head import EditRequest, stored_settings
from .errors import AvatarError
from .head_file import StoredHead
from .paint_map import erased_mask, map_pixels
from .pictures import image_pixels
from .preferences import chosen_device
from .properties import DEFAULTS, AvatarSettings, guidance_name, switch_name
from .settings import BUNDLED_MODEL, GUIDANCE, GenerateSettings

# settings that the panel has under the same name
PLAIN = (
    "seed",
    "model",
    "truncation",
    "resolution",
    "raw_surface",
    "steps",
    "variants",
    "method",
    "personalise",
)


def request_from_panel(
    context: bpy.types.Context,
) -> tuple[GenerateSettings, dict[str, np.ndarray]]:
    """Return what the panel asks for, and its pictures as `pipeline.generate` takes them.

    Raises AvatarError if a value or a picture cannot be used.
    """
    settings = settings_from_panel(context)
    panel = context.scene.avatarmmc
    chosen = {"image": panel.photo, "segmentation": panel.segmentation, "mask": panel.mask}
    read = {
        "image": partial(image_pixels, turn=True),
        "segmentation": map_pixels,
        "mask": image_pixels,
    }
    pixels = {
        name: read[name](image)
        for name, image in chosen.items()
        if getattr(settings, name) is not None
    }
    return settings, pixels


def edit_from_panel(
    context: bpy.types.Context, head: StoredHead, labels: bpy.types.Image | None
) -> tuple[GenerateSettings, EditRequest, dict[str, np.ndarray]]:
    """Return how the edited head is made, what the edit asks for, and its pictures, as
    `edit_head` takes them; labels: the head's map, painted on, or another.

    Raises AvatarError if a value or a picture cannot be used, or nothing is asked for.
    """
    panel = context.scene.avatarmmc
    # what is still set as it was is no edit
    own = {**head.settings.get("attributes", {}), **(head.evidence or {}).get("attributes", {})}
    attributes = {
        name: value
        for name, value in attributes_from_panel(panel).items()
        if own.get(name) != value
    }
    mask = panel.edit_mask
    if not (attributes or labels or mask):
        raise AvatarError(
            "There is nothing to edit: paint on a map of this head, choose a mask, or set "
            "attributes to what they are to become."
        )
    request = EditRequest(
        attributes=attributes,
        segmentation=labels.name if labels else None,
        mask=mask.name if mask else None,
        snap=bool(labels) and panel.edit_snap,
        strength=_typed(panel.edit_strength),
        identity_lock=panel.identity_lock,
        seed=panel.seed,
        guidance=guidance_from_panel(panel),
        steps=panel.steps,
    )
    request.check()
    pixels = {}
    if mask:
        pixels["mask"] = image_pixels(mask)
    if labels:
        pixels["segmentation"] = map_pixels(labels)
        try:
            pixels |= erased_mask(pixels["segmentation"], pixels.get("mask"))
        except ValueError as error:
            raise AvatarError.from_error(error) from error
    settings = replace(stored_settings(head), **_fineness(context))
    return settings, request, pixels


def settings_from_panel(context: bpy.types.Context) -> GenerateSettings:
    """Return what the panel asks for; raises AvatarError if a value cannot be used."""
    panel = context.scene.avatarmmc
    settings = GenerateSettings(
        truncation=_typed(panel.truncation),
        model=panel.model,
        variants=panel.variants,
        seed=panel.seed,
        **_fineness(context),
        **(_conditions(panel) if panel.model == BUNDLED_MODEL else {}),
    )
    settings.check()
    return settings


def _fineness(context: bpy.types.Context) -> dict[str, Any]:
    """How fine heads are, and what computes them."""
    panel = context.scene.avatarmmc
    return {
        "resolution": panel.resolution,
        "texture": int(panel.texture),
        "device": chosen_device(context),
        "raw_surface": panel.raw_surface,
    }


def _conditions(panel: Any) -> dict[str, Any]:
    """What is asked beside the seed; what would have no effect is left out."""
    photo, pictured = panel.photo is not None, panel.photo or panel.segmentation
    crop = (panel.crop_x, panel.crop_y, panel.crop_side)
    return {
        "attributes": attributes_from_panel(panel),
        "image": panel.photo.name if photo else None,
        "segmentation": panel.segmentation.name if panel.segmentation else None,
        "mask": panel.mask.name if pictured and panel.mask else None,
        "crop": crop if photo and panel.use_crop else None,
        "snap": bool(panel.segmentation) and panel.snap,
        "guidance": guidance_from_panel(panel),
        "steps": panel.steps,
        "method": panel.method,
        "personalise": panel.personalise if photo and panel.method == "diffusion" else 0,
    }


def attributes_from_panel(panel: Any) -> dict[str, float | str]:
    """Return the attributes that are switched on."""
    return {
        attribute.name: _typed(getattr(panel, attribute.name))
        for attribute in ATTRIBUTES
        if getattr(panel, switch_name(attribute.name))
    }


def guidance_from_panel(panel: Any) -> dict[str, float]:
    """Return the guidance scales that are not the usual ones."""
    scales = {name: _typed(getattr(panel, guidance_name(name))) for name in GUIDANCE}
    return {name: scale for name, scale in scales.items() if scale != GUIDANCE[name]}


def _typed(value: float | str) -> float | str:
    """Return a number as it was typed: Blender keeps 0.9 as 0.899999976, which is another head."""
    return round(value, 6) if isinstance(value, float) else value


def settings_to_panel(context: bpy.types.Context, stored: Mapping[str, Any]) -> None:
    """Set the panel to the settings stored on a head; attributes it did not set are switched off.

    Raises TypeError or ValueError if a stored value does not fit.
    """
    panel = context.scene.avatarmmc
    for name in PLAIN:
        setattr(panel, name, stored.get(name, getattr(DEFAULTS, name)))
    panel.texture = str(stored.get("texture", DEFAULTS.texture))
    for name, usual in GUIDANCE.items():
        setattr(panel, guidance_name(name), stored.get("guidance", {}).get(name, usual))
    reset_group(panel)
    known = {attribute.name for attribute in ATTRIBUTES}
    for name, value in stored.get("attributes", {}).items():
        if name in known:  # others come from another version
            setattr(panel, name, value)


def pictures_to_panel(
    context: bpy.types.Context, photo: bpy.types.Image | None, labels: bpy.types.Image | None
) -> None:
    """Ask for the pictures that a head was made from, cut out as they are, or for none."""
    panel = context.scene.avatarmmc
    panel.use_crop = False
    panel.photo, panel.segmentation, panel.mask, panel.snap = photo, labels, None, False
    panel.use_crop = photo is not None  # all of it


def reset_group(panel: AvatarSettings, group: str = "") -> None:
    """Give the attributes of `group`, or all, their defaults and leave them to the seed."""
    for attribute in ATTRIBUTES:
        if group in ("", attribute.group):
            setattr(panel, attribute.name, attribute.default)
            setattr(panel, switch_name(attribute.name), False)
