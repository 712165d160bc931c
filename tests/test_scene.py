"""A rigged head as Blender data: structure, geometry, keys, weights, images, metadata."""

from __future__ import annotations

import io

import numpy as np
import pytest

from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.png import encode_png

bpy = pytest.importorskip("bpy")

from avatarmmc_blender import metadata as metadata_module  # noqa: E402
from avatarmmc_blender.expression_presets import LAYERS, PRESETS  # noqa: E402
from avatarmmc_blender.expressions import apply_preset, preset_weights  # noqa: E402
from avatarmmc_blender.placement import bounds, free_offset  # noqa: E402
from avatarmmc_blender.scene import NewHead, build_scene, build_steps, head_name  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_scene")
METADATA = {"version": "9.9.9", "seed": "42"}
DATA = ("objects", "meshes", "armatures", "materials", "images", "collections", "shape_keys")


def data_counts():
    return {kind: len(getattr(bpy.data, kind)) for kind in DATA}


@pytest.fixture
def collection(empty_scene, rigged_head):
    return build_scene(rigged_head, head_name(42), METADATA)


def test_one_collection_with_skinned_parts(collection, rigged_head):
    rig = collection.objects["Avatar 0042"]
    assert collection.name == "Avatar 0042"
    assert collection.name in bpy.context.scene.collection.children
    assert [bone.name for bone in rig.data.bones] == list(rigged_head.joint_names)
    assert [bone.parent.name if bone.parent else None for bone in rig.data.bones] == [
        None, "root", "neck", "neck", "neck",
    ]  # fmt: skip
    for bone, joint in zip(rig.data.bones, rigged_head.joints, strict=True):
        np.testing.assert_allclose(bone.head_local, joint, atol=1e-6)
    for part in rigged_head.parts:
        item = collection.objects[part.name]
        assert item.parent == rig
        assert [modifier.object for modifier in item.modifiers] == [rig]


def test_geometry_is_kept_exactly(collection, rigged_head):
    for part in rigged_head.parts:
        mesh = collection.objects[part.name].data
        assert not mesh.validate()
        read = np.empty(part.vertices.size, np.float32)
        mesh.vertices.foreach_get("co", read)
        np.testing.assert_array_equal(read.reshape(-1, 3), part.vertices)
        corners = np.empty(part.uvs.size, np.float32)
        mesh.uv_layers.active.data.foreach_get("uv", corners)
        np.testing.assert_array_equal(corners.reshape(part.uvs.shape), part.uvs)


def test_shape_keys_have_arkit_names_in_order(collection, rigged_head):
    blocks = collection.objects["Head"].data.shape_keys.key_blocks
    assert [block.name for block in blocks] == ["Basis", *EXPRESSIONS]
    offsets = rigged_head.parts[0].shape_keys["jawOpen"]
    read = np.empty(offsets.size, np.float32)
    blocks["jawOpen"].data.foreach_get("co", read)
    expected = rigged_head.parts[0].vertices + offsets
    np.testing.assert_allclose(read.reshape(-1, 3), expected, atol=1e-7)


def test_other_parts_follow_the_face(collection):
    face, hair = collection.objects["Head"], collection.objects["Hair"]
    face.data.shape_keys.key_blocks["jawOpen"].value = 0.7
    graph = bpy.context.evaluated_depsgraph_get()
    followed = hair.evaluated_get(graph).data.shape_keys.key_blocks["jawOpen"].value
    assert followed == pytest.approx(0.7)


def test_weights_sum_to_one(collection):
    for item in (item for item in collection.objects if item.type == "MESH"):
        sums = [sum(group.weight for group in vertex.groups) for vertex in item.data.vertices]
        np.testing.assert_allclose(sums, 1.0, atol=1e-6)


def test_jaw_bone_moves_the_lower_face(collection):
    rig, face = collection.objects["Avatar 0042"], collection.objects["Head"]
    before = posed_vertices(face)
    rig.pose.bones["jaw"].rotation_mode = "XYZ"
    rig.pose.bones["jaw"].rotation_euler.x = -0.3
    bpy.context.view_layer.update()
    moved = np.linalg.norm(posed_vertices(face) - before, axis=1)
    assert moved[before[:, 2] > 0.02].max() < 1e-6
    assert moved[before[:, 2] < -0.08].min() > 1e-3


