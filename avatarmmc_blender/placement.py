"""Where a new head stands in a scene that holds other things, and how the window looks at it."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from mathutils import Quaternion, Vector

GAP = 0.1  # metres between neighbours
LARGEST_NEIGHBOUR = 5.0  # metres; larger things are floors, rooms and skies
# Three-quarter view from the front, camera a little to the subject's left.
VIEW_ROTATION = Quaternion((0.0, 0.0, 1.0), 0.4) @ Quaternion((1.0, 0.0, 0.0), 1.52)
VIEW_DISTANCE = 2.0  # of the longest side of what is seen, between the viewport's eye and the head


def bounds(items: Sequence[bpy.types.Object]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest corner (3,) of the unposed meshes of `items`, in metres."""
    corners = [
        item.matrix_world @ Vector(corner)
        for item in items
        if item.type == "MESH"
        for corner in item.bound_box
    ]
    return np.min(corners, axis=0), np.max(corners, axis=0)


def free_offset(
    low: np.ndarray, high: np.ndarray, obstacles: Sequence[tuple[np.ndarray, np.ndarray]]
) -> float:
    """Return how far to move the box `low`, `high` along +x so that it meets no obstacle."""
    offset = 0.0
    for other_low, other_high in sorted(obstacles, key=lambda box: box[0][0]):
        shift = np.array([offset, 0.0, 0.0])
        if np.all(low + shift < other_high) and np.all(high + shift > other_low):
            offset = float(other_high[0] - low[0]) + GAP
    return offset


def place_beside_others(rig: bpy.types.Object, parts: Sequence[bpy.types.Object]) -> None:
    """Move `rig` along +x until its meshes stand clear of all visible meshes of the scene."""
    own = set(parts)
    obstacles = []
    for item in bpy.context.view_layer.objects:
        if item.type == "MESH" and item not in own and item.visible_get():
            low, high = bounds([item])
            if np.max(high - low) < LARGEST_NEIGHBOUR:
                obstacles.append((low, high))
    low, high = bounds(parts)
    rig.location.x += free_offset(low, high, obstacles)
    # So that the next head sees this one's new place without waiting for a redraw.
    bpy.context.view_layer.update()


def look_at(parts: Sequence[bpy.types.Object]) -> None:
    """Turn every 3D viewport that orbits freely to `parts`, and let solid shading show colours."""
    low, high = bounds([part for part in parts if part.visible_get()])
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                _turn(area.spaces.active, (low + high) / 2.0, float(max(high - low)))


def _turn(space: bpy.types.SpaceView3D, center: np.ndarray, size: float) -> None:
    if space.shading.type == "SOLID" and space.shading.color_type == "MATERIAL":
        space.shading.color_type = "TEXTURE"
    view = space.region_3d
    if view.view_perspective == "CAMERA" or space.region_quadviews:
        return
    view.view_perspective = "PERSP"
    view.view_rotation = VIEW_ROTATION
    view.view_location = center
    view.view_distance = VIEW_DISTANCE * size
