"""A rigged head becomes a collection: armature, skinned meshes, shape keys, materials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import bpy

from .armature import create_armature
from .materials import create_material, encode_images
from .mesh_object import create_mesh_object, follow_shape_keys
from .meshing.rigged_head import RiggedHead
from .metadata import PART_KEY, store_metadata
from .placement import place_beside_others
from .pose_drivers import drive_pose_keys

RAW_SURFACE_PART = "Raw Surface"


def head_name(seed: int) -> str:
    """Return the name of the head of `seed`, e.g. "Avatar 0042"."""
    return f"Avatar {seed:04d}"


def build_scene(
    head: RiggedHead,
    name: str,
    metadata: Mapping[str, str] | None = None,
    images: Mapping[str, bytes] | None = None,
) -> bpy.types.Collection:
    """Add `head` to the current scene as a new collection and return it.

    metadata: custom properties as `head_metadata` makes them.  images: PNG files as
    `encode_images` makes them.  The head stands at the origin, or beside what is there.  If
    anything fails the scene is left as it was.
    """
    steps = build_steps(head, name, metadata or {}, images)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def build_steps(
    head: RiggedHead,
    name: str,
    metadata: Mapping[str, str],
    images: Mapping[str, bytes] | None = None,
) -> Iterator[float]:
    """Do the work of `build_scene` in short steps, yielding the finished fraction (0 to 1).

    Nothing is visible before the last step.  Closing the generator, or an error in it, removes
    what was made so far.  Returns the collection.
    """
    created: list[bpy.types.ID] = []
    try:
        return (yield from _steps(head, name, metadata, images, created))
    except BaseException:
        bpy.data.batch_remove(created)
        raise


def build_all_steps(
    heads: Sequence[tuple[RiggedHead, str, Mapping[str, str], Mapping[str, bytes] | None]],
) -> Iterator[float]:
    """Do the work of `build_steps` for several (head, name, metadata, images), all or none."""
    created: list[bpy.types.ID] = []
    try:
        for index, head in enumerate(heads):
            for built in _steps(*head, created):
                yield (index + built) / len(heads)
    except BaseException:
        bpy.data.batch_remove(created)
        raise


def _steps(
    head: RiggedHead,
    name: str,
    metadata: Mapping[str, str],
    images: Mapping[str, bytes] | None,
    created: list[bpy.types.ID],
) -> Iterator[float]:
    scene = bpy.context.scene
    images = encode_images(head) if images is None else images
    face, *others = head.parts
    extras = [] if head.raw_surface is None else [head.raw_surface]
    parts = [*others, *extras, face]  # the face last: what waits for it finds a whole head
    total = len(parts) + 1

    collection = bpy.data.collections.new(name)
    created.append(collection)
    rig = create_armature(collection.name, head, created)
    collection.objects.link(rig)
    store_metadata(collection, metadata)
    store_metadata(rig, metadata)
    yield 1 / total

    materials: dict[str, bpy.types.Material] = {}
    objects: list[bpy.types.Object] = []
    for index, part in enumerate(parts):
        for material in part.materials:
            if material.name not in materials:
                materials[material.name] = create_material(material, images, created)
        item = create_mesh_object(part, head.joint_names, materials, created)
        objects.append(item)
        collection.objects.link(item)
        item[PART_KEY] = RAW_SURFACE_PART if part is head.raw_surface else part.name
        item.parent = rig
        item.modifiers.new("Armature", "ARMATURE").object = rig
        if part is head.raw_surface:  # for inspection and export by hand, not seen at first
            item.hide_viewport = item.hide_render = True
        if part is not face:
            yield (index + 2) / total

    for item in objects[:-1]:
        follow_shape_keys(item, leader=objects[-1])
    drive_pose_keys(objects[-1], rig, face.pose_keys)
    scene.collection.children.link(collection)
    bpy.context.view_layer.update()
    place_beside_others(rig, objects)
    _make_active(objects[-1])
    return collection


def _make_active(item: bpy.types.Object) -> None:
    view_layer = bpy.context.view_layer
    if item.name not in view_layer.objects:
        return
    for other in view_layer.objects.selected:
        other.select_set(False)
    item.select_set(True)
    view_layer.objects.active = item
