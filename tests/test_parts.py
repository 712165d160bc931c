"""Eyes, teeth, glasses and earrings in closed form."""

import math

import pytest
import torch

from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.backend.head_model.model import load_bundled
from avatarmmc_blender.backend.parts.anchors import PartAnchors
from avatarmmc_blender.backend.parts.compose import part_distance, sample_parts
from avatarmmc_blender.backend.parts.earrings import earring_distance
from avatarmmc_blender.backend.parts.eyes import (
    eye_distance,
    eye_texture,
    gaze_coordinates,
    iris_color,
    seen_eye_color,
)
from avatarmmc_blender.backend.parts.glasses import frame_color, glasses_distance
from avatarmmc_blender.backend.parts.teeth import LOWER, UPPER, teeth, tooth_row
from avatarmmc_blender.backend.parts.values import PartValues
from avatarmmc_blender.backend.synthetic.labels import LABELS


@pytest.fixture(scope="module")
def model():
    return load_bundled()


def anchors(model, weights=None):
    expression = torch.zeros(1, len(EXPRESSIONS))
    for name, value in (weights or {}).items():
        expression[0, EXPRESSIONS.index(name)] = value
    return PartAnchors.from_vertices(model, model.forward(torch.zeros(1, 64), expression)[0])


def values(glass=0.0, ear=0.0, shape=0.5):
    return PartValues(
        iris=torch.tensor([[0.27, 0.42, 0.54]]),
        iris_radius=torch.tensor([math.radians(19.5)]),
        glass=torch.tensor([glass]),
        glass_shape=torch.tensor([shape]),
        ear=torch.tensor([ear]),
        lash=torch.tensor([0.5]),
    )


def test_eyeball_is_a_sphere_with_a_cornea(model):
    where = anchors(model)
    centre, radius, gaze = where.eye_centre, where.eye_radius, where.gaze
    behind = centre - radius[..., None] * gaze
    apex = centre + (radius + 0.0011)[..., None] * gaze
    for points in (behind, apex):
        distance = eye_distance(points, where, values()).diagonal(dim1=1, dim2=2)
        assert distance.abs().max() < 1e-5
    inside = eye_distance(centre, where, values()).diagonal(dim1=1, dim2=2)
    assert torch.allclose(inside, -radius, atol=2e-3)


def test_gaze_coordinates(model):
    where = anchors(model)
    gaze, centre = where.gaze[:, 0], where.eye_centre[:, 0]
    up, left = torch.tensor([0.0, 0.0, 0.1]), torch.tensor([0.1, 0.0, 0.0])
    points = torch.stack([centre + gaze, centre + gaze + up, centre + gaze + left], 1)
    angle, azimuth = gaze_coordinates(points, where, eye=0)
    assert angle[0, 0] < 1e-3
    assert math.isclose(azimuth[0, 1], math.pi / 2, abs_tol=0.02)
    assert abs(azimuth[0, 2]) < 0.02


def test_iris_has_pupil_colour_and_limbus():
    azimuth = torch.linspace(0, 2 * math.pi, 60)
    iris = torch.tensor([0.27, 0.42, 0.54])
    pupil = iris_color(torch.full_like(azimuth, 0.1), azimuth, iris)
    middle = iris_color(torch.full_like(azimuth, 0.65), azimuth, iris)
    limbus = iris_color(torch.full_like(azimuth, 1.0), azimuth, iris)
    assert pupil.max() < 0.03
    assert (middle.mean(0) - iris).abs().max() < 0.12
    assert limbus.mean() < 0.5 * middle.mean()


def test_eye_texture_is_dark_in_the_middle_and_pink_at_the_nose():
    left, right = eye_texture(values(), 128, 0), eye_texture(values(), 128, 1)
    assert left.shape == (128, 128, 3)
    assert left[63:65, 63:65].max() < 0.05
    ring = int(0.5 * 128 * 2.0 * 19.5 / 185)  # twice the iris away from the pupil
    subject_right, subject_left = left[64, 64 + ring], left[64, 64 - ring]
    assert subject_right[1] < subject_left[1] - 0.02  # the nose lies to the left eye's right
    assert right[64, 64 + ring][1] > right[64, 64 - ring][1] + 0.02


