"""Glasses and earrings: swept meshes that keep clear of the skin and move with the head."""

from __future__ import annotations

import numpy as np
import pytest

from avatarmmc_blender.backend.head_model import load_bundled
from avatarmmc_blender.meshing.anchors import AccessoryAnchors
from avatarmmc_blender.meshing.decimate import is_closed_manifold, signed_volume
from avatarmmc_blender.meshing.earrings import RADIUS, build_earrings
from avatarmmc_blender.meshing.geometry import NearestOnMesh, as_triangles
from avatarmmc_blender.meshing.glasses import WIRE_RADIUS, build_glasses
from avatarmmc_blender.meshing.part_values import PartValues
from avatarmmc_blender.meshing.sweep import sphere, superellipse, tube
from avatarmmc_blender.template import template_from_model


@pytest.fixture(scope="module")
def template():
    return template_from_model(load_bundled())


def dressed(template, seed):
    """Anchors and head distance of the average head (seed 0) or a random one."""
    betas = np.zeros(template.shape_count)
    if seed:
        betas = 0.8 * np.random.default_rng(seed).standard_normal(template.shape_count)
    cage = template.identity(betas)
    bare = NearestOnMesh(template.surface(cage), template.surface_faces)
    return AccessoryAnchors.of(template, cage), bare.signed_distance


def values(glass=0.0, shape=0.5, ear=0.0):
    return PartValues(np.array([0.3, 0.2, 0.1]), 0.34, glass, shape, ear)


def assert_rigid_closed_quads(part):
    triangles = as_triangles(part.faces)
    assert part.faces.shape[1] == 4
    assert is_closed_manifold(triangles)
    assert signed_volume(part.vertices.astype(float), triangles) > 0.0
    assert (part.weights == np.array([0, 1, 0, 0, 0])).all()
    assert part.shape_keys == {}
    assert part.material_index.max() < len(part.materials)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
@pytest.mark.parametrize("shape", [0.0, 1.0])
def test_glasses_clear_the_skin(template, seed, shape):
    anchors, distance = dressed(template, seed)
    part = build_glasses(values(glass=1.0, shape=shape), anchors, distance)
    assert_rigid_closed_quads(part)
    assert distance(part.vertices.astype(float)).min() > 0.0
    # The rims surround the eyes and stand in front of them; the temples reach behind the ears.
    low, high = part.vertices.min(axis=0), part.vertices.max(axis=0)
    assert low[1] < anchors.eye_centres[:, 1].min() - anchors.eye_radius
    assert (
        low[0] < anchors.eye_centres[1, 0] - 0.025 and high[0] > anchors.eye_centres[0, 0] + 0.025
    )
    assert high[1] > anchors.lobes[:, 1].max()


def test_square_frames_are_squarer_than_round_ones(template):
    anchors, distance = dressed(template, 0)
    corners = []
    for shape in (0.0, 1.0):
        part = build_glasses(values(glass=1.0, shape=shape), anchors, distance)
        front = part.vertices[part.vertices[:, 1] < anchors.bridge[1] + 0.004]
        x, _, z = (front - anchors.eye_centres[0]).T
        corners.append((np.abs(x) + np.abs(z))[(np.abs(x) < 0.03)].max())
    assert corners[1] > corners[0] + 0.002


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_earrings_touch_the_lobes(template, seed):
    anchors, distance = dressed(template, seed)
    part = build_earrings(values(ear=1.0), anchors, distance)
    assert_rigid_closed_quads(part)
    balls = np.split(part.vertices.astype(float), 2)
    for ball, lobe, side in zip(balls, anchors.lobes, (1.0, -1.0), strict=True):
        centre = ball.mean(axis=0)
        assert np.sign(centre[0]) == side
        assert np.linalg.norm(centre - lobe) < 0.015
        assert distance(centre[None])[0] == pytest.approx(0.9 * RADIUS, abs=0.0005)


def test_absent_accessories_make_no_part(template):
    anchors, distance = dressed(template, 0)
    assert build_glasses(values(), anchors, distance) is None
    assert build_earrings(values(), anchors, distance) is None


def test_anchors_of_the_average_head_are_symmetric(template):
    anchors, _ = dressed(template, 0)
    mirror = np.array([-1.0, 1.0, 1.0])
    np.testing.assert_allclose(anchors.eye_centres[0], anchors.eye_centres[1] * mirror, atol=0.002)
    np.testing.assert_allclose(anchors.lobes[0], anchors.lobes[1] * mirror, atol=0.004)
    assert 0.06 < anchors.temple < 0.12


def test_tube_has_its_radius_everywhere():
    turn = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
    ring = np.stack([0.03 * np.cos(turn), 0.03 * np.sin(turn), 0.0 * turn], axis=1)
    vertices, quads = tube(ring, WIRE_RADIUS, sides=8, closed=True)
    away = np.linalg.norm(vertices.reshape(40, 8, 3) - ring[:, None], axis=2)
    np.testing.assert_allclose(away, WIRE_RADIUS, rtol=1e-9)
    assert is_closed_manifold(as_triangles(quads))
    assert signed_volume(vertices, as_triangles(quads)) > 0.0
    with pytest.raises(ValueError, match="even number of sides"):
        tube(ring, WIRE_RADIUS, sides=7)


def test_open_tube_and_sphere_are_closed():
    for vertices, quads in (
        tube(np.array([[0.0, 0, 0], [0, 0.01, 0], [0.002, 0.02, 0]]), 0.001),
        sphere(np.array([0.1, 0.2, 0.3]), 0.004),
    ):
        triangles = as_triangles(quads)
        assert is_closed_manifold(triangles)
        assert signed_volume(vertices, triangles) > 0.0


def test_superellipse_points_lie_on_it_evenly():
    points = superellipse(np.zeros(2), 0.0275, 0.0215, 4.5, 48)
    level = np.abs(points[:, 0] / 0.0275) ** 4.5 + np.abs(points[:, 1] / 0.0215) ** 4.5
    np.testing.assert_allclose(level, 1.0, atol=0.01)
    step = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    assert step.max() < 1.1 * step.min()
