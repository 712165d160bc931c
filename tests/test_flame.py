"""FLAME: posing, landmarks, the guiding mesh, and the same head as a template and in Blender."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avatarmmc_blender.backend.official.flame import FlameModel
from avatarmmc_blender.template import template_from_flame
from tests.flame_sample import egg, flame_arrays, landmark_arrays


@pytest.fixture(scope="module")
def flame():
    vertices, faces = egg()
    return FlameModel.from_file(flame_arrays(vertices, faces), *landmark_arrays(vertices, faces))


def by_hand(flame: FlameModel, betas, expression, pose) -> np.ndarray:
    """Pose vertex by vertex with 4x4 matrices in float64, as the published formula reads."""
    from scipy.spatial.transform import Rotation

    def array(tensor):
        return tensor.double().numpy()

    shaped = array(flame.v_template) + array(flame.shapedirs) @ betas
    shaped = shaped + array(flame.exprdirs) @ expression
    joints = array(flame.J_regressor) @ shaped
    turns = Rotation.from_rotvec(pose).as_matrix()
    feature = (turns[1:] - np.eye(3)).ravel()
    posed = shaped + (feature @ array(flame.posedirs)).reshape(-1, 3)
    world = []
    for joint, parent in enumerate(flame.parents):
        local = np.eye(4)
        local[:3, :3] = turns[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0)
        world.append(local if parent < 0 else world[parent] @ local)
    for joint in range(5):
        world[joint] = world[joint] @ np.block([[np.eye(3), -joints[joint][:, None]], [0, 0, 0, 1]])
    blended = np.einsum("vj,jab->vab", array(flame.lbs_weights), np.stack(world))
    return np.einsum("vab,vb->va", blended, np.column_stack([posed, np.ones(len(posed))]))[:, :3]


def test_posing_follows_the_published_formula(flame):
    rng = np.random.default_rng(1)
    betas, expression = rng.normal(size=12), rng.normal(size=6)
    pose = rng.normal(size=(5, 3)) * 0.3
    tensors = [
        torch.tensor(value, dtype=torch.float32)[None] for value in (betas, expression, pose)
    ]
    vertices, _ = flame.forward(*tensors)
    assert np.abs(vertices[0].numpy() - by_hand(flame, betas, expression, pose)).max() < 1e-6


def test_fewer_coefficients_are_those_of_the_first_axes(flame):
    few = flame.shaped(torch.ones(1, 3), torch.ones(1, 2))
    betas, expression = torch.zeros(1, 12), torch.zeros(1, 6)
    betas[:, :3], expression[:, :2] = 1.0, 1.0
    assert torch.allclose(few, flame.shaped(betas, expression), atol=1e-7)
    with pytest.raises(ValueError, match=r"betas: expected shape \(B,12\)"):
        flame.shaped(torch.zeros(1, 13), expression)


def test_guiding_mesh_is_vertices_then_landmarks(flame):
    jaw = torch.tensor([[0.3, 0.0, 0.0]])
    mesh = flame.generator_mesh(torch.zeros(1, 12), torch.zeros(1, 6), jaw)
    assert mesh.shape == (1, 5091, 3)
    corners = mesh[0, flame.landmark_vertices]
    expected = (corners * flame.landmark_bary[..., None]).sum(1)
    assert torch.allclose(mesh[0, 5023:], expected, atol=1e-7)
    assert not torch.allclose(mesh, flame.neutral_mesh())


def test_without_landmarks_the_file_is_named(flame):
    vertices, faces = egg()
    bare = FlameModel.from_file(flame_arrays(vertices, faces))
    with pytest.raises(ValueError, match="landmark_embedding.npy"):
        bare.neutral_mesh()


def test_landmarks_of_another_mesh_are_refused():
    vertices, faces = egg()
    with pytest.raises(ValueError, match="expected faces below"):
        FlameModel.from_file(
            flame_arrays(vertices, faces), np.full(68, len(faces)), np.full((68, 3), 1 / 3)
        )


def test_template_is_the_same_head_in_the_model_frame(flame):
    """Its correctives, weighed by rotations in the model frame, move FLAME's vertices alike."""
    from scipy.spatial.transform import Rotation

    template = template_from_flame(flame)
    turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    pose = np.random.default_rng(2).normal(size=(5, 3)) * 0.4
    rotations = Rotation.from_rotvec(pose).as_matrix()
    feature = torch.from_numpy((rotations[1:] - np.eye(3)).ravel()).float()
    expected = (feature @ flame.posedirs).view(-1, 3).numpy() @ turn.T
    elements = turn @ rotations[1:] @ turn.T - np.eye(3)
    offsets = np.einsum("qrc,qrcvk->vk", elements, template.correctives)
    assert np.abs(offsets - expected).max() < 1e-6
    assert np.allclose(template.rest, flame.v_template.numpy() @ turn.T)
    assert 0 <= template.uvs.min() and template.uvs.max() <= 1
    width = np.ptp(template.uvs[..., 0], axis=1)
    assert np.quantile(width, 0.97) < 0.05  # none but those around the crown spans the picture
