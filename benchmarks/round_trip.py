"""Exported heads read back: vertices, shape keys, joints, textures and validators.

    python -m benchmarks.round_trip [--heads 3]

Every exported mesh is imported again and compared vertex by vertex with the part it came from, at
rest and at each shape key. The Khronos validator runs where Node.js finds the npm package
gltf-validator, ufbx where it is installed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import bpy
import numpy as np
from scipy.spatial import cKDTree

from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.export import export_head
from avatarmmc_blender.generate_task import add_to_scene
from avatarmmc_blender.meshing.rigged_head import Part, RiggedHead
from avatarmmc_blender.metadata import find_rig
from avatarmmc_blender.pipeline import generate
from avatarmmc_blender.settings import GenerateSettings

from .field_accuracy import HELD_OUT_SEED
from .file_checks import RoundTrip, read_with_ufbx, validate_glb

SUFFIXES = (".glb", ".fbx")
CANDIDATES = 12  # nearest vertices at rest among which the whole set of keys decides


def measure(heads: int = 3, resolution: int = 128, texture: int = 256) -> list[RoundTrip]:
    """Return one result for each held-out head and format; the scene is replaced."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(HELD_OUT_SEED, HELD_OUT_SEED + heads):
            settings = GenerateSettings(seed, resolution=resolution, texture=texture)
            generated = generate(settings)[0]
            bpy.ops.wm.read_factory_settings(use_empty=True)
            rig = find_rig(add_to_scene(generated).objects[0])
            paths = [Path(folder) / f"{seed}{suffix}" for suffix in SUFFIXES]
            for path in paths:
                export_head(rig, path)
            results += [read_back(path, generated.rigged) for path in paths]
    return results


def read_back(path: Path, head: RiggedHead) -> RoundTrip:
    """Import a file into an empty scene and compare it with the head it was made from."""
    objects = _import(path)
    height = float(np.ptp(head.parts[0].vertices[:, 2]))
    errors = [_part_errors(part, objects[part.name]) for part in head.parts]
    face = objects["Head"]
    blocks = face.data.shape_keys.key_blocks.keys()[1:]
    return RoundTrip(
        suffix=path.suffix,
        rest_error=max(rest for rest, _ in errors) / height,
        key_error=max(keys for _, keys in errors) / height,
        joints=len(face.find_armature().data.bones),
        keys=len(blocks) if blocks == list(EXPRESSIONS) else 0,
        textures=sum(image.size[0] > 0 for image in bpy.data.images),
        validator=validate_glb(path) if path.suffix == ".glb" else read_with_ufbx(path),
    )


def _import(path: Path) -> dict[str, bpy.types.Object]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    importer = bpy.ops.import_scene.gltf if path.suffix == ".glb" else bpy.ops.import_scene.fbx
    importer(filepath=str(path))
    bpy.context.view_layer.update()
    skinned = (item for item in bpy.data.objects if item.type == "MESH" and item.vertex_groups)
    return {item.name.split(".")[0]: item for item in skinned}


def _part_errors(part: Part, item: bpy.types.Object) -> tuple[float, float]:
    """Greatest error (m) at rest and over all keys between a part and its imported object.

    Importers split vertices at seams and change their order: each imported vertex is matched to
    the one that agrees best at rest and in all keys, and each of the part's must be matched too.
    """
    names = list(part.shape_keys)
    ours = np.stack([part.vertices] + [part.vertices + part.shape_keys[n] for n in names], axis=1)
    theirs = np.stack([_positions(item)] + [_positions(item, name) for name in names], axis=1)
    errors = np.maximum(_match(theirs, ours).max(axis=0), _match(ours, theirs).max(axis=0))
    return float(errors[0]), float(errors[1:].max()) if names else 0.0


def _match(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Distances (N, K) of states `points` (N, K, 3) to the target that agrees best in all."""
    _, near = cKDTree(targets[:, 0]).query(points[:, 0], min(CANDIDATES, len(targets)))
    near = near.reshape(len(points), -1)
    best = np.full((len(points), points.shape[1]), np.inf)
    for column in near.T:
        away = np.linalg.norm(points - targets[column], axis=2)
        better = away.max(axis=1) < best.max(axis=1)
        best[better] = away[better]
    return best


def _positions(item: bpy.types.Object, key: str | None = None) -> np.ndarray:
    source = item.data.vertices if key is None else item.data.shape_keys.key_blocks[key].data
    read = np.empty(3 * len(source), np.float32)
    source.foreach_get("co", read)
    matrix = np.array(item.matrix_world)
    return read.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def main() -> None:
    """Print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", type=int, default=3)
    arguments = parser.parse_args()
    for result in measure(arguments.heads):
        print(result)


if __name__ == "__main__":
    main()
