"""Pictures of a head: a small photo studio of its own, rendered by Cycles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

from .metadata import PART_KEY, head_parts
from .scene import RAW_SURFACE_PART

FOCAL_LENGTH = 85.0  # mm on a 36 mm sensor: the portrait lens, which keeps a face's proportions
MARGIN = 1.08  # of the picture over what it shows of the head
CROP = 0.05  # of the head's height that the lower edge cuts off, with the end of the neck
# Linear greys; the backdrop's are those at the middle and the corners of the picture: they suit
# fair and dark heads.
AMBIENT = (0.13, 0.135, 0.145)
BACKDROP = ((0.42, 0.44, 0.47), (0.12, 0.13, 0.15))


@dataclass(frozen=True)
class View:
    """Where the camera stands: degrees from the front to the subject's left, and upwards."""

    azimuth: float = 25.0
    elevation: float = 2.0


@dataclass(frozen=True)
class Light:
    """An area light: direction as in `View`, distance and width in head heights, relative power."""

    azimuth: float
    elevation: float
    distance: float
    width: float
    power: float
    color: tuple[float, float, float]


# Key, fill and rim; the key stands to the subject's left of a camera in front.
LIGHTS = (
    Light(38.0, 38.0, 3.2, 1.8, 1.0, (1.0, 0.96, 0.91)),
    Light(-55.0, 8.0, 3.6, 2.8, 0.36, (0.90, 0.95, 1.0)),
    Light(-145.0, 30.0, 3.0, 1.6, 0.40, (1.0, 0.98, 0.95)),
    Light(150.0, 25.0, 3.2, 1.6, 0.25, (0.95, 0.97, 1.0)),
)
KEY_WATTS = 11.0  # for a head one metre high


def render_preview(
    rig: bpy.types.Object,
    path: Path,
    view: View | None = None,
    size: tuple[int, int] = (768, 960),
    samples: int = 48,
) -> None:
    """Render the head of armature `rig` as a PNG of `size` (width, height) pixels.

    The head is drawn as it is posed; the user's scene is not touched.
    """
    parts = [part for part in head_parts(rig) if part.get(PART_KEY) != RAW_SURFACE_PART]
    render_objects([rig, *parts], [(view or View(), path)], size, samples)


def render_objects(
    objects: Sequence[bpy.types.Object],
    shots: Sequence[tuple[View, Path]],
    size: tuple[int, int] = (768, 960),
    samples: int = 48,
) -> None:
    """Render `objects` once for every view and path of `shots`, all framed alike.

    size: (width, height) pixels.  Other objects and the world of the user's scene are left out.
    """
    with _studio(objects, size, samples) as (scene, center, height):
        for view, path in shots:
            _place_camera(scene.camera, view, center, height, size)
            scene.render.filepath = str(Path(path).absolute())
            bpy.ops.render.render(write_still=True, scene=scene.name)


@contextmanager
def _studio(
    objects: Sequence[bpy.types.Object], size: tuple[int, int], samples: int
) -> Iterator[tuple[bpy.types.Scene, Vector, float]]:
    """Give a passing scene with the objects, lights, backdrop and camera."""
    scene = bpy.data.scenes.new("AvatarMMC studio")
    made: list[bpy.types.ID] = [scene]
    try:
        for item in objects:
            scene.collection.objects.link(item)
        scene.view_layers[0].update()
        center, height = _bounds(scene, objects)
        _set_render(scene, size, samples)
        made.append(_add_world(scene))
        for light in LIGHTS:
            made += _add_light(scene, light, center, height)
        camera = bpy.data.cameras.new("Camera")
        camera.lens = FOCAL_LENGTH
        camera.clip_start, camera.clip_end = 0.01, 1000.0
        scene.camera = bpy.data.objects.new("Camera", camera)
        scene.collection.objects.link(scene.camera)
        made += [scene.camera, camera]
        yield scene, center, height
    finally:
        bpy.data.batch_remove(made)


