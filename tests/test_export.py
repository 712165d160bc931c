"""Exported files: structure, geometry after re-import, animation, and nothing left behind."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys

import numpy as np
import pytest

from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.errors import AvatarError
from tests.sample_head import sample_rigged_head

bpy = pytest.importorskip("bpy")

from avatarmmc_blender.export import export_head  # noqa: E402
from avatarmmc_blender.expressions import apply_preset, insert_keyframes  # noqa: E402
from avatarmmc_blender.scene import build_scene  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_scene")
METADATA = {"version": "9.9.9", "seed": "42", "settings": '{"seed": 42}', "latent": "AAAA"}
SUFFIXES = (".glb", ".fbx", ".blend")

# A normal exit after walking blend deformers crashes ufbx 0.0.5.
READ_FBX = """
import json, os, sys, ufbx
scene = ufbx.load_file(sys.argv[1])
print(json.dumps({
    "meshes": {mesh.name: mesh.num_vertices for mesh in scene.meshes},
    "channels": [[channel.name for channel in item.channels] for item in scene.blend_deformers],
    "textures": [len(texture.content) for texture in scene.textures],
    "animations": len(scene.anim_stacks),
}))
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture
def rig(empty_scene, rigged_head):
    return build_scene(rigged_head, "Avatar 0042", METADATA).objects["Avatar 0042"]


def read_glb(path):
    content = path.read_bytes()
    length = struct.unpack("<I", content[12:16])[0]
    return json.loads(content[20 : 20 + length]), content[28 + length :]


def position_hashes(path):
    document, binary = read_glb(path)
    hashes = []
    for mesh in document["meshes"]:
        for primitive in mesh["primitives"]:
            accessor = document["accessors"][primitive["attributes"]["POSITION"]]
            view = document["bufferViews"][accessor["bufferView"]]
            start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
            data = binary[start : start + 12 * accessor["count"]]
            hashes.append(hashlib.sha256(data).hexdigest())
    return hashes


def animate(rig):
    face = next(item for item in rig.children if item.name == "Head")
    insert_keyframes(face, 1)
    apply_preset(face, "look_left")
    insert_keyframes(face, 10)


