"""The attribute table and its map to latents."""

from __future__ import annotations

import math

import pytest
import torch

from avatarmmc_blender.backend.conditions.attributes import apply_attributes, check_value
from avatarmmc_blender.backend.conditions.table import (
    AMOUNT_MAP,
    ATTRIBUTES,
    BEARDS,
    GAUSSIAN_MAP,
    HAIR_STYLES,
    SHAPE_MAP,
)
from avatarmmc_blender.backend.head_model import load_bundled
from avatarmmc_blender.backend.synthetic.latent import (
    APPEARANCE_INDEX,
    LATENT_LIMIT,
    SHAPE_DIM,
    derive,
    sample_latents,
)
from avatarmmc_blender.backend.synthetic.styles import STYLE_NAMES


@pytest.fixture(scope="module")
def model():
    return load_bundled()


@pytest.fixture
def z():
    return sample_latents(1, seed=12)[0]


def derived(z, values, model):
    return derive(apply_attributes(z, values, model)[None], model)


def test_table_is_consistent(model):
    names = [a.name for a in ATTRIBUTES]
    assert len(set(names)) == len(names)
    assert tuple(HAIR_STYLES) == STYLE_NAMES
    mapped = {*SHAPE_MAP, *GAUSSIAN_MAP, *AMOUNT_MAP, "hair_style", "beard", "glasses"}
    assert mapped == set(names)
    for attribute in ATTRIBUTES:
        assert check_value(attribute.name, attribute.default) == attribute.default
        assert attribute.description
    for parts, _ in SHAPE_MAP.values():
        assert set(parts) <= set(model.directions)


def test_no_attributes_leave_the_latent_alone(model, z):
    assert torch.equal(apply_attributes(z, {}, model), z)


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda a: a.name)
def test_each_attribute_changes_the_latent_within_limits(model, z, attribute):
    ends = attribute.choices or (attribute.minimum, attribute.maximum)
    low = apply_attributes(z, {attribute.name: ends[0]}, model)
    high = apply_attributes(z, {attribute.name: ends[-1]}, model)
    assert not torch.equal(low, high)
    assert high.abs().max() <= LATENT_LIMIT


def test_the_result_does_not_depend_on_what_was_there_for_set_values(model):
    values = {"skin_tone": 0.5, "freckles": 0.7, "hair_style": "bun", "masculinity": -0.8}
    for seed in (1, 2):
        params = derived(sample_latents(1, seed=seed)[0], values, model)
        assert params.m[0] == pytest.approx(0.864, abs=0.01)
        assert params.freckles[0] == pytest.approx(0.7, abs=0.03)
        assert params.bun[0] > 0.9
        assert params.masc[0] == pytest.approx(-0.8, abs=0.05)


def test_several_shape_attributes_hold_together(model, z):
    values = {"masculinity": 0.5, "jaw_width": 1.0, "nose_width": -1.0, "eye_size": 0.5}
    shape = apply_attributes(z, values, model)[:SHAPE_DIM]
    for name, value in values.items():
        parts, strength = SHAPE_MAP[name]
        direction = sum(w * model.directions[part] for part, w in parts.items())
        target = value * (float(direction.norm()) if name == "masculinity" else strength)
        assert float(shape @ direction / direction.norm()) == pytest.approx(target, abs=0.25)


@pytest.mark.parametrize("values", [{"face_length": 1.0}, {"eye_size": -1.0}, {"age": 1.0}])
def test_a_face_slider_leaves_masculinity_and_hair_alone(model, values):
    for seed in range(8):
        before = derived(sample_latents(1, seed=seed)[0], {}, model)
        after = derived(sample_latents(1, seed=seed)[0], values, model)
        assert after.masc[0] == pytest.approx(float(before.masc[0]), abs=0.05)
        assert after.w[0].argmax() == before.w[0].argmax()


def test_make_up_and_beards_keep_the_hair_style(model):
    for seed in range(8):
        z = sample_latents(1, seed=seed)[0]
        style = derived(z, {}, model).w[0].argmax()
        for values in ({"lipstick": 1.0}, {"beard": "full"}):
            assert derived(z, values, model).w[0].argmax() == style


@pytest.mark.parametrize("form", BEARDS)
def test_beard_forms(model, form):
    for seed in range(3):
        params = derived(sample_latents(1, seed=seed)[0], {"beard": form}, model)
        amounts = [float(v[0]) for v in (params.b_st, params.b_mu, params.b_go, params.b_fu)]
        count = BEARDS.index(form)
        assert all(a > 0.8 for a in amounts[:count])
        assert all(a < 0.05 for a in amounts[count:])


def test_make_up_makes_the_face_feminine_unless_told(model, z):
    z[:SHAPE_DIM] = model.directions["masc"]
    assert derived(z, {"lipstick": 1.0}, model).stick[0] > 0.3
    kept = derived(z, {"lipstick": 1.0, "masculinity": 0.9}, model)
    assert kept.masc[0] == pytest.approx(0.9, abs=0.05)


def test_glasses_switch(model, z):
    z[APPEARANCE_INDEX["glasses"]] = 0.0
    assert derived(z, {"glasses": "round"}, model).glass[0] == 1
    assert derived(z, {"glasses": "none"}, model).glass[0] == 0
    shape = [float(derived(z, {"glasses": g}, model).glass_shape[0]) for g in ("round", "square")]
    assert shape[0] < 0.3 and shape[1] > 0.7


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"moustache_wax": 1.0}, "unknown attribute"),
        ({"age": 1.5}, "from -1 to 1"),
        ({"age": math.nan}, "from -1 to 1"),
        ({"age": "old"}, "from -1 to 1"),
        ({"freckles": -0.1}, "from 0 to 1"),
        ({"hair_style": "mullet"}, "use one of"),
        ({"beard": 1.0}, "use one of"),
    ],
)
def test_wrong_attributes_are_refused_with_a_remedy(model, z, values, message):
    with pytest.raises(ValueError, match=message):
        apply_attributes(z, values, model)


def test_wrong_latents_are_refused(model):
    with pytest.raises(ValueError, match="104"):
        apply_attributes(torch.zeros(3), {}, model)
