"""Fast images of generated heads against the field they stand for."""

import pytest
import torch

from avatarmmc_blender.backend.generator.cameras import intrinsics_from_angle
from avatarmmc_blender.backend.generator.fast_images import FastImages, project
from avatarmmc_blender.backend.generator.rays import box_range, sphere_trace
from avatarmmc_blender.backend.generator.weights import load_bundled
from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.backend.synthetic.latent import (
    APPEARANCE_INDEX,
    STYLE_DIRECTIONS,
    STYLE_SLICE,
    sample_latents,
)
from avatarmmc_blender.backend.synthetic.styles import STYLE_NAMES
from tests.reference_images import exact_image, front_camera

SIZE = 64
CLASSES = {"hair": 13, "skin": 1, "eye": 4}


@pytest.fixture(scope="module")
def generator():
    return load_bundled()


@pytest.fixture(scope="module")
def images(generator):
    return FastImages(generator)


def head(generator, seed, style=STYLE_NAMES[0], glasses=-1.0):
    z = sample_latents(1, seed)
    z[0, STYLE_SLICE] = 2.4 * STYLE_DIRECTIONS[STYLE_NAMES.index(style)]
    z[0, APPEARANCE_INDEX["glasses"]] = glasses
    with torch.no_grad():
        return generator.mapping(z)


def expression(**weights):
    values = torch.zeros(1, len(EXPRESSIONS))
    for name, value in weights.items():
        values[0, EXPRESSIONS.index(name)] = value
    return values


@pytest.mark.parametrize(
    ("style", "glasses", "yaw", "jaw"),
    [(STYLE_NAMES[0], -1.0, 0.3, 0.0), ("long", 2.0, -0.6, 0.4), ("bun", -1.0, 1.2, 0.0)],
)
def test_agrees_with_the_field_traced_exactly(generator, images, style, glasses, yaw, jaw):
    ws, face = head(generator, 5, style, glasses), expression(jawOpen=jaw)
    camera = front_camera(yaw), intrinsics_from_angle(16.0)
    fast = images.pose(ws, face).render(*camera, SIZE, samples=1)
    color, label = exact_image(generator, ws, face, *camera, SIZE)
    both = (fast.label > 0) & (label > 0)
    assert (fast.color - color)[both].abs().mean() < 0.012
    overlaps = []
    for index in label.unique().tolist():
        a, b = fast.label == index, label == index
        if b.sum() > 20:
            overlaps.append(float((a & b).sum() / (a | b).sum()))
    assert sum(overlaps) / len(overlaps) > 0.88, overlaps


def test_landmarks_fall_on_the_features_they_name(generator, images):
    posed = images.pose(head(generator, 3), expression())
    camera = front_camera(0.0), intrinsics_from_angle(16.0)
    picture = posed.render(*camera, SIZE)
    place = project(posed.landmarks, *camera)[0]
    assert place.shape == (68, 2) and (place > 0.1).all() and (place < 0.9).all()
    right_eye, left_eye, mouth = (place[a:b].mean(0) for a, b in ((36, 42), (42, 48), (60, 68)))
    assert right_eye[0] < left_eye[0] < 1 and mouth[1] > left_eye[1]
    column, row = (left_eye * SIZE).long().tolist()
    assert picture.label[row, column] == CLASSES["eye"]


def test_image_does_not_depend_on_its_size(generator, images):
    posed = images.pose(head(generator, 8, "long"), expression())
    camera = front_camera(0.4), intrinsics_from_angle(16.0)
    small, large = posed.render(*camera, 32, samples=4), posed.render(*camera, 64, samples=2)
    halved = large.color.view(32, 2, 32, 2, 3) * large.coverage.view(32, 2, 32, 2, 1)
    coverage = large.coverage.view(32, 2, 32, 2).mean((1, 3))
    assert torch.allclose(small.coverage, coverage, atol=1e-5)
    whole = small.color * small.coverage[..., None]
    assert torch.allclose(whole, halved.mean((1, 3)), atol=1e-3)


def test_normals_face_the_camera(generator, images):
    camera = front_camera(0.0), intrinsics_from_angle(16.0)
    picture = images.pose(head(generator, 1), expression()).render(*camera, SIZE)
    inner = picture.coverage == 1
    assert torch.allclose(
        picture.normal[inner].norm(dim=-1), torch.ones(int(inner.sum())), atol=1e-4
    )
    facing = -(picture.normal[inner] @ camera[0][:3, 2])
    assert (facing > -0.2).float().mean() > 0.97


def test_a_box_and_a_sphere_are_met_where_they_are():
    origin, direction = torch.tensor([[0.0, 0, -2], [3, 0, -2]]), torch.tensor([[0.0, 0, 1]] * 2)
    near, far = box_range(origin, direction, -torch.ones(3), torch.ones(3))
    assert near[0] == 1 and far[0] == 3 and near[1] >= far[1]
    depth = sphere_trace(lambda p: p.norm(dim=-1) - 0.5, origin, direction, near, far, 40)
    assert abs(depth[0] - 1.5) < 1e-3 and depth[1] == torch.inf


def test_several_heads_at_once_are_refused(images):
    with pytest.raises(ValueError, match="of one head"):
        images.pose(torch.zeros(2, 19, 256), expression())
