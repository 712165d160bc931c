"""Volume renderer, plane lookup and cameras: the public program's numbers and closed forms."""

import dataclasses
import math

import pytest
import torch

from avatarmmc_blender.backend.generator.cameras import (
    camera_label,
    fov_to_intrinsics,
    intrinsics_from_angle,
    look_at_pose,
    orbit_camera,
)
from avatarmmc_blender.backend.generator.renderer import (
    Draws,
    box_intersection,
    camera_rays,
    importance_depths,
    march,
    render_rays,
)
from avatarmmc_blender.backend.official.config import OfficialConfig
from tests import eg3d_reference
from tests.plane_reading import EG3D_AXES, NEXT3D_AXES, read_planes

SETTINGS = OfficialConfig().rendering
PIVOT = torch.tensor([0.0, 0.0, 0.2])
FRONT = torch.tensor([math.pi / 2])


def reference_rays():
    label = eg3d_reference.reference()["c_camera"]
    return camera_rays(label[:, :16].reshape(1, 4, 4), label[:, 16:].reshape(1, 3, 3), 32)


def test_rays_agree_with_the_public_program():
    reference = eg3d_reference.reference()
    origins, directions = reference_rays()
    assert torch.allclose(origins[:, :1], reference["ray_origins"], atol=1e-6)
    assert torch.allclose(directions, reference["ray_dirs"], atol=1e-6)


def test_field_agrees_with_the_public_program():
    reference = eg3d_reference.reference()
    colors, density = eg3d_reference.field(reference["points"], reference["points"])
    assert torch.allclose(density, reference["sigma"], atol=1e-4)
    assert torch.allclose(colors, reference["rgb"], atol=1e-5)


@pytest.mark.parametrize("prefix", ["", "det/"])
def test_pictures_agree_with_the_public_program(prefix):
    reference = eg3d_reference.reference()
    origins, directions = reference_rays()
    if prefix:
        draws = Draws.centred(origins, SETTINGS)
    else:
        draws = Draws.random(origins, SETTINGS, torch.Generator().manual_seed(1234))
    rendered = render_rays(eg3d_reference.field, origins, directions, SETTINGS, draws)
    image = rendered.features[..., :3].transpose(1, 2).reshape(1, 3, 32, 32)
    assert torch.allclose(image, reference[f"{prefix}image_raw"], atol=1e-3)
    depth = rendered.depth.reshape(1, 1, 32, 32)
    assert torch.allclose(depth, reference[f"{prefix}image_depth"], atol=1e-3)


def test_frontal_look_at_pose_and_intrinsics_agree_with_the_public_program():
    pose = look_at_pose(FRONT, FRONT, PIVOT, 2.7)
    label = camera_label(pose, fov_to_intrinsics(18.837))
    assert torch.allclose(label, eg3d_reference.reference()["c_conditioning"], atol=1e-5)
    pose = look_at_pose(FRONT + 0.4, FRONT - 0.2, PIVOT, 2.7)
    label = camera_label(pose, fov_to_intrinsics(18.837))
    assert torch.allclose(label, eg3d_reference.reference()["c_camera"], atol=1e-5)


def test_plane_axes_are_those_stored_with_checkpoints():
    reference = eg3d_reference.reference()
    assert torch.equal(torch.tensor(EG3D_AXES), reference["plane_axes"])
    assert torch.equal(torch.tensor(NEXT3D_AXES), reference["next3d_plane_axes"])


def test_planes_are_read_at_the_coordinates_of_their_kind():
    line = (torch.arange(8.0) + 0.5) / 4.0 - 1.0
    columns, rows = line.expand(8, 8), line[:, None].expand(8, 8)
    planes = torch.stack([columns, rows]).expand(1, 3, 2, 8, 8)
    x, y, z = 0.1, -0.2, 0.3
    points = torch.tensor([[[x, y, z]]])
    eg3d = read_planes(planes, torch.tensor(EG3D_AXES), points, box_warp=1.0)[0, :, 0]
    assert torch.allclose(eg3d, 2.0 * torch.tensor([[x, y], [x, z], [z, x]]), atol=1e-6)
    next3d = read_planes(planes, torch.tensor(NEXT3D_AXES), points, box_warp=1.0)[0, :, 0]
    assert torch.allclose(next3d, 2.0 * torch.tensor([[x, y], [x, z], [z, y]]), atol=1e-6)