def test_eye_in_contact_with_the_lid_is_shaded(model):
    where = anchors(model)
    points = where.eye_centre[:, :1] + 0.024 * where.gaze[:, :1] + torch.tensor([0.008, 0, 0])
    touching = seen_eye_color(points, where, values(), torch.zeros(1, 1), 0)
    free = seen_eye_color(points, where, values(), torch.full((1, 1), 0.01), 0)
    assert (touching < free).all()


def test_tooth_rows():
    behind = UPPER.front + 0.0028
    middle = torch.tensor([0.005, behind + 16 * 0.005**2, UPPER.edge + 0.006])
    distance, color = tooth_row(middle[None], UPPER)
    assert distance < -0.001 and color.min() > 0.6
    gum, pink = tooth_row(middle[None] + torch.tensor([0.0, 0.0, 0.0115]), UPPER)
    assert gum < 0 and pink[0, 0] > 1.4 * pink[0, 1]
    lower, _ = tooth_row(torch.tensor([[0.004, LOWER.front + 0.003, LOWER.edge - 0.005]]), LOWER)
    assert lower < 0


def test_jaw_carries_the_lower_teeth_only(model):
    rest, posed = anchors(model), anchors(model, {"jawOpen": 0.6})
    upper = torch.tensor([[[0.005, UPPER.front + 0.003, UPPER.edge + 0.005]]])
    lower = torch.tensor([[[0.004, LOWER.front + 0.003, LOWER.edge - 0.005]]])
    assert teeth(upper, rest)[0] < 0 and teeth(upper, posed)[0] < 0
    assert teeth(lower, rest)[0] < 0 and teeth(lower, posed)[0] > 0.001
    eye = torch.eye(3)
    assert torch.allclose(posed.upper_teeth.rotation[0], eye, atol=1e-3)
    moved = posed.lower_teeth.rotation[0]
    assert torch.allclose(moved @ moved.T, eye, atol=1e-4)
    assert (moved - eye).abs().max() > 0.05


def test_glasses_sit_on_the_nose(model):
    where = anchors(model)
    left = where.eye_centre[:, 0]
    grid = torch.stack(
        torch.meshgrid(
            torch.linspace(-0.075, 0.075, 61),
            torch.linspace(-0.06, 0.0, 41),
            torch.linspace(-0.03, 0.03, 41),
            indexing="ij",
        ),
        -1,
    ).view(1, -1, 3)
    on = glasses_distance(grid, where, values(glass=1.0))
    assert on.min() < 0 < glasses_distance(grid, where, values(glass=0.0)).min()
    frame = grid[0, on[0] < 0]
    assert frame[:, 0].max() > 0.055 and (frame[:, 0] + frame[:, 0].flip(0)).abs().max() < 0.01
    lens_middle = torch.stack([left[:, 0], frame[:, 1].min()[None], left[:, 2]], -1)[:, None]
    assert glasses_distance(lens_middle, where, values(glass=1.0)) > 0.01
    assert frame_color(values(shape=0.0)).shape == (1, 3)


def test_earrings_hang_at_both_lobes(model):
    where = anchors(model)
    outward = torch.tensor([[0.004, -0.002, -0.003], [-0.004, -0.002, -0.003]])
    distance = earring_distance(where.lobe + outward, where, values(ear=1.0))
    assert torch.allclose(distance, torch.full((1, 2), -0.0042), atol=1e-6)
    assert (earring_distance(where.lobe, where, values(ear=0.0)) > 0.04).all()


def test_nearest_part_gives_colour_and_label(model):
    where, own = anchors(model), values(glass=1.0, ear=1.0)
    eyes = where.eye_centre + 0.02 * where.gaze
    tooth = torch.tensor([[[0.005, UPPER.front + 0.003, UPPER.edge + 0.005]]])
    points = torch.cat([eyes, tooth, where.lobe[:, :1] + torch.tensor([0.004, -0.002, -0.003])], 1)
    sample = sample_parts(points, where, own, torch.full((1, 4), 0.01))
    names = [LABELS[index] for index in sample.label[0]]
    assert names == ["l_eye", "r_eye", "mouth", "ear_r"]
    assert torch.equal(sample.sdf, part_distance(points, where, own))
    assert sample.color[0, 2].min() > 0.6
