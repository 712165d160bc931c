"""Painting on label maps in Blender: the map as an image, its colours, an editor to paint in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import bpy
import numpy as np

from .backend.answer.packed import pack, unpack
from .backend.conditions.brushwork import settle_strokes
from .backend.conditions.painted import OPAQUE, read_mask_pixels
from .backend.conditions.palette import PALETTE
from .errors import AvatarError
from .metadata import find_rig
from .pictures import image_pixels, linear_from_srgb, new_image

PALETTE_NAME = "AvatarMMC Labels"
BRUSH_NAME = "AvatarMMC Label"
CATEGORY = "AvatarMMC"  # of the sidebars
MAP_KEY = "avatarmmc_map"  # on images that were made to be painted: whose map it is
BEFORE_KEY = "avatarmmc_labels"  # and what it showed then
ENLARGEMENT = 4  # painted pixels a side of one that is read: edges of strokes get finer


def new_map_image(
    head: str, labels: np.ndarray, alpha: np.ndarray | None = None
) -> bpy.types.Image:
    """Return a new image to paint on that shows labels (S, S) of the head called `head`.

    alpha (S, S) uint8: 0 where the map says nothing; None for a map that is whole.
    """
    colors = np.array(PALETTE, np.uint8)[labels]
    alpha = np.full(labels.shape, 255, np.uint8) if alpha is None else alpha
    pixels = np.dstack([colors, alpha]).repeat(ENLARGEMENT, 0).repeat(ENLARGEMENT, 1)
    image = new_image(f"{head} Map", pixels)
    image[MAP_KEY] = head
    image[BEFORE_KEY] = pack(labels, "|u1")
    return image


def map_pixels(image: bpy.types.Image) -> np.ndarray:
    """Return the sRGB bytes (H, W, 4) of a label map; what soft and faint strokes left of the maps
    made here is in the palette's colours.  Raises AvatarError for what has no pixels."""
    pixels = image_pixels(image)
    if BEFORE_KEY not in image or pixels.shape[0] != pixels.shape[1]:
        return pixels
    try:
        return settle_strokes(pixels, unpack(image[BEFORE_KEY], "labels"))
    except ValueError as error:  # edited by hand
        raise AvatarError.from_error(error) from error


def map_rig(image: bpy.types.Image | None) -> bpy.types.Object | None:
    """Return the armature of the head that a map made here shows, None for other images or where
    the head is gone."""
    rig = None if image is None else bpy.data.objects.get(str(image.get(MAP_KEY, "")))
    return rig if rig is not None and find_rig(rig) == rig else None


