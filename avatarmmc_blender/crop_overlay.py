"""The crop of the photo as a square, in Image Editors that show the photo."""

from __future__ import annotations

import bpy

from .exif import raw_point

_COLOR = (1.0, 0.6, 0.1, 1.0)
_WIDTH = 2.0  # pixels

_handle: object | None = None


def crop_corners(settings: bpy.types.PropertyGroup) -> list[tuple[float, float]]:
    """Return the corners of the crop in units of the photo as it is stored, from its lower left."""
    width, height = settings.photo.size
    half = settings.crop_side / 2
    corners = []
    for across, down in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        x, y = raw_point(
            settings.crop_x + across * half,
            settings.crop_y + down * half,
            (width, height),
            settings.photo_turned,
        )
        corners.append((x / width, 1.0 - y / height))
    return corners


def _draw() -> None:
    context = bpy.context
    settings = context.scene.avatarmmc
    photo = settings.photo
    if not settings.use_crop or photo is None or context.space_data.image != photo:
        return
    import gpu  # not there without a window
    from gpu_extras.batch import batch_for_shader

    place = context.region.view2d.view_to_region
    points = [place(x, y, clip=False) for x, y in crop_corners(settings)]
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    gpu.state.line_width_set(_WIDTH)
    shader.uniform_float("color", _COLOR)
    batch_for_shader(shader, "LINE_LOOP", {"pos": points}).draw(shader)
    gpu.state.line_width_set(1.0)


def register() -> None:
    """Draw with every Image Editor."""
    global _handle
    _handle = bpy.types.SpaceImageEditor.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")


def unregister() -> None:
    """Draw no more."""
    global _handle
    if _handle is not None:
        bpy.types.SpaceImageEditor.draw_handler_remove(_handle, "WINDOW")
        _handle = None
