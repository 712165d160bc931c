"""Attributes measured from a latent are what was set in it."""

from __future__ import annotations

import pytest
import torch

from avatarmmc_blender.backend.conditions.attributes import apply_attributes
from avatarmmc_blender.backend.conditions.conditions import (
    ATTRIBUTE_INDEX,
    NUM_ATTRIBUTES,
    Conditions,
    decode_attributes,
    encode_attributes,
)
from avatarmmc_blender.backend.conditions.measure import measure_attributes
from avatarmmc_blender.backend.conditions.table import ATTRIBUTES
from avatarmmc_blender.backend.head_model import load_bundled
from avatarmmc_blender.backend.synthetic.latent import (
    SHAPE_DIM,
    STYLE_SLICE,
    derive,
    sample_latents,
)
from avatarmmc_blender.backend.training.latents import sample_training_latents

# These only show as on or off, or as a side.
TWO_SIDED = {"earrings", "parting"}


@pytest.fixture(scope="module")
def model():
    return load_bundled()


def measured(z, model):
    return measure_attributes(z[:, :SHAPE_DIM], derive(z, model).vector(), model)


def round_trip(name, value, model, extra=None, seeds=range(6)):
    """Heads (N, 104) with an attribute set and all it needs to show, and what is measured."""
    values = {"hair_style": "long wavy", "age": 0.0, "hair_grey": 0.0, **(extra or {}), name: value}
    z = torch.stack([apply_attributes(sample_latents(1, s)[0], values, model) for s in seeds])
    numbers, seen = measured(z, model)
    column = ATTRIBUTE_INDEX[name]
    return z[seen[:, column]], numbers[:, column][seen[:, column]]


@pytest.mark.parametrize("attribute", [a for a in ATTRIBUTES if a.choices], ids=lambda a: a.name)
def test_choices_come_back(model, attribute):
    for i, choice in enumerate(attribute.choices):
        _, found = round_trip(attribute.name, choice, model)
        assert len(found) and (found == i).all(), choice


@pytest.mark.parametrize(
    "attribute", [a for a in ATTRIBUTES if not a.choices], ids=lambda a: a.name
)
def test_numbers_come_back(model, attribute):
    extra = {"beard": "full"} if attribute.name.startswith("beard") else {}
    extra |= {"skin_tone": -1.0} if attribute.name.startswith(("hair", "iris")) else {}
    extra |= {"hair_style": "long"} if attribute.name == "hair_curl" else {}
    extra |= {"hair_lightness": 0.0} if attribute.name == "hair_red" else {}
    for value in (0.3, 0.5) if attribute.name not in TWO_SIDED else (1.0,):
        _, found = round_trip(attribute.name, value, model, extra)
        assert len(found) >= 4
        # The shape's ridge takes a little off.
        assert (found - value).abs().median() < 0.05, (value, found)
    for value in (attribute.minimum, attribute.maximum):
        z, found = round_trip(attribute.name, value, model, extra)
        # Some effects end before the number does: what shows comes back.
        again = torch.stack(
            [
                apply_attributes(head, {attribute.name: float(number)}, model)
                for head, number in zip(z, found, strict=True)
            ]
        )
        difference = derive(again, model).vector() - derive(z, model).vector()
        assert difference.abs().amax(1).median() < 0.05


def test_all_heads_measure_within_the_table(model):
    z = sample_training_latents(500, torch.Generator().manual_seed(1))
    numbers, seen = measured(z, model)
    assert numbers.shape == seen.shape == (500, NUM_ATTRIBUTES)
    assert torch.isfinite(numbers).all()
    for i, attribute in enumerate(ATTRIBUTES):
        assert numbers[:, i].min() >= attribute.minimum
        assert numbers[:, i].max() <= attribute.maximum
        assert seen[:, i].float().mean() > 0.05, attribute.name
        assert numbers[seen[:, i], i].std() > 0.05, attribute.name


def test_what_does_not_show_is_not_seen(model):
    bald = apply_attributes(sample_latents(1, 3)[0], {"hair_style": "bald"}, model)
    shaven = apply_attributes(sample_latents(1, 3)[0], {"beard": "none"}, model)
    _, seen = measured(torch.stack([bald, shaven]), model)
    assert not seen[0, ATTRIBUTE_INDEX["hair_volume"]]
    assert not seen[0, ATTRIBUTE_INDEX["hair_length"]]
    assert not seen[1, ATTRIBUTE_INDEX["beard_length"]]


def test_blends_of_two_styles_measure_their_volume(model):
    z = sample_latents(200, 5)
    params = derive(z, model)
    numbers, seen = measured(z, model)
    column = ATTRIBUTE_INDEX["hair_volume"]
    truth = (z[:, STYLE_SLICE.stop] / 2.5).clamp(-1, 1)
    two = (params.w.topk(2, 1).values.sum(1) > 0.99) & seen[:, column]
    assert two.float().mean() > 0.5
    assert (numbers[two, column] - truth[two]).abs().median() < 0.02


def test_attributes_encode_and_decode():
    heads = [{"age": 0.5, "hair_style": "bun"}, {}, {"glasses": "none"}]
    values, given = encode_attributes(heads)
    assert given.sum() == 3
    assert decode_attributes(values, given) == heads
    with pytest.raises(ValueError, match="unknown attribute"):
        encode_attributes([{"moustache_wax": 1.0}])


def test_conditions_know_what_is_given():
    values, given = encode_attributes([{"age": 0.5}, {}])
    mask = torch.zeros(2, 1, 128, 128)
    mask[1, :, :4] = 1
    conditions = Conditions(values, given, torch.rand(2, 3, 128, 128), mask)
    assert conditions.given("attributes").tolist() == [True, False]
    assert conditions.given("image").tolist() == [False, True]
    assert not conditions.given("labels").any()
    assert not conditions.without("image").given("image").any()
    assert len(conditions.repeat(3)) == 6
    with pytest.raises(ValueError, match="image_mask belong together"):
        Conditions(values, given, image=torch.rand(2, 3, 128, 128))
    with pytest.raises(ValueError, match="expected shape"):
        Conditions(values[:, :3], given)
