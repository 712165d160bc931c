"""Closest points on the guide surface against libigl."""

import numpy as np
import pytest
import torch

from avatarmmc_blender.backend.head_model import closest, load_bundled

igl = pytest.importorskip("igl")


@pytest.fixture(scope="module")
def surface():
    model = load_bundled()
    betas = torch.randn(1, 64, generator=torch.Generator().manual_seed(3))
    vertices = model.subdivide(model.shaped(betas))[0].numpy()
    return vertices, model.surface_faces.numpy()


def near_points(surface, count, spread):
    vertices, faces = surface
    rng = np.random.default_rng(0)
    corners = vertices[faces[rng.integers(0, len(faces), count)]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    on_surface = (corners * rng.dirichlet([1, 1, 1], count)[..., None]).sum(1)
    return (on_surface + normals * rng.normal(size=(count, 1)) * spread).astype(np.float32)


def reference(surface, points):
    vertices, faces = surface
    sign = igl.SIGNED_DISTANCE_TYPE_PSEUDONORMAL
    result = igl.signed_distance(
        points.astype(float), vertices.astype(float), faces.astype(np.int64), sign_type=sign
    )
    return result[0]


@pytest.mark.parametrize("spread", [0.001, 0.005, 0.02])
def test_agrees_with_igl_near_the_surface(surface, spread):
    points = near_points(surface, 40_000, spread)
    expected = reference(surface, points)
    distance, _, _ = closest.closest_point(*surface, points)
    error = np.abs(np.abs(distance) - np.abs(expected))
    assert np.percentile(error, 99.8) < 5e-6
    assert error.max() < 1e-3
    clear = np.abs(expected) > 1e-4
    agreement = (np.sign(distance) == np.sign(expected))[clear]
    assert agreement.mean() > 0.9998


def test_agrees_with_igl_far_from_the_surface(surface):
    rng = np.random.default_rng(1)
    points = rng.uniform([-0.235, -0.16, -0.235], [0.235, 0.31, 0.235], (20_000, 3))
    points = points.astype(np.float32)
    distance, _, _ = closest.closest_point(*surface, points)
    assert np.abs(distance - reference(surface, points)).max() < 1e-3


def test_barycentric_coordinates_give_the_closest_point(surface):
    vertices, faces = surface
    points = near_points(surface, 5_000, 0.004)
    distance, face, bary = closest.closest_point(*surface, points)
    assert bary.min() >= -1e-6 and np.allclose(bary.sum(1), 1, atol=1e-6)
    on_surface = (vertices[faces[face]] * bary[..., None]).sum(1)
    gap = np.linalg.norm(points - on_surface, axis=1)
    assert np.allclose(gap, np.abs(distance), atol=1e-7)


def test_brute_force_equals_the_tree(surface, monkeypatch):
    points = near_points(surface, 3_000, 0.004)
    with_tree = closest.closest_point(*surface, points)
    monkeypatch.setattr(closest, "KDTree", None)
    without = closest.closest_point(*surface, points)
    assert np.abs(with_tree[0] - without[0]).max() < 1e-6


def test_tensors_give_tensors(surface):
    vertices, faces = (torch.from_numpy(array) for array in surface)
    distance, face, bary = closest.closest_point(vertices, faces, vertices[:10] * 1.01)
    assert distance.shape == (10,) and face.dtype == torch.int64 and bary.shape == (10, 3)


def test_box_inside_and_outside():
    trimesh = pytest.importorskip("trimesh")
    box = trimesh.creation.box((0.02, 0.02, 0.02))
    points = np.array([[0, 0, 0], [0.02, 0, 0], [0.02, 0.02, 0.02]], np.float32)
    distance, _, _ = closest.closest_point(
        np.asarray(box.vertices, np.float32), np.asarray(box.faces), points
    )
    assert np.allclose(distance, [-0.01, 0.01, 0.01 * np.sqrt(3)], atol=1e-6)


def test_wrong_shapes_are_told():
    with pytest.raises(ValueError, match="expected shape"):
        closest.closest_point(np.zeros((4, 2)), np.zeros((1, 3), int), np.zeros((1, 3)))
