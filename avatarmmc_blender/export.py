"""Export of one head to GLB, FBX or .blend: written aside, then moved into place."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import bpy

from .errors import AvatarError
from .files import check_file
from .metadata import PART_KEY, head_parts
from .scene import RAW_SURFACE_PART

SUFFIXES = (".glb", ".fbx", ".blend")


def export_head(rig: bpy.types.Object, path: Path) -> None:
    """Write the head of armature `rig` to `path`; the suffix chooses GLB, FBX or .blend.

    The head is written standing at the origin, wherever it stands in the scene; scene, selection
    and mode stay as they are.  `path` is replaced only by a complete file.  Raises AvatarError
    with a remedy if it cannot be written.
    """
    path = Path(path).absolute()
    check_file(path, SUFFIXES)
    write = {".glb": _write_glb, ".fbx": _write_fbx, ".blend": _write_blend}[path.suffix.lower()]
    folder = Path(tempfile.mkdtemp(prefix=".avatarmmc-", dir=path.parent))
    try:
        aside = folder / path.name
        # The FBX exporter prints its progress.
        with _object_mode(), _at_origin(rig), redirect_stdout(io.StringIO()):
            with _only_this_head(rig) as collection:
                write(aside, collection)
        if not aside.is_file():
            raise AvatarError(f"Blender wrote no file for {path}: see its console for the reason.")
        os.replace(aside, path)
    except (OSError, RuntimeError) as error:
        raise AvatarError(f"Cannot write {path}: {_first_line(error)}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


@contextmanager
def _object_mode() -> Iterator[None]:
    """Leave the active object's mode, which exporters demand, and come back to it."""
    active = bpy.context.view_layer.objects.active
    mode = "OBJECT" if active is None else active.mode
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    try:
        yield
    finally:
        if mode != "OBJECT":
            bpy.ops.object.mode_set(mode=mode)


@contextmanager
def _at_origin(rig: bpy.types.Object) -> Iterator[None]:
    """Stand the head at the origin: where it was put beside others is of no use to the file."""
    location = rig.location.copy()
    try:
        if rig.parent is None:
            rig.location = (0.0, 0.0, 0.0)
        yield
    finally:
        rig.location = location


@contextmanager
def _only_this_head(rig: bpy.types.Object) -> Iterator[bpy.types.Collection]:
    """Give a passing collection with the armature and its meshes, without the raw surface."""
    collection = bpy.data.collections.new("AvatarMMC export")
    try:
        collection.objects.link(rig)
        for part in head_parts(rig):
            if part.get(PART_KEY) != RAW_SURFACE_PART:
                collection.objects.link(part)
        with _keys_animated_alike(head_parts(rig)):
            yield collection
    finally:
        bpy.data.collections.remove(collection)


@contextmanager
def _keys_animated_alike(parts: list[bpy.types.Object]) -> Iterator[None]:
    """Let the parts play the face's action themselves while the exporters sample them.

    The exporters look for actions and pass over drivers that read another object's key.
    """
    face, *others = (part.data.shape_keys for part in parts if part.data.shape_keys)
    animation = face.animation_data
    followers = []
    if animation is not None and animation.action is not None:
        followers = [keys for keys in others if keys.animation_data is not None]
    followers = [keys for keys in followers if keys.animation_data.action is None]
    try:
        for keys in followers:
            for driver in keys.animation_data.drivers:
                driver.mute = True
            keys.animation_data.action = animation.action
            if hasattr(animation, "action_slot"):  # Blender 4.4 and later
                keys.animation_data.action_slot = animation.action_slot
        yield
    finally:
        for keys in followers:
            keys.animation_data.action = None
            for driver in keys.animation_data.drivers:
                driver.mute = False


def _write_glb(path: Path, collection: bpy.types.Collection) -> None:
    bpy.ops.export_scene.gltf(
        filepath=str(path),
        check_existing=False,
        export_format="GLB",
        collection=collection.name,
        export_apply=False,
        export_skins=True,
        export_morph=True,
        export_morph_normal=True,
        export_extras=True,
        export_animations=True,
        export_animation_mode="ACTIVE_ACTIONS",
        export_yup=True,
    )


def _write_fbx(path: Path, collection: bpy.types.Collection) -> None:
    bpy.ops.export_scene.fbx(
        filepath=str(path),
        check_existing=False,
        collection=collection.name,
        object_types={"ARMATURE", "MESH"},
        add_leaf_bones=False,
        use_custom_props=True,
        path_mode="COPY",
        embed_textures=True,
        bake_anim=any(_is_animated(item) for item in collection.objects),
        # With strips or all actions the exporter drops animation of shape keys alone.
        bake_anim_use_nla_strips=False,
        bake_anim_use_all_actions=False,
    )


def _is_animated(item: bpy.types.Object) -> bool:
    keys = item.data.shape_keys if item.type == "MESH" else None
    return any(
        owner is not None and owner.animation_data is not None and owner.animation_data.action
        for owner in (item, keys)
    )


def _write_blend(path: Path, collection: bpy.types.Collection) -> None:
    """Write a file whose scene holds the head's collection and nothing else of the user's."""
    rig = next(item for item in collection.objects if item.type == "ARMATURE")
    scene = bpy.data.scenes.new(rig.name)
    try:
        scene.collection.children.link(_home_collection(rig, collection))
        scene.render.fps = bpy.context.scene.render.fps
        scene.frame_end = bpy.context.scene.frame_end
        bpy.data.libraries.write(str(path), {scene}, compress=True, path_remap="NONE")
    finally:
        bpy.data.scenes.remove(scene)


def _home_collection(rig: bpy.types.Object, fallback: bpy.types.Collection) -> bpy.types.Collection:
    """Return the collection that the head was made in, with its metadata."""
    homes = [item for item in rig.users_collection if item.name == rig.name]
    return homes[0] if homes else fallback