def _bounds(scene: bpy.types.Scene, objects: Sequence[bpy.types.Object]) -> tuple[Vector, float]:
    """Return the centre and the height of what is shown of the posed meshes, in metres."""
    graph = scene.view_layers[0].depsgraph
    corners = []
    for item in objects:
        if item.type == "MESH":
            posed = item.evaluated_get(graph)
            corners += [posed.matrix_world @ Vector(corner) for corner in posed.bound_box]
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    low[2] += CROP * (high[2] - low[2])
    return Vector((low + high) / 2.0), float(high[2] - low[2])


def _set_render(scene: bpy.types.Scene, size: tuple[int, int], samples: int) -> None:
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y = size
    render.resolution_percentage = 100
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGB"
    render.use_persistent_data = True  # between the shots
    scene.cycles.samples = samples
    scene.cycles.use_adaptive_sampling = True
    scene.cycles.use_denoising = True
    scene.cycles.seed = 0
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"


def _add_world(scene: bpy.types.Scene) -> bpy.types.World:
    """Make the backdrop: a gradient for the camera, an even dim light for the head."""
    world = bpy.data.worlds.new("AvatarMMC backdrop")
    scene.world = world
    if world.node_tree is None:  # always present from Blender 5.0 on
        world.use_nodes = True
    tree = world.node_tree
    tree.nodes.clear()
    output = tree.nodes.new("ShaderNodeOutputWorld")
    mix = tree.nodes.new("ShaderNodeMixShader")
    rays = tree.nodes.new("ShaderNodeLightPath")
    ambient = tree.nodes.new("ShaderNodeBackground")
    ambient.inputs["Color"].default_value = (*AMBIENT, 1.0)
    backdrop = tree.nodes.new("ShaderNodeBackground")
    tree.links.new(_vignette(tree).outputs["Color"], backdrop.inputs["Color"])
    tree.links.new(rays.outputs["Is Camera Ray"], mix.inputs[0])
    tree.links.new(ambient.outputs["Background"], mix.inputs[1])
    tree.links.new(backdrop.outputs["Background"], mix.inputs[2])
    tree.links.new(mix.outputs["Shader"], output.inputs["Surface"])
    return world


def _vignette(tree: bpy.types.NodeTree) -> bpy.types.Node:
    """Return a colour ramp over the distance from the middle of the picture."""
    coordinates = tree.nodes.new("ShaderNodeTexCoord")
    distance = tree.nodes.new("ShaderNodeVectorMath")
    distance.operation = "DISTANCE"
    distance.inputs[1].default_value = (0.5, 0.55, 0.0)
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.interpolation = "EASE"
    for element, color in zip(ramp.color_ramp.elements, BACKDROP, strict=True):
        element.color = (*color, 1.0)
    tree.links.new(coordinates.outputs["Window"], distance.inputs[0])
    tree.links.new(distance.outputs["Value"], ramp.inputs["Fac"])
    return ramp


def _add_light(
    scene: bpy.types.Scene, light: Light, center: Vector, height: float
) -> list[bpy.types.ID]:
    data = bpy.data.lights.new("Light", "AREA")
    data.shape = "DISK"
    data.size = light.width * height
    data.energy = light.power * KEY_WATTS * height**2 * light.distance**2
    data.color = light.color
    item = bpy.data.objects.new("Light", data)
    direction = _direction(light.azimuth, light.elevation)
    item.location = center + direction * (light.distance * height)
    item.rotation_euler = direction.to_track_quat("Z", "Y").to_euler()
    scene.collection.objects.link(item)
    return [item, data]


def _place_camera(
    camera: bpy.types.Object, view: View, center: Vector, height: float, size: tuple[int, int]
) -> None:
    """Put the camera so far that the head's height fills the picture but for the margin."""
    width_pixels, height_pixels = size
    sensor = 36.0 * min(1.0, height_pixels / width_pixels)  # mm, along the picture's height
    distance = MARGIN * height * FOCAL_LENGTH / sensor
    direction = _direction(view.azimuth, view.elevation)
    camera.location = center + direction * distance
    camera.rotation_euler = direction.to_track_quat("Z", "Y").to_euler()


def _direction(azimuth: float, elevation: float) -> Vector:
    """Return the unit vector from the head; 0, 0 is straight ahead (-y), azimuth goes to +x."""
    across, up = math.radians(azimuth), math.radians(elevation)
    return Vector((math.sin(across) * math.cos(up), -math.cos(across) * math.cos(up), math.sin(up)))
