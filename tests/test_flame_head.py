"""A field becomes a FLAME-rigged head: fit, bake, keys, joints; and poses in Blender like FLAME."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatarmmc_blender.backend.head_model.skinning import pose_offsets, rotation_matrices, skin
from avatarmmc_blender.backend.official.flame import FlameModel
from avatarmmc_blender.meshing.flame_fit import depth_shift, fit_flame
from avatarmmc_blender.meshing.flame_head import assemble_flame_head
from avatarmmc_blender.meshing.geometry import NearestOnMesh, vertex_normals
from avatarmmc_blender.meshing.rigged_head import RiggedHead
from avatarmmc_blender.meshing.surface import Mesh
from avatarmmc_blender.official_motion import Motion, loop, rig_vertices
from avatarmmc_blender.template import MODEL_FROM_FLAME, template_from_flame
from tests.flame_sample import egg, flame_arrays, landmark_arrays

DEPTH = 0.03  # metres that the sample's surface lies behind the template


class PaintedField:
    """Colour by position; the surface is met wherever it is near the sample's surface."""

    def __init__(self, surface: Mesh) -> None:
        self.nearest = NearestOnMesh(surface.vertices, surface.faces)

    def seen_color(self, points, normals):
        _, _, distance = self.nearest.query(points)
        color = np.column_stack([points[:, 0] * 3 + 0.5, np.full(len(points), 0.4), points[:, 2]])
        return color, distance < 0.02


@pytest.fixture(scope="module")
def flame():
    vertices, faces = egg()
    return FlameModel.from_file(flame_arrays(vertices, faces), *landmark_arrays(vertices, faces))


@pytest.fixture(scope="module")
def template(flame):
    return template_from_flame(flame)


@pytest.fixture(scope="module")
def surface(template):
    """The head of known coefficients, farther back, with 10 mm of hair on the scalp."""
    betas = np.random.default_rng(4).normal(size=12)
    vertices = template.rest + np.tensordot(betas, template.shapes, axes=1)
    hair = np.clip((vertices[:, 2] - 0.08) / 0.02, 0, 1)
    vertices = vertices + 0.01 * hair[:, None] * vertex_normals(vertices, template.faces)
    return Mesh(vertices + [0, DEPTH, 0], template.faces)


@pytest.fixture(scope="module")
def head(template, surface) -> RiggedHead:
    return assemble_flame_head(PaintedField(surface), surface, template, texture=128)


def test_depth_is_found_from_the_front(template):
    assert abs(depth_shift(template.rest + [0, DEPTH, 0], template) - DEPTH) < 0.003


def test_fit_lies_on_the_face_and_goes_out_to_the_hair(template, surface):
    fitted = fit_flame(surface, template)
    _, _, distance = NearestOnMesh(surface.vertices, surface.faces).query(fitted.vertices)
    used = np.unique(template.faces)
    on_face, on_scalp = template.face > 0.5, (template.rest[:, 2] > 0.1) & (template.eye == 0)
    assert distance[on_face].mean() < 0.0005
    assert distance[np.intersect1d(used, np.flatnonzero(on_scalp))].mean() < 0.003
    assert fitted.residual == pytest.approx(distance[on_face].mean(), abs=1e-5)


def test_eyeballs_stay_as_they_are(template, surface):
    fitted = fit_flame(surface, template)
    shaped = template.rest + np.tensordot(fitted.betas, template.shapes, axes=1)
    for eye in (3, 4):
        moved = (fitted.vertices - shaped)[template.eye == eye]
        assert len(moved) > 10 and np.ptp(moved, axis=0).max() < 1e-9


def test_noise_still_makes_a_finite_head(template):
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.15, 0.15, (6000, 3))
    noise = Mesh(points, rng.permutation(6000).reshape(-1, 3))
    fitted = fit_flame(noise, template)
    assert np.isfinite(fitted.vertices).all()
    assert np.abs(fitted.vertices - template.rest).max() < 0.3


def test_a_surface_elsewhere_is_refused(template, surface):
    elsewhere = replace(surface, vertices=surface.vertices + [0.5, 0, 0])
    with pytest.raises(ValueError, match="covers 0% of the face"):
        fit_flame(elsewhere, template)


def test_head_has_the_mesh_joints_and_keys_of_flame(head, template):
    (part,) = head.parts
    assert part.vertices.shape == (5023, 3) and np.isfinite(part.vertices).all()
    assert np.array_equal(part.faces, template.faces)
    assert np.allclose(part.weights.sum(1), 1.0, atol=1e-5)
    names = list(part.shape_keys)
    assert len(names) == 12 + 6 + 36
    assert names[0] == "Shape_001" and names[12] == "Expression_001" and names[-1] == "Pose_036"
    assert head.joints.shape == (5, 3)
    assert part.pose_keys["Pose_010"].joint == "jaw"


def test_bake_has_the_colours_of_the_field(head, template):
    image = head.parts[0].materials[0].image
    assert image.shape == (128, 128, 3) and image.dtype == np.uint8
    assert abs(np.median(image[..., 1]) - 0.4 * 255) < 2


def test_an_empty_field_is_explained(template, surface):
    field = PaintedField(replace(surface, vertices=surface.vertices + [1.0, 0, 0]))
    with pytest.raises(ValueError, match="empty where the head's skin is"):
        assemble_flame_head(field, surface, template, texture=128)