def erased_mask(labels: np.ndarray, mask: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return the "mask" (H, W, 4) uint8 of where a head may change: where its map, pixels
    (H, W, 4), is erased, and where the picture `mask` is white.  Empty if nothing is erased.
    """
    erased = labels[..., 3] < OPAQUE
    if not erased.any() or labels.shape[0] != labels.shape[1]:
        return {}
    if mask is not None:
        erased = erased | read_mask_pixels(mask, "May Change", len(labels))
    white = np.where(erased, np.uint8(255), np.uint8(0))
    return {"mask": np.dstack([white, white, white, np.full_like(white, 255)])}


def label_palette() -> bpy.types.Palette:
    """Return the palette of all labels, made anew where its colours were changed."""
    palette = bpy.data.palettes.get(PALETTE_NAME) or bpy.data.palettes.new(PALETTE_NAME)
    wanted = [paint_color(bpy.types.PaletteColor, label) for label in range(len(PALETTE))]
    colors = [tuple(entry.color) for entry in palette.colors]
    if len(colors) != len(wanted) or not np.allclose(colors, wanted, atol=1e-4):
        palette.colors.clear()
        for color in wanted:
            palette.colors.new().color = color
    return palette


def paint_color(owner: type, label: int) -> tuple[float, float, float]:
    """Return the colour of a label as `owner.color` takes it: linear from Blender 5.0 on."""
    values = [component / 255 for component in PALETTE[label]]
    if owner.bl_rna.properties["color"].subtype == "COLOR":
        values = [linear_from_srgb(value) for value in values]
    return tuple(values)


def take_color(context: bpy.types.Context, label: int) -> None:
    """Let brushes paint with the colour of a label."""
    _take(context, lambda owner: paint_color(owner, label))


def take_white(context: bpy.types.Context) -> None:
    """Let brushes paint white, as masks are."""
    _take(context, lambda owner: (1.0, 1.0, 1.0))


def _take(
    context: bpy.types.Context, color_of: Callable[[type], tuple[float, float, float]]
) -> None:
    paint = context.tool_settings.image_paint
    # with each kind of painting from Blender 5.0 on
    owner = paint if hasattr(paint, "unified_paint_settings") else context.tool_settings
    unified = owner.unified_paint_settings
    unified.color = color_of(type(unified))
    if paint.brush is not None:
        paint.brush.color = color_of(type(paint.brush))
        paint.brush.blend = "MIX"  # it may have erased


def erase(context: bpy.types.Context) -> None:
    """Let the brush erase what it is painted over."""
    brush = context.tool_settings.image_paint.brush
    if brush is not None:
        brush.blend = "ERASE_ALPHA"


def _take_brush(context: bpy.types.Context) -> None:
    """Give a hard brush once; Blender's own are soft, and some builds come without any.

    From Blender 5.0 on brushes are chosen by users alone.
    """
    paint = context.scene.tool_settings.image_paint
    if type(paint).bl_rna.properties["brush"].is_readonly:
        return
    brush = bpy.data.brushes.get(BRUSH_NAME)
    if brush is None:
        brush = bpy.data.brushes.new(BRUSH_NAME, mode="TEXTURE_PAINT")
        brush.curve_preset, brush.strength = "CONSTANT", 1.0
        brush.use_paint_antialiasing = False
        paint.brush = brush
    elif paint.brush is None:  # else another was chosen
        paint.brush = brush


def open_image(context: bpy.types.Context, image: bpy.types.Image, paint: bool) -> bool:
    """Show `image` in an Image Editor, to paint on or only to see, in a new window where there is
    no such editor.

    Returns False where Blender has no windows.
    """
    if paint:
        context.scene.tool_settings.image_paint.palette = label_palette()
    if bpy.app.background or not context.window_manager.windows:
        return False
    window, area = _image_editor(context)
    space = area.spaces.active
    space.image = image
    space.mode = "PAINT" if paint else "VIEW"
    space.show_region_ui = space.show_region_toolbar = space.show_region_tool_header = paint
    if paint:
        bpy.app.timers.register(partial(_make_ready, area), first_interval=0.1)
    region = next(region for region in area.regions if region.type == "WINDOW")
    with context.temp_override(window=window, area=area, region=region):
        bpy.ops.image.view_all(fit_view=True)
    return True


def _make_ready(area: bpy.types.Area) -> None:
    """Give the brush and turn the sidebar to the labels, once the editor was drawn: before that it
    forgets both."""
    _take_brush(bpy.context)
    try:
        region = next(region for region in area.regions if region.type == "UI")
        region.active_panel_category = CATEGORY
        for part in area.regions:
            part.tag_redraw()
    except (ReferenceError, StopIteration, TypeError):  # closed, or an image without a legend
        pass


def _image_editor(context: bpy.types.Context) -> tuple[bpy.types.Window, bpy.types.Area]:
    windows = context.window_manager.windows
    for window in windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                return window, area
    known = list(windows)
    with context.temp_override(window=windows[0]):
        bpy.ops.wm.window_new()
    window = next(window for window in windows if window not in known)
    area = window.screen.areas[0]
    area.type = "IMAGE_EDITOR"
    return window, area
