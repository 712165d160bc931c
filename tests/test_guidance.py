"""Guidance: one scale a modality, exact at 0 and 1; contradictions are named."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from avatarmmc_blender.backend.conditions.conditions import (
    ATTRIBUTE_INDEX,
    MODALITIES,
    Conditions,
    encode_attributes,
)
from avatarmmc_blender.backend.conditions.contradictions import settle
from avatarmmc_blender.backend.diffusion.guidance import PLAIN, Guidance, branches, guided
from avatarmmc_blender.backend.diffusion.sample import SampleSettings, sample
from tests.tiny_diffusion import some_conditions, tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture
def noisy():
    rng = torch.Generator().manual_seed(2)
    return torch.randn(2, 16, 16, generator=rng), torch.tensor([0.3, 0.8])


def direct(model, conditions, noisy):
    return model(*noisy, model.context(conditions))


def test_scale_one_is_the_conditional_model_exactly(model, noisy):
    conditions = some_conditions()
    assert torch.equal(guided(model, conditions, PLAIN)(*noisy), direct(model, conditions, noisy))


def test_scale_zero_is_the_unconditional_model_exactly(model, noisy):
    nothing = direct(model, Conditions.none(2), noisy)
    assert torch.equal(guided(model, some_conditions(), Guidance(0, 0, 0))(*noisy), nothing)
    assert not torch.allclose(nothing, direct(model, some_conditions(), noisy))


def test_a_prepared_context_is_that_context_also_of_several_latents(model, noisy):
    context = model.context(some_conditions())
    prepared = model.prepare(context)
    x, t = (value.repeat_interleave(3, 0) for value in noisy)
    assert torch.equal(model(x, t, prepared), model(x, t, context))
    apart = model(x, t, model.context(some_conditions().repeat(3)))
    assert torch.allclose(model(x, t, prepared), apart, atol=1e-5)


@pytest.mark.parametrize("name", MODALITIES)
def test_a_modality_of_scale_zero_is_as_if_not_given(model, noisy, name):
    scales = {other: 1.0 for other in MODALITIES} | {name: 0.0}
    expected = direct(model, some_conditions().without(name), noisy)
    assert torch.equal(guided(model, some_conditions(), Guidance(**scales))(*noisy), expected)


@pytest.mark.parametrize("name", MODALITIES)
def test_one_modality_follows_the_formula(model, noisy, name):
    alone = some_conditions()
    for other in MODALITIES:
        alone = alone if other == name else alone.without(other)
    nothing = direct(model, Conditions.none(2), noisy)
    expected = nothing + 3 * (direct(model, alone, noisy) - nothing)
    found = guided(model, alone, Guidance(3, 3, 3))(*noisy)
    assert torch.allclose(found, expected, atol=1e-5)


def test_three_scales_take_at_most_four_branches():
    found = branches(some_conditions(), Guidance(2, 3, 4))
    assert [branch.weight for branch in found] == [-1, -1, -1, 4]
    assert sum(branch.weight for branch in found) == 1
    assert len(branches(some_conditions(), Guidance(2, 2, 2))) == 2


@pytest.mark.parametrize("scale", [-1.0, math.nan, math.inf])
def test_wrong_scales_are_refused(scale):
    with pytest.raises(ValueError, match="guidance of labels"):
        Guidance(labels=scale)


def test_a_model_of_attributes_alone_refuses_a_photo():
    model = tiny_model(visual=False)
    with pytest.raises(ValueError, match="cannot take image"):
        model.context(some_conditions())
    attributes = some_conditions().without("image").without("labels")
    assert model.context(attributes).tokens.shape == (2, len(ATTRIBUTE_INDEX), 32)


def with_attributes(**attributes):
    conditions = some_conditions(1, size=64)
    values, given = encode_attributes([attributes])
    return Conditions(
        values,
        given,
        labels=conditions.labels,
        labels_mask=conditions.labels_mask,
    )


def test_the_stronger_of_two_contradicting_conditions_wins():
    asked = with_attributes(hair_style="bald", age=0.5)
    kept, notes = settle(asked, labels_scale=2.0, attributes_scale=1.0)
    assert len(notes) == 1 and notes[0].endswith("the label map wins")
    assert not kept.attributes_given[0, ATTRIBUTE_INDEX["hair_style"]]
    assert kept.attributes_given[0, ATTRIBUTE_INDEX["age"]]
    kept, notes = settle(asked, labels_scale=1.0, attributes_scale=2.0)
    assert notes[0].endswith("the attribute wins")
    assert kept.attributes_given[0, ATTRIBUTE_INDEX["hair_style"]]
    assert (kept.labels_mask[asked.labels[:, None] == 13] == 0).all()


def test_a_photo_is_hidden_where_its_labels_lose():
    plain = with_attributes(hair_style="bald")
    shown = torch.ones_like(plain.labels_mask)
    asked = replace(plain, image=shown.repeat(1, 3, 1, 1), image_mask=shown)
    hair = asked.labels[:, None] == 13
    kept, _ = settle(asked, labels_scale=1.0, attributes_scale=2.0)
    assert (kept.image_mask[hair] == 0).all() and (asked.image_mask == 1).all()
    kept, _ = settle(asked, labels_scale=2.0, attributes_scale=1.0)
    assert (kept.image_mask == 1).all()


def test_masked_pixels_contradict_nothing():
    asked = with_attributes(hair_style="bald")
    asked.labels_mask[asked.labels[:, None] == 13] = 0
    assert settle(asked, 2.0, 2.0)[1] == []
    assert settle(with_attributes(hair_style="crop"), 2.0, 2.0)[1] == []


def test_attributes_that_exclude_each_other_are_named():
    _, notes = settle(with_attributes(beard="full", masculinity=-1.0), 1.0, 1.0)
    assert len(notes) == 1 and "beard" in notes[0]


def test_variants_are_sampled_in_one_pass_and_alike_alone(model):
    settings = SampleSettings(steps=4, seed=5, variants=3)
    asked = some_conditions(1)
    three = sample(model, asked, settings)
    assert three.ws.shape == (3, 19, 256)
    assert (three.latents[0] - three.latents[1]).abs().mean() > 0.01
    second = sample(model, asked, SampleSettings(steps=4, seed=6))
    assert torch.allclose(second.latents[0], three.latents[1], atol=1e-4)
    again = sample(model, asked, settings)
    assert torch.equal(again.latents, three.latents)
    ddim = sample(model, asked, SampleSettings(steps=4, seed=6, sampler="ddim"))
    assert ddim.latents.shape == second.latents.shape
    with pytest.raises(ValueError, match="at least 1 variant"):
        sample(model, asked, SampleSettings(variants=0))
