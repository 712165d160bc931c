"""An official generator's density as a field: where the surface is, its frame, its colours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from avatarmmc_blender.backend.generator.plane_field import PlaneField
from avatarmmc_blender.backend.generator.triplanes import OSGDecoder
from avatarmmc_blender.backend.official.density_level import PREFERRED, choose_level
from avatarmmc_blender.backend.official.field import OfficialField, to_world
from avatarmmc_blender.meshing.surface import extract_surface
from avatarmmc_blender.meshing.topology import is_watertight
from tests.plane_reading import EG3D_AXES, NEXT3D_AXES
from tests.reference_surface import dense_surface

RADIUS = 0.1  # metres


class Head:
    """Density of a ball at FLAME's origin on a post down to the floor, red in front, blue behind.

    `scale` and `offset` change the density as other generators' may be.
    """

    texels = torch.zeros(1)
    has_lattice = False

    def __init__(self, scale: float = 1.0, offset: float = 0.0) -> None:
        self.scale, self.offset = scale, offset

    def density(self, points):
        x, y, z = (points / 2.5 - torch.tensor([0.0, 0.01, 0.0])).unbind(-1)
        ball = RADIUS - (x * x + y * y + z * z).sqrt()
        post = torch.minimum(0.04 - (x * x + z * z).sqrt(), -y)
        value = 10.0 + 2000.0 * torch.maximum(ball, post)
        return (self.scale * value.clamp(-40, 150) + self.offset)[..., None]

    def __call__(self, points, directions=None):
        features = torch.zeros(*points.shape[:2], 32)
        features[..., 0] = (points[..., 2] > 0).float()
        features[..., 2] = (points[..., 2] <= 0).float()
        return features, self.density(points)


def test_axes_of_the_model_frame_in_the_generators_world():
    """The subject's left, forwards and up, at 2.5 times the size and 0.01 m higher."""
    points = torch.tensor([[1.0, 0, 0], [0, -1.0, 0], [0, 0, 1.0]])
    expected = [[2.5, 0.025, 0], [0, 0.025, 2.5], [0, 2.525, 0]]
    assert torch.allclose(to_world(points), torch.tensor(expected))


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (0.05, -3.0)])
def test_surface_is_the_head_and_ends_at_the_kept_cube(scale, offset):
    field = OfficialField(Head(scale, offset), box_warp=1.0)
    if scale == 1.0:
        assert field.level == PREFERRED
    mesh = extract_surface(field, 64)
    assert is_watertight(mesh.faces, len(mesh.vertices))
    ball = mesh.vertices[mesh.vertices[:, 2] > -0.05]
    assert abs(np.linalg.norm(ball, axis=1).mean() - RADIUS) < 0.02
    assert mesh.vertices[:, 2].min() == pytest.approx(-0.01 - 0.383 / 2.5, abs=0.002)


def test_rays_see_the_colour_of_the_surface():
    field = OfficialField(Head(), box_warp=1.0)
    normals = np.array([[0.0, -1, 0], [0, 1, 0], [1, 0, 0], [0, -1, 0]])
    points = normals * RADIUS
    points[3] = [0.13, -0.13, 0.1]  # beside the head
    points[0] *= 1.03  # the fit is never exact
    color, met = field.seen_color(points, normals)
    assert met.tolist() == [True, True, True, False]
    assert np.allclose(color[0], [1, 0, 0], atol=1e-3)
    assert np.allclose(color[1], [0, 0, 1], atol=1e-3)
    sample = field.sample(points[:2])
    assert np.allclose(sample.color, color[:2], atol=1e-3) and sample.labels.shape == (2, 0)


def smooth_planes(axes: torch.Tensor) -> PlaneField:
    torch.manual_seed(3)
    coarse = torch.randn(3, 32, 8, 8)
    planes = torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bicubic")[None]
    return PlaneField(planes, axes, 1.0, OSGDecoder().requires_grad_(False))


@pytest.mark.parametrize("axes", [NEXT3D_AXES, EG3D_AXES, "askew"])
def test_lattice_says_what_points_say(axes):
    turned = torch.linalg.qr(torch.randn(3, 3, 3, generator=torch.Generator().manual_seed(0)))[0]
    read = smooth_planes(turned if axes == "askew" else torch.tensor(axes))
    assert read.has_lattice == (axes != "askew")
    field = OfficialField(read, box_warp=1.0)
    random = np.random.default_rng(0)
    low, high = field.bounds
    for counts in ((9, 12, 15), (20, 7, 8)):  # other axes: not the planes of the first ones
        lines = tuple(np.linspace(low[k], high[k], counts[k]) for k in range(3))
        index = np.stack([random.integers(0, count, 500) for count in counts], -1)
        points = np.stack([line[index[:, k]] for k, line in enumerate(lines)], -1)
        expected = field.sdf(points)
        assert (expected < 0).any() and (expected > 0).any()
        assert np.abs(field.sdf_lattice(lines, index) - expected).max() < 1e-6


def test_adaptive_surface_is_that_of_the_whole_lattice():
    field = OfficialField(smooth_planes(torch.tensor(NEXT3D_AXES)), box_warp=1.0)
    mesh, dense = extract_surface(field, 48), dense_surface(field, 48)
    assert len(mesh.faces) == len(dense.faces)
    distance, _ = cKDTree(dense.vertices).query(mesh.vertices)
    voxel = np.ptp(field.bounds[:, 0]) / 48
    assert distance.max() < 0.05 * voxel


def test_work_can_be_cancelled():
    def tick():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        OfficialField(Head(), 1.0, tick)


def test_level_is_the_public_one_where_it_gives_a_head():
    values = torch.full((1000,), -30.0)
    values[:200] = 100.0
    assert choose_level(values) == PREFERRED


def test_level_parts_densities_of_another_scale():
    generator = torch.Generator().manual_seed(0)
    values = torch.cat([torch.randn(800, generator=generator) - 8, torch.randn(200) + 2])
    assert -6 < choose_level(values) < 1


@pytest.mark.parametrize(("value", "words"), [(3.0, "3 everywhere"), (float("nan"), "not finite")])
def test_densities_without_a_surface_are_explained(value, words):
    with pytest.raises(ValueError, match=words):
        choose_level(torch.full((100,), value))