def test_a_constant_fog_has_the_transmittance_of_beer_and_lambert():
    depths = torch.linspace(1.0, 3.0, 257)[None, None, :, None]
    raw = torch.full_like(depths, 0.7)
    rendered = march(torch.full_like(depths, 0.25), raw, depths)
    density = math.log1p(math.exp(0.7 - 1.0))
    weight = 1.0 - math.exp(-2.0 * density)
    assert rendered.weight.item() == pytest.approx(weight, rel=1e-4)
    assert rendered.features.item() == pytest.approx(2.0 * 0.25 * weight - 1.0, abs=1e-4)
    white = march(torch.full_like(depths, 0.25), raw, depths, white_back=True)
    assert (white.features - rendered.features).item() == pytest.approx(2 * (1 - weight), abs=1e-4)


def test_importance_samples_gather_at_the_surface():
    depths = torch.linspace(0.0, 1.0, 33)[None, None, :, None]
    weights = torch.zeros(1, 1, 32, 1)
    weights[0, 0, 20] = 1.0
    uniform = ((torch.arange(100) + 0.5) / 100)[None]
    fine = importance_depths(depths, weights, uniform).flatten()
    near = (fine - 20.5 / 32.0).abs() < 3.0 / 32.0
    assert near.float().mean() > 0.8
    assert (fine.diff() >= 0).all()


def test_a_ball_is_seen_at_its_distance():
    def ball(points, directions):
        inside = 100.0 * (0.3 - points.norm(dim=-1, keepdim=True))
        return torch.ones_like(points), 40.0 * inside

    pose = orbit_camera(torch.tensor([0.3]), torch.tensor([0.1]), 2.7, torch.zeros(3))
    origins, directions = camera_rays(pose, intrinsics_from_angle(18.0)[None], 9)
    draws = Draws.centred(origins, SETTINGS)
    rendered = render_rays(ball, origins, directions, SETTINGS, draws)
    assert rendered.depth[0, 40].item() == pytest.approx(2.4, abs=0.03)
    assert rendered.weight[0, 40].item() == pytest.approx(1.0, abs=1e-3)
    assert rendered.weight[0, 0].item() == pytest.approx(0.0, abs=1e-3)
    boxed = dataclasses.replace(SETTINGS, ray_start=None, ray_end=None)
    again = render_rays(ball, origins, directions, boxed, draws)
    assert again.depth[0, 40].item() == pytest.approx(2.4, abs=0.03)


def test_rays_that_miss_the_box_take_near_depths_of_the_others():
    origins = torch.tensor([[[0.0, 0.0, 3.0], [0.1, 0.0, 4.0], [5.0, 0.0, 3.0]]])
    directions = torch.tensor([[[0.0, 0.0, -1.0]] * 3]) + 1e-12
    near, far = box_intersection(origins, directions, 2.0)
    assert near.flatten().tolist() == pytest.approx([2.0, 3.0, 2.0])
    assert far.flatten().tolist() == pytest.approx([4.0, 5.0, 3.0])


def test_gradients_flow_to_the_field_with_one_ray_and_random_draws():
    gain = torch.tensor(1.0, requires_grad=True)

    def field(points, directions):
        return torch.sigmoid(points), gain * points[..., :1]

    origins, directions = torch.tensor([[[0.0, 0.0, 2.7]]]), torch.tensor([[[0.1, 0.0, -1.0]]])
    rendered = render_rays(field, origins, directions, SETTINGS)
    rendered.features.sum().backward()
    assert gain.grad.isfinite() and gain.grad != 0


def test_orbit_camera_stands_in_front_of_the_face_and_moves_to_the_subjects_left_and_up():
    target = torch.tensor([0.0, 0.0, 0.05])
    pose = orbit_camera(torch.tensor([0.0, 0.5, 0.0]), torch.tensor([0.0, 0.0, 0.5]), 1.0, target)
    assert torch.allclose(pose[0, :3, 3], torch.tensor([0.0, -1.0, 0.05]), atol=1e-6)
    assert torch.allclose(pose[0, :3, 0], torch.tensor([1.0, 0.0, 0.0]), atol=1e-6)
    assert torch.allclose(pose[0, :3, 1], torch.tensor([0.0, 0.0, -1.0]), atol=1e-6)
    assert pose[1, 0, 3] > 0.4 and pose[2, 2, 3] > 0.5
    rotation = pose[:, :3, :3]
    assert torch.allclose(
        rotation @ rotation.transpose(1, 2), torch.eye(3).expand(3, 3, 3), atol=1e-6
    )
