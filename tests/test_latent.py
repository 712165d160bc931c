"""Latents, derived values and measures of synthetic heads."""

from __future__ import annotations

import pytest
import torch

from avatarmmc_blender.backend.head_model import load_bundled
from avatarmmc_blender.backend.synthetic.latent import (
    APPEARANCE_INDEX,
    LATENT_DIM,
    LATENT_LIMIT,
    SHAPE_DIM,
    STYLE_DIRECTIONS,
    STYLE_SLICE,
    derive,
    measure,
    sample_latents,
)
from avatarmmc_blender.backend.synthetic.params import VECTOR_DIM, VECTOR_NAMES
from avatarmmc_blender.backend.synthetic.styles import STYLE_NAMES


@pytest.fixture(scope="module")
def model():
    return load_bundled()


def test_sampling_is_seeded_and_bounded():
    z = sample_latents(50, seed=4)
    assert z.shape == (50, LATENT_DIM)
    assert torch.equal(z, sample_latents(50, seed=4))
    assert not torch.equal(z, sample_latents(50, seed=5))
    assert z.abs().max() <= LATENT_LIMIT
    assert sample_latents(50, seed=4, truncation=0.5).std() < 0.6 * z.std()


def test_vector_is_finite_scaled_and_named(model):
    params = derive(sample_latents(300, seed=0), model)
    vector = params.vector()
    assert vector.shape == (300, VECTOR_DIM) == (300, len(VECTOR_NAMES))
    assert len(set(VECTOR_NAMES)) == VECTOR_DIM
    assert torch.isfinite(vector).all()
    assert vector.abs().max() < 2.6
    assert vector.std(0).min() > 0.05, "a constant value tells the generator nothing"


def test_derive_does_not_mix_heads_of_a_batch(model):
    z = sample_latents(6, seed=1)
    batch = derive(z, model).vector()
    single = torch.cat([derive(row[None], model).vector() for row in z])
    assert torch.allclose(batch, single, atol=1e-5)


def test_derive_rejects_other_shapes(model):
    with pytest.raises(ValueError, match="104"):
        derive(torch.zeros(2, 99), model)


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_each_style_can_be_chosen(model, style):
    z = torch.zeros(1, LATENT_DIM)
    z[:, STYLE_SLICE] = 2.4 * STYLE_DIRECTIONS[STYLE_NAMES.index(style)]
    weights = derive(z, model).w[0]
    assert STYLE_NAMES[int(weights.argmax())] == style
    assert weights.max() > 0.8


def test_beards_and_make_up_follow_the_face_shape(model):
    z = torch.zeros(2, LATENT_DIM)
    for name in ("beard", "full", "lipstick", "eyeshadow"):
        z[:, APPEARANCE_INDEX[name]] = 2.0
    masculine = model.directions["masc"]
    z[0, :SHAPE_DIM] = masculine
    z[1, :SHAPE_DIM] = -masculine
    params = derive(z, model)
    assert params.masc[0] > 0.9 and params.masc[1] < -0.9
    assert params.b_fu[0] > 0.8 and params.b_fu[1] == 0
    assert params.stick[1] > 0.5 and params.stick[0] == 0


def test_latents_change_values_smoothly(model):
    z = sample_latents(200, seed=3)
    moved = derive(z + 1e-3, model).vector() - derive(z, model).vector()
    switches = {VECTOR_NAMES.index(name) for name in ("glass", "ear", "ps")}
    smooth = [i for i in range(VECTOR_DIM) if i not in switches]
    assert moved[:, smooth].abs().max() < 0.05


def test_measures_follow_the_identity(model):
    flat = measure(model, torch.zeros(1, SHAPE_DIM))
    assert 0.07 < float(flat.hw) < 0.11
    assert 0.18 < float(flat.yb) < 0.23
    assert 0.11 < float(flat.zt) < 0.16
    varied = measure(model, sample_latents(40, seed=2)[:, :SHAPE_DIM])
    assert varied.hw.std() > 1e-3