def test_cancel_goes_through(template, surface):
    def callback(stage, fraction):
        if stage == "bake":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assemble_flame_head(PaintedField(surface), surface, template, 128, callback=callback)


@pytest.mark.parametrize("part_of_motion", ["expression", "jaw"])
def test_rig_moves_as_flame_does(flame, template, surface, head, part_of_motion):
    """The unfitted head, rigged, in a moment: the vertices of FLAME itself."""
    part = replace(head.parts[0], vertices=template.rest.astype(np.float32))
    rest = replace(head, parts=(part,), joints=template.joint_regressor @ template.rest)
    moment = loop(8)[3]
    if part_of_motion == "jaw":
        moment = Motion(np.zeros(4), moment.jaw)
    else:
        moment = Motion(moment.expression, np.zeros(3))
    mesh = flame.generator_mesh(
        torch.zeros(1, 1),
        torch.from_numpy(moment.expression)[None].float(),
        torch.from_numpy(moment.jaw)[None].float(),
    )
    expected = mesh[0, :5023].numpy() @ MODEL_FROM_FLAME.T
    posed = rig_vertices(rest, moment)
    assert np.abs(posed - template.rest).max() > 0.002
    # Weights below 0.002 are dropped from a rig.
    assert np.abs(posed - expected).max() < (1e-6 if part_of_motion == "expression" else 2e-4)


# -- in Blender ------------------------------------------------------------------------------------

POSE = {"neck": (0.2, -0.1, 0.15), "jaw": (0.4, 0.1, 0.0), "left_eye": (0.1, 0.3, 0.0)}


def posed_like_flame(head: RiggedHead, flame: FlameModel) -> np.ndarray:
    """Pose the head's vertices with the project's skinning, in FLAME's frame."""
    turn = torch.from_numpy(MODEL_FROM_FLAME)
    pose = torch.zeros(1, 5, 3, dtype=torch.float64)
    for index, name in enumerate(head.joint_names):
        pose[0, index] = torch.tensor(POSE.get(name, (0.0, 0.0, 0.0)))
    rotations = rotation_matrices(pose)
    vertices = torch.from_numpy(head.parts[0].vertices)[None].double() @ turn
    vertices = vertices + pose_offsets(flame.posedirs.double(), rotations)
    joints = torch.from_numpy(head.joints)[None] @ turn
    weights = torch.from_numpy(head.parts[0].weights).double()
    posed, _ = skin(vertices, joints, rotations, head.joint_parents, weights)
    return (posed[0] @ turn.T).numpy()


def pose_bones(rig, turn: np.ndarray) -> None:
    """Turn the bones by POSE, which is about FLAME's axes."""
    from mathutils import Matrix, Quaternion, Vector

    for name, rotation in POSE.items():
        vector = Vector(turn @ np.array(rotation))
        bone = rig.pose.bones[name]
        axes = bone.bone.matrix_local.to_3x3()
        about_model = Quaternion(vector.normalized(), vector.length).to_matrix()
        bone.rotation_mode = "QUATERNION"
        bone.rotation_quaternion = (Matrix(axes).inverted() @ about_model @ axes).to_quaternion()


def test_bones_drive_the_correctives_as_flame_does(empty_scene, head, flame):
    bpy = empty_scene
    from avatarmmc_blender.scene import build_scene

    collection = build_scene(head, "Avatar", {"version": "test"})
    rig = next(item for item in collection.objects if item.type == "ARMATURE")
    face = next(item for item in collection.objects if item.type == "MESH")
    drivers = face.data.shape_keys.animation_data.drivers
    assert len(drivers) == 36
    assert all(driver.driver.is_simple_expression for driver in drivers)
    pose_bones(rig, MODEL_FROM_FLAME)
    bpy.context.view_layer.update()
    evaluated = face.evaluated_get(bpy.context.evaluated_depsgraph_get())
    moved = np.empty(5023 * 3, np.float32)
    evaluated.data.vertices.foreach_get("co", moved)
    expected = posed_like_flame(head, flame)
    assert np.abs(expected - head.parts[0].vertices).max() > 0.02
    assert np.abs(moved.reshape(-1, 3) - expected).max() < 2e-5


def test_glb_comes_back_with_every_key_and_bone(empty_scene, head, tmp_path):
    bpy = empty_scene
    from avatarmmc_blender.export import export_head
    from avatarmmc_blender.scene import build_scene

    collection = build_scene(head, "Avatar", {"version": "test"})
    rig = next(item for item in collection.objects if item.type == "ARMATURE")
    export_head(rig, tmp_path / "head.glb")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "head.glb"))
    mesh = next(item for item in bpy.data.objects if item.type == "MESH" and item.data.shape_keys)
    names = [block.name for block in mesh.data.shape_keys.key_blocks]
    assert names[1:] == list(head.parts[0].shape_keys)
    bones = next(item for item in bpy.data.armatures).bones
    assert set(bones.keys()) == set(head.joint_names)
    low = np.array([vertex.co for vertex in mesh.data.vertices]).min(0)
    used = np.unique(head.parts[0].faces)
    assert np.allclose(low, head.parts[0].vertices[used].min(0), atol=1e-4)