def import_file(path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if path.suffix == ".glb":
        bpy.ops.import_scene.gltf(filepath=str(path))
    elif path.suffix == ".fbx":
        bpy.ops.import_scene.fbx(filepath=str(path))
    else:
        bpy.ops.wm.open_mainfile(filepath=str(path))
    skinned = (item for item in bpy.data.objects if item.type == "MESH" and item.vertex_groups)
    return {item.name.split(".")[0]: item for item in skinned}


def world_positions(item, key=None):
    source = item.data.vertices if key is None else item.data.shape_keys.key_blocks[key].data
    read = np.empty(3 * len(source), np.float32)
    source.foreach_get("co", read)
    matrix = np.array(item.matrix_world)
    return read.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def nearest_distances(points, targets):
    differences = points[:, None] - targets[None]
    return np.linalg.norm(differences, axis=2).min(axis=1)


def test_glb_has_joints_targets_texture_and_metadata(rig, tmp_path):
    path = tmp_path / "head.glb"
    export_head(rig, path)
    document, _ = read_glb(path)
    (joints,) = {tuple(skin["joints"]) for skin in document["skins"]}
    names = [document["nodes"][joint]["name"] for joint in joints]
    assert names == ["root", "neck", "jaw", "left_eye", "right_eye"]
    faces = [mesh for mesh in document["meshes"] if len(mesh.get("weights", ())) == 52]
    assert len(faces) == 1
    assert faces[0]["extras"]["targetNames"] == list(EXPRESSIONS)
    assert len(document["images"]) == 2
    owner = next(node for node in document["nodes"] if node["name"] == "Avatar 0042")
    assert owner["extras"]["avatarmmc_settings"] == '{"seed": 42}'
    assert "animations" not in document


def test_fbx_read_by_another_program(rig, tmp_path):
    pytest.importorskip("ufbx")
    path = tmp_path / "head.fbx"
    export_head(rig, path)
    answer = subprocess.run(
        [sys.executable, "-c", READ_FBX, str(path)], capture_output=True, check=True, text=True
    )
    content = json.loads(answer.stdout)
    assert content["meshes"] == {"Head": 192, "Eyes": 192, "Hair": 192}
    assert list(EXPRESSIONS) in content["channels"]
    assert min(content["textures"]) > 100
    assert content["animations"] == 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_reimport_gives_the_same_vertices_and_keys(rig, rigged_head, tmp_path, suffix):
    path = tmp_path / f"head{suffix}"
    export_head(rig, path)
    parts = import_file(path)
    source = rigged_head.parts[0]
    face = parts["Head"]
    blocks = face.data.shape_keys.key_blocks
    assert [block.name for block in blocks][1:] == list(EXPRESSIONS)
    assert [bone.name for bone in face.parent.data.bones] == list(rigged_head.joint_names)
    tolerance = 1e-4 * np.ptp(source.vertices[:, 2])
    for key in ("jawOpen", "tongueOut"):
        expected = np.concatenate([source.vertices, source.vertices + source.shape_keys[key]], 1)
        read = np.concatenate([world_positions(face), world_positions(face, key)], 1)
        assert nearest_distances(read, expected).max() < tolerance
        assert nearest_distances(expected, read).max() < tolerance


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_animation_moves_face_and_eyes(rig, tmp_path, suffix):
    animate(rig)
    path = tmp_path / f"head{suffix}"
    export_head(rig, path)
    parts = import_file(path)
    for name in ("Head", "Eyes"):
        block = parts[name].data.shape_keys.key_blocks["eyeLookOutLeft"]
        bpy.context.scene.frame_set(1)
        still = block.value
        bpy.context.scene.frame_set(14)  # past the end also where frames are converted
        assert (still, block.value) == (pytest.approx(0.0), pytest.approx(1.0))


def test_animated_export_gives_the_drivers_back(rig, tmp_path):
    animate(rig)
    eyes = next(item for item in rig.children if item.name == "Eyes").data.shape_keys
    export_head(rig, tmp_path / "head.glb")
    assert eyes.animation_data.action is None
    assert not any(driver.mute for driver in eyes.animation_data.drivers)


def test_only_the_chosen_head_is_written_and_the_scene_stays(rig, rigged_head, tmp_path):
    build_scene(rigged_head, "Avatar 0007", METADATA)
    selected = {item.name for item in bpy.context.view_layer.objects.selected}
    active = bpy.context.view_layer.objects.active
    counts = [len(bpy.data.objects), len(bpy.data.collections), len(bpy.data.scenes)]
    for suffix in SUFFIXES:
        export_head(rig, tmp_path / f"head{suffix}")
    assert {item.name for item in bpy.context.view_layer.objects.selected} == selected
    assert bpy.context.view_layer.objects.active == active
    assert [len(bpy.data.objects), len(bpy.data.collections), len(bpy.data.scenes)] == counts
    document, _ = read_glb(tmp_path / "head.glb")
    assert len(document["meshes"]) == 3
    parts = import_file(tmp_path / "head.blend")
    assert sorted(parts) == ["Eyes", "Hair", "Head"]
    assert [item.name for item in bpy.data.collections] == ["Avatar 0042"]
    assert bpy.context.scene.collection.children[0]["avatarmmc_seed"] == "42"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("mode", ["EDIT", "POSE"])
def test_mode_and_place_stay_and_the_file_is_at_the_origin(rig, tmp_path, suffix, mode):
    rig.location.x = 1.25
    active = rig if mode == "POSE" else rig.children[0]
    bpy.context.view_layer.objects.active = active
    bpy.ops.object.mode_set(mode=mode)
    path = tmp_path / f"head{suffix}"
    export_head(rig, path)
    assert (active.mode, rig.location.x) == (mode, 1.25)
    parts = import_file(path)
    assert np.abs(world_positions(parts["Head"])[:, 0]).max() < 0.12


def test_hidden_parts_are_written_too(rig, tmp_path):
    rig.children[0].hide_set(True)
    bpy.context.view_layer.layer_collection.children[0].exclude = True
    export_head(rig, tmp_path / "head.glb")
    document, _ = read_glb(tmp_path / "head.glb")
    assert len(document["meshes"]) == 3


def test_same_head_gives_the_same_bytes_of_geometry(rig, tmp_path):
    export_head(rig, tmp_path / "a.glb")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    again = build_scene(sample_rigged_head(), "Avatar 0042", METADATA)
    export_head(again.objects["Avatar 0042"], tmp_path / "b.glb")
    assert position_hashes(tmp_path / "a.glb") == position_hashes(tmp_path / "b.glb")
    assert (tmp_path / "a.glb").read_bytes() == (tmp_path / "b.glb").read_bytes()


@pytest.mark.parametrize(
    ("name", "message"),
    [("head.obj", "end the file name"), ("missing/head.glb", "choose another")],
)
def test_bad_paths_are_refused_in_one_sentence(rig, tmp_path, name, message):
    with pytest.raises(AvatarError, match=message):
        export_head(rig, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_failed_export_keeps_the_old_file(rig, tmp_path, monkeypatch):
    path = tmp_path / "head.glb"
    path.write_text("old")

    def fail(path, collection):
        path.write_text("half")
        raise RuntimeError("Error: disk full")

    monkeypatch.setattr("avatarmmc_blender.export._write_glb", fail)
    with pytest.raises(AvatarError, match="disk full"):
        export_head(rig, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
