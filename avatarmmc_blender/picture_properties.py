"""The pictures that the panel asks with: a photo and where the head is in it, a map, a mask."""

from __future__ import annotations

from typing import Any

import bpy

from .exif import upright_size
from .pictures import STILL, image_orientation

MOST_CROP = 1 << 16


def _is_still(settings: Any, image: bpy.types.Image) -> bool:
    return image.source in STILL


def image_property(name: str, description: str, **options: Any) -> Any:
    """Return a property that holds a still picture."""
    return bpy.props.PointerProperty(
        type=bpy.types.Image, name=name, description=description, poll=_is_still, **options
    )


def snap_property() -> Any:
    """Return the property that says whether a map's colours are snapped to those of labels."""
    return bpy.props.BoolProperty(
        name="Snap Colors",
        description="Let colours of the map that are no label's become the nearest label's, "
        "and cut the middle square out of oblong maps",
    )


def _new_photo(settings: Any, context: bpy.types.Context) -> None:
    settings.crop_side = 0
    _begin_crop(settings, context)


def _begin_crop(settings: Any, context: bpy.types.Context) -> None:
    """Begin with the largest square in the middle of the photo, however it was held."""
    if settings.photo is None or not settings.use_crop or settings.crop_side:
        return
    settings.photo_turned = image_orientation(settings.photo)
    width, height = upright_size(tuple(settings.photo.size), settings.photo_turned)
    settings.crop_x, settings.crop_y = width // 2, height // 2
    settings.crop_side = min(width, height)


def picture_properties() -> dict[str, Any]:
    """Return the properties of the photo with its crop, the label map, and what is left out."""
    pixels = {"min": 0, "max": MOST_CROP, "subtype": "PIXEL"}
    return {
        "photo": image_property(
            "Photo",
            "A face from the front. Blender knows no colour profiles: photos that are not sRGB "
            "are best converted before",
            update=_new_photo,
        ),
        "photo_turned": bpy.props.IntProperty(default=1, options={"HIDDEN"}),
        "segmentation": image_property(
            "Label Map",
            "A square picture in the palette's colours, which says where skin, hair, eyes and so "
            "on are; transparent parts are left open",
        ),
        "snap": snap_property(),
        "mask": image_property(
            "Leave Out", "Where this picture is white neither photo nor map is used"
        ),
        "use_crop": bpy.props.BoolProperty(
            name="Crop",
            description="Say where the head is in the photo; otherwise the largest face is "
            "looked for, which needs the Python package scikit-image",
            update=_begin_crop,
        ),
        "crop_x": bpy.props.IntProperty(
            name="X", description="The head's middle, from the left of the upright photo", **pixels
        ),
        "crop_y": bpy.props.IntProperty(
            name="Y", description="The head's middle, from the top of the upright photo", **pixels
        ),
        "crop_side": bpy.props.IntProperty(
            name="Side", description="Of the square around hair, ears and neck", **pixels
        ),
    }
