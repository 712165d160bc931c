"""Keys, weights and joints of assembled heads behave like faces."""

from __future__ import annotations

import numpy as np
import pytest

from avatarmmc_blender.backend.head_model import load_bundled
from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.meshing.assemble import assemble_head
from avatarmmc_blender.meshing.eyes import build_eyes, eyeball
from avatarmmc_blender.meshing.geometry import NearestOnMesh, as_triangles
from avatarmmc_blender.meshing.head_part import build_head_part
from avatarmmc_blender.meshing.lashes import build_lashes
from avatarmmc_blender.meshing.template import PART_LEFT_EYE, PART_RIGHT_EYE
from avatarmmc_blender.meshing.transfer import local_frames, transfer_expressions
from avatarmmc_blender.template import template_from_model
from tests.synthetic_field import SyntheticField

ALBEDO = np.full((4, 4, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def model():
    return load_bundled()


@pytest.fixture(scope="module")
def template(model):
    return template_from_model(model)


@pytest.fixture(scope="module")
def betas(template):
    return np.random.default_rng(2).normal(size=template.shape_count)


@pytest.fixture(scope="module")
def cage(template, betas):
    return template.identity(betas)


@pytest.fixture(scope="module")
def expressions(template, betas):
    return transfer_expressions(template, betas)


def test_frames_of_an_affine_change_are_that_change(template):
    change = np.array([[1.1, 0.1, 0.0], [0.0, 0.9, 0.2], [0.0, 0.0, 1.05]])
    frames = local_frames(template, template.rest @ change.T)
    connected = np.unique(template.skin_faces)
    # Normals turn with the inverse transpose, so the fit is near, not exact.
    assert np.abs(frames[connected] - change).mean() < 0.07
    still = local_frames(template, template.rest)
    assert np.abs(still[connected] - np.eye(3)).max() < 5e-3


def test_average_head_keeps_its_expressions(template):
    same = transfer_expressions(template, np.zeros(template.shape_count))
    connected = np.unique(template.skin_faces)
    assert np.abs(same - template.expressions)[:, connected].max() < 1e-4


def test_head_part_has_all_keys_in_order_and_proper_weights(template, cage, expressions):
    part = build_head_part(template, cage, expressions, ALBEDO)
    assert tuple(part.shape_keys) == EXPRESSIONS
    assert part.weights.min() >= 0.0 and np.allclose(part.weights.sum(axis=1), 1.0, atol=1e-6)
    assert part.uvs.shape == (*part.faces.shape, 2)
    assert np.isfinite(part.vertices).all() and np.unique(part.faces).size == len(part.vertices)
    assert np.linalg.norm(part.shape_keys["jawOpen"], axis=1).max() > 0.01


def test_high_density_passes_through_the_same_points(template, cage, expressions):
    coarse = build_head_part(template, cage, expressions, ALBEDO, density="cage")
    fine = build_head_part(template, cage, expressions, ALBEDO, density="high")
    assert np.allclose(fine.vertices[: len(coarse.vertices)], coarse.vertices, atol=1e-7)
    assert len(fine.faces) == 4 * len(coarse.faces)
    with pytest.raises(ValueError, match="got 'huge'"):
        build_head_part(template, cage, expressions, ALBEDO, density="huge")


def test_gaze_keys_turn_the_eyes_rigidly(template, cage, expressions):
    part = build_eyes(template, cage, expressions, np.array([0.3, 0.4, 0.5]), 0.34, 32)
    ball = eyeball(template, cage, PART_LEFT_EYE)
    left = part.weights[:, 3] == 1.0
    rest = part.vertices[left] - ball.centre
    for name in ("eyeLookUpLeft", "eyeLookOutLeft"):
        posed = rest + part.shape_keys[name][left]
        radii = np.linalg.norm(posed, axis=1), np.linalg.norm(rest, axis=1)
        assert np.allclose(*radii, atol=1e-6)
        assert np.abs(part.shape_keys[name][~left]).max() == 0.0
    pupil = rest[0] + part.shape_keys["eyeLookOutLeft"][left][0]
    assert pupil[0] > rest[0, 0] + 0.003  # the left eye looks out to the subject's left


def test_eyeballs_are_wound_outwards(template, cage, expressions):
    part = build_eyes(template, cage, expressions, np.array([0.3, 0.4, 0.5]), 0.34, 32)
    corners = part.vertices[part.faces].astype(np.float64)
    middle = corners.mean(axis=1)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    left, right = (eyeball(template, cage, p).centre for p in (PART_LEFT_EYE, PART_RIGHT_EYE))
    outward = middle - np.where(middle[:, :1] > 0, left, right)
    assert ((normal * outward).sum(axis=1) > 0).all()


def test_lashes_hang_on_the_lids_and_close_with_them(template, cage, expressions):
    head = build_head_part(template, cage, expressions, ALBEDO)
    eyes = build_eyes(template, cage, expressions, np.array([0.3, 0.4, 0.5]), 0.34, 32)
    part = build_lashes(head, eyes)
    roots = part.vertices.reshape(-1, 7, 3)[:, :2].mean(axis=1)
    nearest = NearestOnMesh(head.vertices, as_triangles(head.faces)).query(roots)[2]
    assert nearest.max() < 2e-4
    blink = part.shape_keys["eyeBlinkLeft"].reshape(-1, 7, 3)
    upper_left = slice(0, 46)
    assert blink[upper_left, 0, 2].mean() < -0.003
    assert np.abs(part.shape_keys["eyeBlinkRight"].reshape(-1, 7, 3)[upper_left]).max() < 1e-4


@pytest.mark.parametrize("density", ["cage", "high"])
def test_the_slots_of_the_head_are_its_regions_and_share_one_image(template, density):
    cage, expressions = template.rest, template.expressions
    part = build_head_part(template, cage, expressions, ALBEDO, density)
    names = [material.name for material in part.materials]
    assert names == ["Skin", "Scalp", "Neck", "Ears", "Brows", "Lips", "Mouth"]
    assert {material.image_name for material in part.materials} == {"Skin Color"}
    centres = part.vertices[part.faces].mean(axis=1)
    middle = {name: centres[part.material_index == i].mean(axis=0) for i, name in enumerate(names)}
    assert middle["Neck"][2] < middle["Lips"][2] < middle["Brows"][2] < middle["Scalp"][2]
    assert middle["Lips"][1] < middle["Mouth"][1] and middle["Brows"][1] < middle["Ears"][1]


def test_assembled_head_is_complete_and_repeatable(model, template):
    field = SyntheticField.of_seed(6, model, hair_style="bald", beard="none", glasses="none")
    surface = field.shrink_wrap()
    stages = []
    head = assemble_head(
        field, surface, template, texture=64, raw_surface=True,
        callback=lambda stage, fraction: stages.append((stage, fraction)),
    )  # fmt: skip
    again = assemble_head(field, surface, template, texture=64)
    names = [part.name for part in head.parts]
    assert names[0] == "Head" and {"Eyes", "Lashes"} <= set(names)
    assert head.joints.shape == (5, 3) and head.joints[3, 0] > 0.02 > -0.02 > head.joints[4, 0]
    assert {stage for stage, _ in stages} == {"fit", "bake", "rig", "hair"}
    assert all(0.0 <= fraction <= 1.0 for _, fraction in stages)
    for first, second in zip(head.parts, again.parts, strict=True):
        assert first.vertices.tobytes() == second.vertices.tobytes()
    assert head.raw_surface is not None and len(head.raw_surface.faces) == len(surface.faces)
