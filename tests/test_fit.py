"""Fitting the template to fields: it finds the head, also under hair and beard."""

from __future__ import annotations

import numpy as np
import pytest

from avatarmmc_blender.backend.head_model import load_bundled
from avatarmmc_blender.meshing.fit import FitSettings, fit_template
from avatarmmc_blender.meshing.geometry import NearestOnMesh, triangle_barycentric
from avatarmmc_blender.template import template_from_model
from tests.synthetic_field import SyntheticField


@pytest.fixture(scope="module")
def model():
    return load_bundled()


@pytest.fixture(scope="module")
def template(model):
    return template_from_model(model)


def surface_error(field, fitted, template, region):
    """Mean distance (mm) of the fitted guide surface to the true skin on part of the head."""
    true_skin = NearestOnMesh(field.heads.surface[0].numpy(), template.surface_faces)
    _, _, distance = true_skin.query(template.surface(fitted.vertices)[region])
    return 1e3 * distance.mean()


def face_region(template):
    _, y, z = template.surface_canonical.T
    return template.surface_skin & (y < 0.01) & (z < 0.06) & (z > -0.13)


@pytest.mark.parametrize("style", ["buzz", "crop"])
def test_fit_finds_the_face(style, model, template):
    field = SyntheticField.of_seed(3, model, hair_style=style, beard="none")
    fitted = fit_template(field, field.shrink_wrap(), template)
    assert surface_error(field, fitted, template, face_region(template)) < 0.35
    assert fitted.residual < 0.3e-3


def test_fit_finds_the_skull_under_hair(model, template):
    field = SyntheticField.of_seed(3, model, hair_style="crop")
    fitted = fit_template(field, field.shrink_wrap(), template)
    assert surface_error(field, fitted, template, template.masks_on_surface("scalp") > 0.5) < 2.5


def test_fit_is_deterministic(model, template):
    field = SyntheticField.of_seed(5, model, hair_style="buzz")
    surface = field.shrink_wrap()
    settings = FitSettings(samples=3000)
    first = fit_template(field, surface, template, settings)
    second = fit_template(field, surface, template, settings)
    assert np.array_equal(first.betas, second.betas)


def test_fit_says_when_there_is_no_skin(model, template):
    field = SyntheticField.of_seed(5, model, hair_style="buzz")
    surface = field.shrink_wrap()
    sample = field.sample

    def unlabelled(points):
        result = sample(points)
        result.labels[:] = 0.05
        return result

    field.sample = unlabelled
    with pytest.raises(ValueError, match="visible skin, got 0"):
        fit_template(field, surface, template)


def test_fit_stops_when_the_callback_raises(model, template):
    field = SyntheticField.of_seed(5, model)

    def cancel(stage, fraction):
        raise InterruptedError(stage)

    with pytest.raises(InterruptedError, match="fit"):
        fit_template(field, field.shrink_wrap(), template, callback=cancel)


def test_nearest_on_mesh_agrees_with_a_dense_search(template):
    rng = np.random.default_rng(0)
    surface = template.surface_rest
    points = surface[rng.choice(len(surface), 40)] + rng.normal(scale=0.002, size=(40, 3))
    _, bary, distance = NearestOnMesh(surface, template.surface_faces).query(points)
    corners = surface[template.surface_faces]
    for point, found in zip(points, distance, strict=True):
        weights = triangle_barycentric(np.broadcast_to(point, (len(corners), 3)), corners)
        nearest = (weights[..., None] * corners).sum(axis=1)
        assert found == pytest.approx(np.linalg.norm(nearest - point, axis=1).min(), abs=1e-9)
    assert bary.min() >= 0.0 and np.allclose(bary.sum(axis=1), 1.0)
