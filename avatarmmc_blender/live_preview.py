"""Shows the head that is being refined beneath the progress of its task."""

from __future__ import annotations

import bpy
import bpy.utils.previews
import numpy as np

from . import live_picture

_SCALE = 8.0  # of an icon

_pictures: bpy.utils.previews.ImagePreviewCollection | None = None
_icon: bpy.types.ImagePreview | None = None


def refresh() -> bool:
    """Take over a new picture, if there is one; return whether there was."""
    global _icon
    picture = live_picture.take()
    if picture is None or _pictures is None:
        return False
    if _icon is None:
        _icon = _pictures.new("head")
    pixels = np.ones((*picture.shape[:2], 4), np.float32)
    pixels[..., :3] = picture[::-1] / np.float32(255)
    _icon.image_size = picture.shape[1::-1]
    _icon.image_pixels_float.foreach_set(pixels.ravel())
    return True


def clear() -> None:
    """Show nothing any more: the task has ended."""
    global _icon
    live_picture.take()
    _icon = None
    if _pictures is not None:
        _pictures.clear()


def draw(layout: bpy.types.UILayout) -> None:
    """Draw the picture, if there is one."""
    if _icon is not None:
        layout.template_icon(icon_value=_icon.icon_id, scale=_SCALE)


def register() -> None:
    """Make room for the picture."""
    global _pictures
    _pictures = bpy.utils.previews.new()


def unregister() -> None:
    """Free the picture."""
    global _pictures
    clear()
    bpy.utils.previews.remove(_pictures)
    _pictures = None
