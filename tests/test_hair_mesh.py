"""Hair and beard meshes, cut from a ball-shaped head with ridged hair of known direction."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from avatarmmc_blender.meshing import labels
from avatarmmc_blender.meshing.decimate import decimate, is_closed_manifold, signed_volume, smooth
from avatarmmc_blender.meshing.field import FieldSample
from avatarmmc_blender.meshing.geometry import normalize, smoothstep, vertex_normals
from avatarmmc_blender.meshing.hair import HairSettings, SkinBinding, follow_skin, make_hair
from avatarmmc_blender.meshing.hair_flow import hair_flow
from avatarmmc_blender.meshing.hair_surface import extract_hair, sample_surface
from avatarmmc_blender.meshing.hair_uv import polar_uvs
from avatarmmc_blender.meshing.marching_cubes import marching_cubes

CENTRE = np.array([0.0, 0.075, 0.0])
RADIUS = 0.100
HAIR_COLOR = np.array([0.30, 0.18, 0.10])
SKIN_COLOR = np.array([0.85, 0.65, 0.55])
LOCKS = 40  # around the head; they run from the top down


class BallHead:
    """A ball with ridged hair on its upper half and a beard at the front below."""

    bounds = np.stack([CENTRE - 0.16, CENTRE + 0.16])

    def __init__(self, hair: float = 0.015, beard: float = 0.006):
        self.hair, self.beard = hair, beard

    def _covers(self, points):
        ray = normalize(points - CENTRE)
        hair = smoothstep(ray[:, 2], 0.0, 0.15)
        beard = smoothstep(-ray[:, 1], 0.5, 0.7) * smoothstep(-ray[:, 2], 0.15, 0.35)
        azimuth = np.arctan2(ray[:, 0], -ray[:, 1])
        ridge = 0.5 + 0.5 * np.cos(LOCKS * azimuth)
        return hair, beard, ridge * smoothstep(1.0 - ray[:, 2], 0.02, 0.2)

    def sdf(self, points):
        hair, beard, ridge = self._covers(points)
        thickness = self.hair * hair * (0.85 + 0.15 * ridge) + self.beard * beard
        return self.head_distance(points) - thickness

    def sample(self, points):
        hair, beard, ridge = self._covers(points)
        probability = np.zeros((len(points), 20))
        probability[:, labels.HAIR] = hair * (self.hair > 0)
        probability[:, labels.BEARD] = beard * (self.beard > 0)
        probability[:, labels.SKIN] = 1.0 - probability.sum(axis=1)
        hairy = 1.0 - probability[:, [labels.SKIN]]
        color = SKIN_COLOR + (HAIR_COLOR * (0.8 + 0.2 * ridge[:, None]) - SKIN_COLOR) * hairy
        return FieldSample(self.sdf(points), color, probability, points)

    @staticmethod
    def head_distance(points):
        return np.linalg.norm(points - CENTRE, axis=1) - RADIUS

    def surface(self, cells: int = 110):
        axes = [np.linspace(*self.bounds[:, axis], cells + 1) for axis in range(3)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        values = self.sdf(grid.reshape(-1, 3)).reshape(grid.shape[:3])
        vertices, faces = marching_cubes(values, 0.0)
        vertices = self.bounds[0] + vertices * (axes[0][1] - axes[0][0])
        if signed_volume(vertices, faces) < 0.0:
            faces = faces[:, ::-1]
        return SimpleNamespace(vertices=vertices, faces=faces)


@pytest.fixture(scope="module")
def head():
    return BallHead()


@pytest.fixture(scope="module")
def surface(head):
    return head.surface()


@pytest.fixture(scope="module")
def skin():
    rng = np.random.default_rng(0)
    points = CENTRE + RADIUS * normalize(rng.standard_normal((4000, 3)))
    jaw = smoothstep(-points[:, 2], 0.03, 0.06)
    weights = np.stack([0 * jaw, 1 - jaw, jaw, 0 * jaw, 0 * jaw], axis=1)
    keys = {
        "jawOpen": np.outer(jaw, [0.0, 0.0, -0.01]),
        "browInnerUp": np.outer(smoothstep(points[:, 2], 0.03, 0.06), [0.0, 0.0, 0.005]),
    }
    return SkinBinding(points, weights, keys)


@pytest.fixture(scope="module")
def parts(head, surface, skin):
    settings = HairSettings(hair_faces=6000, beard_faces=2000, hair_texture=256, beard_texture=128)
    made = make_hair(head, surface, head.head_distance, skin, settings)
    return {part.name: part for part in made}


@pytest.fixture(scope="module")
def samples(head, surface):
    normals = vertex_normals(surface.vertices, surface.faces)
    return normals, sample_surface(head, surface.vertices, normals)


def torus(cells=60):
    axis = np.linspace(-1.0, 1.0, cells)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    values = np.hypot(np.hypot(x, y) - 0.6, z) - 0.25
    vertices, faces = marching_cubes(values, 0.0)
    vertices = vertices * (2.0 / (cells - 1)) - 1.0
    return vertices, faces[:, ::-1] if signed_volume(vertices, faces) < 0 else faces


def test_decimation_keeps_a_torus_closed_and_in_place():
    vertices, faces = torus()
    simple, simple_faces = decimate(vertices, faces, 1200)
    assert len(simple_faces) <= 1200
    assert is_closed_manifold(simple_faces)
    assert len(simple) - len(simple_faces) // 2 == 0  # Euler characteristic of a torus
    distance = np.hypot(np.hypot(simple[:, 0], simple[:, 1]) - 0.6, simple[:, 2]) - 0.25
    assert np.abs(distance).max() < 0.01
    assert signed_volume(simple, simple_faces) == pytest.approx(
        signed_volume(vertices, faces), rel=0.02
    )


def test_decimation_spends_faces_where_they_matter():
    vertices, faces = torus()
    importance = np.where(vertices[:, 0] > 0.0, 1.0, 0.01)
    simple, _ = decimate(vertices, faces, 1500, importance)
    assert (simple[:, 0] > 0.0).sum() > 3 * (simple[:, 0] < 0.0).sum()


def test_smoothing_removes_noise_without_shrinking():
    vertices, faces = torus()
    noise = np.random.default_rng(1).normal(0.0, 0.004, vertices.shape)

    def roughness(positions):
        normals = vertex_normals(positions, faces)
        return np.linalg.norm(normals - vertex_normals(vertices, faces), axis=1).mean()

    smooth_vertices = smooth(vertices + noise, faces, 5)
    assert roughness(smooth_vertices) < 0.5 * roughness(vertices + noise)
    volume = signed_volume(vertices, faces)
    assert signed_volume(smooth_vertices, faces) == pytest.approx(volume, rel=0.01)


def test_parts_are_closed_meshes_of_the_agreed_size(parts):
    assert set(parts) == {"Hair", "Beard"}
    for name, limit in (("Hair", 6000), ("Beard", 2000)):
        part = parts[name]
        assert is_closed_manifold(part.faces)
        assert signed_volume(part.vertices.astype(float), part.faces) > 0.0
        assert 0.5 * limit < len(part.faces) <= limit
        assert part.uvs.shape == (len(part.faces), 3, 2)
        assert part.uvs.min() >= 0.0 and part.uvs.max() <= 1.0
        np.testing.assert_allclose(part.weights.sum(axis=1), 1.0, atol=1e-5)


def test_hair_follows_the_field_outside_and_hides_inside(head, parts):
    vertices = parts["Hair"].vertices.astype(float)
    height = head.head_distance(vertices)
    thick = height > 0.010
    assert thick.sum() > 1000
    assert np.abs(head.sdf(vertices[thick])).max() < 0.0012
    # The only way between hair and buried wall is steep: hardly a face lies along the skin.
    corners = height[parts["Hair"].faces]
    assert (np.abs(corners) < 0.0003).all(axis=1).mean() < 0.005
    assert height.min() == pytest.approx(-0.004, abs=0.0015)


def test_locks_survive_decimation(head, parts):
    hair = parts["Hair"].vertices.astype(float)
    ray = normalize(hair - CENTRE)
    belt = (head.head_distance(hair) > 0.009) & (ray[:, 2] > 0.3) & (ray[:, 2] < 0.7)
    azimuth = np.arctan2(ray[belt, 0], -ray[belt, 1])
    wave = np.stack([np.cos(LOCKS * azimuth), np.ones(belt.sum())], axis=1)
    amplitude = np.linalg.lstsq(wave, head.head_distance(hair[belt]), rcond=None)[0][0]
    assert amplitude > 0.7 * 0.5 * 0.15 * head.hair


def test_flow_runs_along_the_locks(surface, samples, head):
    normals, points = samples
    hair = extract_hair(surface.vertices, normals, points, labels.HAIR, head.head_distance)
    vertices, faces = decimate(hair.vertices, hair.faces, 5000)
    flow = hair_flow(vertices, faces, points, labels.HAIR)
    ray = normalize(vertices - CENTRE)
    belt = (head.head_distance(vertices) > 0.008) & (ray[:, 2] > 0.25) & (ray[:, 2] < 0.75)
    around = normalize(np.cross([0.0, 0.0, 1.0], ray[belt]))
    across = np.abs((flow.direction[belt] * around).sum(axis=1))
    assert np.median(across) < 0.2
    np.testing.assert_allclose(np.linalg.norm(flow.direction, axis=1), 1.0, atol=1e-6)


def test_images_show_hair_with_strands(parts):
    for part in parts.values():
        material = part.materials[0]
        color = material.image.reshape(-1, 3) / 255.0
        assert material.image.dtype == np.uint8
        np.testing.assert_allclose(np.median(color, axis=0), HAIR_COLOR, atol=0.08)
        assert color.mean(axis=1).std() > 0.02
        normal = material.normal_image.reshape(-1, 3) / 127.5 - 1.0
        assert normal[:, 2].min() > 0.0
        assert np.abs(normal.mean(axis=0)[:2]).max() < 0.05
        assert 0.03 < normal[:, :2].std() < 0.4


def test_scalp_hair_is_rigid_and_the_beard_follows_the_jaw(parts):
    hair, beard = parts["Hair"], parts["Beard"]
    assert (hair.weights == np.array([0, 1, 0, 0, 0])).all()
    assert hair.shape_keys == {}
    assert beard.weights[:, 2].max() > 0.9
    assert set(beard.shape_keys) == {"jawOpen"}
    assert np.linalg.norm(beard.shape_keys["jawOpen"], axis=1).max() > 0.005


def test_following_fades_with_distance(skin):
    low = CENTRE + np.array([[0.0, 0.0, -RADIUS], [0.0, 0.0, -RADIUS - 0.04]])
    weights, keys = follow_skin(low, skin)
    moved = np.linalg.norm(keys["jawOpen"], axis=1)
    assert moved[0] > 0.009 and moved[1] < 1e-4
    np.testing.assert_allclose(weights[:, 2], 1.0, atol=1e-6)


def test_thin_hair_is_paint_only(skin):
    head = BallHead(hair=0.0015, beard=0.0)
    assert make_hair(head, head.surface(80), head.head_distance, skin) == []


def test_polar_map_is_area_true():
    vertices, faces = BallHead(hair=0.0, beard=0.0).surface(60).__dict__.values()
    uvs = polar_uvs(vertices, faces, CENTRE, np.array([0.0, 0.25, 1.0]))
    radius = np.linalg.norm(uvs - 0.5, axis=1)
    assert radius.max() <= 0.5
    # On a sphere an area-true map puts the share (1 - cos) / 2 within each ring.
    axis = normalize(np.array([0.0, 0.25, 1.0]))
    share = 0.5 * (1.0 - normalize(vertices - CENTRE) @ axis)
    np.testing.assert_allclose((radius / 0.495) ** 2, share, atol=0.02)


def test_same_input_gives_the_same_beard(skin):
    head = BallHead(hair=0.0)
    surface = head.surface(80)
    settings = HairSettings(beard_faces=1000, beard_texture=64)
    first, second = (
        make_hair(head, surface, head.head_distance, skin, settings)[0] for _ in range(2)
    )
    assert first.name == "Beard"
    np.testing.assert_array_equal(first.vertices, second.vertices)
    np.testing.assert_array_equal(first.materials[0].image, second.materials[0].image)


def test_callback_reports_and_cancels(head, surface, skin):
    seen = []

    def cancel(stage, fraction):
        seen.append((stage, fraction))
        if fraction > 0.1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        make_hair(head, surface, head.head_distance, skin, callback=cancel)
    assert seen[0] == ("hair", 0.0)
