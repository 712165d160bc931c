"""Adaptive surface extraction: the surface of the dense lattice, closed, cheap, clear errors."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from avatarmmc_blender.meshing.surface import Mesh, extract_surface
from avatarmmc_blender.meshing.topology import is_watertight, largest_component, smooth
from tests.reference_surface import dense_surface

CUBE = np.array([[-0.235, -0.16, -0.235], [0.235, 0.31, 0.235]])


class AnalyticField:
    """A field given by a function of points (N, 3) that counts its evaluations."""

    def __init__(self, function, bounds=CUBE, lipschitz=None):
        self.function = function
        self.bounds = np.asarray(bounds, float)
        self.count = 0
        if lipschitz is not None:
            self.lipschitz = lipschitz

    def sdf(self, points):
        self.count += len(points)
        return self.function(points)


class LatticeField(AnalyticField):
    """The same field, asked for lattice points only."""

    def sdf(self, points):
        raise AssertionError("the lattice path must be used")

    def sdf_lattice(self, axes, index):
        points = np.stack([axes[i][index[:, i]] for i in range(3)], axis=-1)
        return self.sdf_points(points)

    def sdf_points(self, points):
        return AnalyticField.sdf(self, points)


def ball(points, centre, radius):
    return np.linalg.norm(points - np.asarray(centre), axis=1) - radius


def head(points):
    """Skull, neck, ears and nose."""
    neck = np.linalg.norm(points[:, :2] - [0.0, 0.08], axis=1) - 0.055
    neck = np.maximum(neck, np.maximum(points[:, 2], -0.2 - points[:, 2]))
    parts = [
        ball(points, (0.0, 0.075, 0.03), 0.12),
        ball(points, (0.118, 0.08, 0.0), 0.025),
        ball(points, (-0.118, 0.08, 0.0), 0.025),
        ball(points, (0.0, -0.05, 0.0), 0.018),
        neck,
    ]
    return np.min(parts, axis=0)


def shell(points):
    """A hemispherical shell thinner than a voxel of the lattices below."""
    solid = np.abs(ball(points, (0.0, 0.075, 0.0), 0.13)) - 0.0016
    return np.maximum(solid, points[:, 2] - 0.031)


def uneven(points):
    """The head in wavy space: the Jacobian is the identity plus a matrix of norm 0.5."""
    waves = np.array([60.0, 35.0, -50.0])
    shift = 0.5 / np.linalg.norm(waves) * np.sin(points @ waves)
    return head(points + shift[:, None] * np.array([0.48, -0.64, 0.6]))


def rings(points):
    """Two linked tori and a small ball apart from them."""
    first = points - [0.02, 0.075, 0.0]
    second = points[:, [0, 2, 1]] - [-0.05, 0.0, 0.075]
    tori = [
        np.hypot(np.hypot(q[:, 0], q[:, 1]) - 0.09, q[:, 2]) - radius
        for q, radius in ((first, 0.035), (second, 0.012))
    ]
    return np.minimum(np.min(tori, axis=0), ball(points, (0.18, 0.25, 0.18), 0.02))


def voxel(field, resolution):
    return float((field.bounds[1] - field.bounds[0]).max() / resolution)


def assert_same_surface(mesh: Mesh, reference: Mesh, tolerance: float) -> None:
    assert len(mesh.faces) == len(reference.faces)
    there, _ = cKDTree(reference.vertices).query(mesh.vertices)
    back, _ = cKDTree(mesh.vertices).query(reference.vertices)
    assert max(there.max(), back.max()) <= tolerance


def signed_volume(mesh: Mesh) -> float:
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces].astype(float), 1, 0)
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


@pytest.mark.parametrize("function", [head, shell, rings, uneven])
@pytest.mark.parametrize("resolution", [64, 101])
def test_equals_the_dense_reference(function, resolution):
    field = AnalyticField(function)
    mesh = extract_surface(field, resolution)
    reference = dense_surface(field, resolution)
    assert_same_surface(mesh, reference, 0.05 * voxel(field, resolution))


def test_the_default_bound_suffices_for_gradients_up_to_it():
    field = AnalyticField(lambda points: 1.5 * head(points))
    mesh = extract_surface(field, 96)
    assert_same_surface(mesh, dense_surface(field, 96), 0.05 * voxel(field, 96))


@pytest.mark.parametrize("resolution", [32, 50, 96])
def test_bounds_may_have_unequal_sides(resolution):
    field = AnalyticField(head, [[-0.16, -0.10, -0.235], [0.15, 0.215, 0.19]])
    mesh = extract_surface(field, resolution)
    assert_same_surface(mesh, dense_surface(field, resolution), 0.05 * voxel(field, resolution))


def test_the_mesh_is_closed_and_faces_outwards():
    mesh = extract_surface(AnalyticField(lambda p: ball(p, (0.0, 0.075, 0.0), 0.15)), 128)
    assert is_watertight(mesh.faces, len(mesh.vertices))
    assert signed_volume(mesh) == pytest.approx(4.0 / 3.0 * np.pi * 0.15**3, rel=2e-3)
    edges = len(mesh.faces) * 3 // 2
    assert len(mesh.vertices) - edges + len(mesh.faces) == 2


def test_values_of_exactly_zero_do_not_open_the_mesh():
    def box(points):
        return np.abs(points).max(axis=1) - 0.25

    mesh = extract_surface(AnalyticField(box, [[-0.5] * 3, [0.5] * 3]), 64)
    assert is_watertight(mesh.faces, len(mesh.vertices))
    assert signed_volume(mesh) == pytest.approx(0.125, rel=1e-2)


def test_only_a_small_part_of_the_lattice_is_evaluated():
    field = AnalyticField(head)
    extract_surface(field, 256)
    assert field.count < 257**3 / 60


def test_the_lattice_path_gives_the_same_bytes():
    points = extract_surface(AnalyticField(head), 80)
    lattice = extract_surface(LatticeField(head), 80)
    assert points.vertices.tobytes() == lattice.vertices.tobytes()
    assert points.faces.tobytes() == lattice.faces.tobytes()


def test_a_field_steeper_than_announced_still_gives_a_closed_mesh():
    def steep(points):
        return 3.0 * head(points) + 0.005 * np.sin(points @ [300.0, 200.0, 250.0])

    mesh = extract_surface(AnalyticField(steep), 96)
    assert is_watertight(mesh.faces, len(mesh.vertices))


def test_jumps_of_the_field_leave_no_cracks():
    def steps(points):
        return head(points) + 0.012 * (np.sin(points @ [70.0, 40.0, 50.0]) > 0.3)

    field = AnalyticField(steps)
    mesh = extract_surface(field, 96)
    assert is_watertight(mesh.faces, len(mesh.vertices))
    reference = dense_surface(field, 96)
    distance, _ = cKDTree(mesh.vertices).query(reference.vertices)
    assert np.mean(distance < 0.05 * voxel(field, 96)) > 0.999


@pytest.mark.parametrize("resolution", [31, 769, 64.5, "64", float("nan")])
def test_a_bad_resolution_is_refused(resolution):
    with pytest.raises(ValueError, match="resolution must be an integer from 32 to 768"):
        extract_surface(AnalyticField(head), resolution)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda p: np.full(len(p), 0.3), "no surface within the bounds"),
        (lambda p: np.full(len(p), -0.3), "no surface within the bounds"),
        (lambda p: ball(p, (0.2, 0.075, 0.0), 0.1), r"touches the bounds of the field at \+x$"),
        (lambda p: p[:, 2] * 1.0, r"touches the bounds of the field at -x, -y, \+x, \+y"),
        (lambda p: np.full(len(p), np.nan), "not finite"),
    ],
)
def test_errors_say_why(function, message):
    with pytest.raises(ValueError, match=message):
        extract_surface(AnalyticField(function), 48)


def test_a_callback_sees_progress_and_may_cancel():
    seen = []
    extract_surface(AnalyticField(head), 64, lambda stage, fraction: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0

    def cancel(stage, fraction):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        extract_surface(AnalyticField(head), 64, cancel)


def test_the_largest_component_is_kept_and_an_open_mesh_is_recognised():
    square = np.array([[0, 1, 2], [0, 2, 3]])
    tetrahedron = np.array([[4, 6, 5], [4, 5, 7], [5, 6, 7], [6, 4, 7]])
    vertices = np.random.default_rng(0).normal(size=(8, 3))
    kept, faces = largest_component(vertices, np.concatenate([square, tetrahedron]))
    assert np.array_equal(kept, vertices[4:])
    assert is_watertight(faces, 4)
    assert not is_watertight(square, 4)


def test_smoothing_lessens_noise_but_keeps_the_volume():
    mesh = extract_surface(AnalyticField(lambda p: ball(p, (0.0, 0.075, 0.0), 0.15)), 48)
    noise = np.random.default_rng(1).normal(scale=5e-4, size=mesh.vertices.shape)
    noisy = Mesh(mesh.vertices + noise, mesh.faces)
    smoothed = Mesh(smooth(noisy.vertices, noisy.faces, 10), mesh.faces)
    radii = [np.linalg.norm(m.vertices - [0.0, 0.075, 0.0], axis=1) for m in (noisy, smoothed)]
    assert radii[1].std() < 0.5 * radii[0].std()
    assert signed_volume(smoothed) == pytest.approx(signed_volume(mesh), rel=5e-3)
