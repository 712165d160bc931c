"""Heads as GLB files, made once for each version of the weights, and pictures of these files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import bpy

from avatarmmc_blender.backend.generator.weights import weights_hash
from avatarmmc_blender.export import export_head
from avatarmmc_blender.generate_task import add_to_scene
from avatarmmc_blender.metadata import find_rig
from avatarmmc_blender.pipeline import generate
from avatarmmc_blender.preview import View, render_objects
from avatarmmc_blender.settings import GenerateSettings

CACHE = Path("out") / "pictures"
FRONT = View(azimuth=0.0)
THREE_QUARTER = View(azimuth=38.0)


def head_file(settings: GenerateSettings) -> Path:
    """Return the GLB of the head of `settings`, made if it is not there yet."""
    request = json.dumps(settings.as_dict(), sort_keys=True) + weights_hash()
    path = CACHE / f"{hashlib.sha256(request.encode()).hexdigest()[:16]}.glb"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        generated = generate(settings)[0]
        bpy.ops.wm.read_factory_settings(use_empty=True)
        collection = add_to_scene(generated)
        export_head(find_rig(collection.objects[0]), path)
    return path


def render_file(
    glb: Path,
    shots: list[tuple[View, Path]],
    expression: dict[str, float] | None = None,
    size: tuple[int, int] = (320, 400),
    samples: int = 24,
) -> None:
    """Import `glb` into an empty Blender, set shape keys and render it from each view."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(glb))
    rig = next(item for item in bpy.data.objects if item.type == "ARMATURE")
    meshes = [item for item in rig.children_recursive if item.type == "MESH"]
    for item in meshes:
        if item.data.shape_keys is not None:
            for name, weight in (expression or {}).items():
                if name in item.data.shape_keys.key_blocks:
                    item.data.shape_keys.key_blocks[name].value = weight
    for _, path in shots:
        path.parent.mkdir(parents=True, exist_ok=True)
    render_objects([rig, *meshes], shots, size, samples)
