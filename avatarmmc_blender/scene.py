"""A rigged head becomes a collection: armature, skinned meshes, shape keys, materials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import bpy

from .armature import create_armature
from .materials import create_material, encode_images
from .mesh_object import create_mesh_object, follow_shape_keys
from .meshing.rigged_head import RiggedHead
from .metadata import PART_KEY, store_metadata
from .placement import place_beside_others
from .pose_drivers import drive_pose_keys

RAW_SURFACE_PART = "Raw Surface"


@dataclass(frozen=True)
class NewHead:
    """A head on its way into a scene.

    metadata: custom properties as `head_metadata` makes them; images: PNG files as
    `encode_images` makes them, None to make them now.
    """

    rigged: RiggedHead
    name: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, bytes] | None = None


@dataclass(frozen=True)
class _BuiltHead:
    collection: bpy.types.Collection
    rig: bpy.types.Object
    objects: list[bpy.types.Object]  # the face last


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

    The head stands at the origin, or beside what is there.  If anything fails the scene is left
    as it was.
    """
    return build_all([NewHead(head, name, metadata or {}, images)])[0]


def build_all(heads: Sequence[NewHead]) -> list[bpy.types.Collection]:
    """Add heads to the current scene side by side, all or none; return their collections."""
    steps = build_steps(heads)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def build_steps(heads: Sequence[NewHead]) -> Iterator[float]:
    """Do the work of `build_all` in short steps, yielding the finished fraction (0 to 1).

    Nothing is visible before the last step.  Closing the generator, or an error in it, removes
    what was made so far.  Returns the collections.
    """
    # of each head its own: heads share no image, though names of their images are the same
    created: list[list[bpy.types.ID]] = []
    built: list[_BuiltHead] = []
    try:
        for index, head in enumerate(heads):
            created.append([])
            for fraction in _make(head, created[-1], built):
                yield (index + fraction) / len(heads)
        for head in built:
            bpy.context.scene.collection.children.link(head.collection)
            bpy.context.view_layer.update()
            place_beside_others(head.rig, head.objects)
        _select([head.objects[-1] for head in built])
        return [head.collection for head in built]
    except BaseException:
        bpy.data.batch_remove([item for items in created for item in items])
        raise


def _make(head: NewHead, created: list[bpy.types.ID], built: list[_BuiltHead]) -> Iterator[float]:
    """Make the data of a head, in no scene yet, and append it to `built`."""
    rigged = head.rigged
    images = encode_images(rigged) if head.images is None else head.images
    face, *others = rigged.parts
    extras = [] if rigged.raw_surface is None else [rigged.raw_surface]
    parts = [*others, *extras, face]  # the face last: what waits for it finds a whole head
    total = len(parts) + 1

    collection = bpy.data.collections.new(head.name)
    created.append(collection)
    rig = create_armature(collection.name, rigged, created)
    collection.objects.link(rig)
    store_metadata(collection, head.metadata)
    store_metadata(rig, head.metadata)
    yield 1 / total

    materials: dict[str, bpy.types.Material] = {}
    objects: list[bpy.types.Object] = []
    for index, part in enumerate(parts):
        for material in part.materials:
            if material.name not in materials:
                materials[material.name] = create_material(material, images, created)
        item = create_mesh_object(part, rigged.joint_names, materials, created)
        objects.append(item)
        collection.objects.link(item)
        item[PART_KEY] = RAW_SURFACE_PART if part is rigged.raw_surface else part.name
        item.parent = rig
        item.modifiers.new("Armature", "ARMATURE").object = rig
        if part is rigged.raw_surface:  # for inspection and export by hand, not seen at first
            item.hide_viewport = item.hide_render = True
        yield (index + 2) / total

    for item in objects[:-1]:
        follow_shape_keys(item, leader=objects[-1])
    drive_pose_keys(objects[-1], rig, face.pose_keys)
    built.append(_BuiltHead(collection, rig, objects))


def _select(items: Sequence[bpy.types.Object]) -> None:
    """Select `items` alone, the first of them active."""
    view_layer = bpy.context.view_layer
    shown = [item for item in items if item.name in view_layer.objects]
    if not shown:
        return
    for other in view_layer.objects.selected:
        other.select_set(False)
    for item in shown:
        item.select_set(True)
    view_layer.objects.active = shown[0]
