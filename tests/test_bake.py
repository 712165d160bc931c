"""The albedo: texels find their place, colours are the field's, hair and seams are cleaned."""

from __future__ import annotations

import numpy as np
import pytest

from avatarmmc_blender.backend.head_model import load_bundled
from avatarmmc_blender.meshing.bake import bake_albedo, harmonic_fill
from avatarmmc_blender.meshing.texel_map import dilate, rasterize, texel_map
from avatarmmc_blender.template import template_from_model
from tests.synthetic_field import SyntheticField

RESOLUTION = 256


@pytest.fixture(scope="module")
def model():
    return load_bundled()


@pytest.fixture(scope="module")
def template(model):
    return template_from_model(model)


def test_texels_know_their_own_place(template):
    texels = rasterize(template.surface_uvs, RESOLUTION)
    uv = (template.surface_uvs[texels.triangle] * texels.bary[..., None]).sum(axis=1)
    row, column = np.divmod(texels.texel, RESOLUTION)
    centre = np.column_stack([column + 0.5, RESOLUTION - row - 0.5]) / RESOLUTION
    assert np.abs(uv - centre).max() < 1e-4
    assert texels.bary.min() > -1e-3
    assert len(texels.texel) > 0.5 * RESOLUTION**2


def test_texel_map_is_kept_per_template_and_resolution(template):
    first = texel_map(template, template.surface_uvs, 64)
    assert texel_map(template, template.surface_uvs, 64) is first
    assert texel_map(template, template.surface_uvs, 32) is not first


def test_dilation_takes_the_nearest_colour():
    image = np.zeros((5, 5, 1))
    image[2, 1], image[2, 4] = 1.0, 2.0
    filled = dilate(image, image[..., 0] > 0)
    assert filled[0, 0] == 1.0 and filled[4, 4] == 2.0 and (filled > 0).all()


def test_harmonic_fill_is_linear_on_a_strip():
    quads = np.array([[0, 1, 3, 2], [2, 3, 5, 4], [4, 5, 7, 6]])
    values = np.zeros((8, 1))
    values[6:] = 3.0
    known = np.array([True, True, False, False, False, False, True, True])
    assert np.allclose(harmonic_fill(quads, values, known)[:, 0], [0, 0, 1, 1, 2, 2, 3, 3])


def test_bare_skin_keeps_the_colour_of_the_field(model, template):
    field = SyntheticField.of_seed(4, model, hair_style="buzz", beard="none")
    surface = field.heads.surface[0].numpy()
    albedo = bake_albedo(field, surface, template, RESOLUTION)
    texels = texel_map(template, template.surface_uvs, RESOLUTION)
    canonical = texels.interpolate(template.surface_canonical, template.surface_faces)
    side, y, z = np.abs(canonical[:, 0]), canonical[:, 1], canonical[:, 2]
    cheek = (np.abs(side - 0.045) < 0.015) & (np.abs(z + 0.05) < 0.02) & (y < 0.0)
    positions = texels.interpolate(surface, template.surface_faces)[cheek]
    baked = albedo.image.reshape(-1, 3)[texels.texel[cheek]] / 255.0
    assert cheek.sum() > 100
    assert np.percentile(np.abs(baked - field.sample(positions).color), 99) < 0.01


def test_hanging_hair_leaves_no_colour_on_face_and_neck(model, template):
    field = SyntheticField.of_seed(4, model, hair_style="long", hair_lightness=-1.0, skin_tone=-0.6)
    albedo = bake_albedo(field, field.heads.surface[0].numpy(), template, RESOLUTION)
    texels = texel_map(template, template.surface_uvs, RESOLUTION)
    canonical = texels.interpolate(template.surface_canonical, template.surface_faces)
    below = (np.abs(canonical[:, 2] + 0.11) < 0.02) & (canonical[:, 1] < 0.10)
    below &= template.surface_region[texels.triangle] == template.REGION_SKIN
    colors = albedo.image.reshape(-1, 3)[texels.texel[below]] / 255.0
    brightness = colors.mean(axis=1) / albedo.skin_color.mean()
    assert np.percentile(brightness, 1) > 0.5
    assert albedo.hair_color.mean() < 0.5 * albedo.skin_color.mean()


def test_bake_covers_the_whole_image_and_rejects_bad_resolutions(model, template):
    field = SyntheticField.of_seed(4, model)
    surface = field.heads.surface[0].numpy()
    image = bake_albedo(field, surface, template, 64).image
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    assert (image.max(axis=2) > 0).all()
    with pytest.raises(ValueError, match="positive texture resolution, got 0"):
        bake_albedo(field, surface, template, 0)