def posed_vertices(item):
    mesh = item.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    read = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", read)
    return read.reshape(-1, 3).copy()


def test_texture_is_packed_and_upright(collection, rigged_head):
    expected = rigged_head.parts[0].materials[0].image
    image = bpy.data.images["Skin Color"]
    assert image.packed_file is not None
    height, width = expected.shape[:2]
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    upright = pixels.reshape(height, width, 4)[::-1, :, :3]  # Blender's row 0 is the bottom
    np.testing.assert_allclose(upright * 255.0, expected, atol=0.51)


@pytest.mark.parametrize("channels", [3, 4])
def test_png_holds_the_pixels(channels):
    image_module = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (19, 31, channels), dtype=np.uint8)
    decoded = np.asarray(image_module.open(io.BytesIO(encode_png(pixels))))
    np.testing.assert_array_equal(decoded, pixels)


def test_png_rejects_what_is_not_an_image():
    with pytest.raises(ValueError, match="uint8"):
        encode_png(np.zeros((4, 4, 3), np.float32))


def test_metadata_on_collection_and_rig(collection):
    for owner in (collection, collection.objects["Avatar 0042"]):
        assert owner["avatarmmc_seed"] == "42"
        assert owner["avatarmmc_version"] == "9.9.9"


def test_latent_survives_as_text():
    latent = np.random.default_rng(0).normal(size=104).astype(np.float32)
    text = metadata_module.encode_latent(latent)
    np.testing.assert_array_equal(metadata_module.decode_latent(text), latent)


def test_abandoned_build_leaves_nothing(rigged_head):
    before = data_counts()
    for steps_done in range(1, 4):
        steps = build_steps([NewHead(rigged_head, "Avatar 0001", METADATA)])
        for _ in range(steps_done):
            next(steps)
        steps.close()
        assert data_counts() == before


def test_invalid_faces_are_refused_and_leave_nothing(rigged_head):
    before = data_counts()
    rigged_head.parts[-1].faces[0] = rigged_head.parts[-1].faces[0][0]
    with pytest.raises(ValueError, match="Hair"):
        build_scene(rigged_head, "Avatar 0001", METADATA)
    assert data_counts() == before


def test_second_head_stands_beside_the_first(collection, rigged_head):
    second = build_scene(rigged_head, head_name(42), METADATA)
    bpy.context.view_layer.update()
    _, first_high = bounds(list(collection.objects))
    second_low, _ = bounds(list(second.objects))
    assert second.name != collection.name
    assert second_low[0] > first_high[0]


def test_first_head_stands_at_the_origin(collection):
    assert tuple(collection.objects["Avatar 0042"].location) == (0.0, 0.0, 0.0)


def test_free_offset_passes_every_obstacle():
    low, high = np.full(3, -0.1), np.full(3, 0.1)
    row = [(low + [x, 0, 0], high + [x, 0, 0]) for x in (0.25, 0.0, 5.0)]
    assert free_offset(low, high, row) == pytest.approx(0.35 + 0.1 + 0.1)
    assert free_offset(low, high, []) == 0.0


def test_presets_name_real_shapes_of_their_layer():
    for name, preset in PRESETS.items():
        for shape, weight in preset_weights(name).items():
            assert shape in EXPRESSIONS
            assert shape.startswith(LAYERS[preset.layer])
            assert 0.0 < weight <= 1.0


def test_gaze_is_laid_over_a_smile(collection):
    face = collection.objects["Head"]
    blocks = face.data.shape_keys.key_blocks
    apply_preset(face, "smile", 0.5)
    apply_preset(face, "look_left")
    assert blocks["mouthSmileLeft"].value == pytest.approx(0.35)
    assert blocks["eyeLookOutLeft"].value == 1.0
    apply_preset(face, "neutral")
    assert blocks["mouthSmileLeft"].value == 0.0
    assert blocks["eyeLookOutLeft"].value == 1.0


def test_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="neutral"):
        preset_weights("no such preset")
