"""What an edit has no part in: values, shape and look that the lock holds."""

from __future__ import annotations

import pytest
import torch

from avatarmmc_blender.backend.answer.front import front_camera
from avatarmmc_blender.backend.answer.portrait import own_conditions, view
from avatarmmc_blender.backend.conditions.conditions import ATTRIBUTE_INDEX
from avatarmmc_blender.backend.conditions.edited_values import EDITED_VALUES, edited_columns
from avatarmmc_blender.backend.conditions.measure import measure_attributes
from avatarmmc_blender.backend.conditions.table import ATTRIBUTES, SHAPE_MAP
from avatarmmc_blender.backend.diffusion.edit_lock import EditLock, edit_head
from avatarmmc_blender.backend.diffusion.editing import make_edit
from avatarmmc_blender.backend.diffusion.guidance import Guidance
from avatarmmc_blender.backend.diffusion.samplers import draw_noise
from avatarmmc_blender.backend.diffusion.weights import load_diffusion
from avatarmmc_blender.backend.evaluation.__main__ import DIFFUSION_WEIGHTS
from avatarmmc_blender.backend.generator.weights import BUNDLED_WEIGHTS, weights_hash
from avatarmmc_blender.backend.synthetic.params import from_vector, vector_slice
from avatarmmc_blender.backend.training.latents import sample_training_latents

SHAPED = tuple(SHAPE_MAP)


@pytest.fixture(scope="module")
def model(images):
    return load_diffusion(DIFFUSION_WEIGHTS, weights_hash(BUNDLED_WEIGHTS))


@pytest.fixture(scope="module")
def camera(images):
    return front_camera(images.generator.model)


@pytest.fixture(scope="module")
def lock(images, model):
    return EditLock(images, model.space)


@pytest.fixture(scope="module")
def rows(images):
    """Style rows of two heads."""
    with torch.no_grad():
        z = sample_training_latents(8, torch.Generator().manual_seed(9))
        return images.generator.mapping(z)[[3, 6]]


@pytest.fixture(scope="module")
def own(images, rows, camera):
    return own_conditions(images, rows[:1], camera)


@pytest.fixture
def values_alone(lock, monkeypatch):
    """Without the search on the surface, which reads alike anyway."""
    monkeypatch.setattr(lock, "surface", lambda known, edited, *rest: edited)


def held(lock, rows, edit, camera, strength=0.5, tell=None):
    """The first head with what an edit may change from the second."""
    known, other = (lock.space.encode(rows[i : i + 1]) for i in (0, 1))
    return lock(edit, known, other, strength, camera, tell or (lambda step, latent: None))


def read(lock, latent):
    return lock.images.generator.readout(lock.space.decode(latent))


def test_every_value_of_the_table_is_one_and_columns_follow():
    columns = {name: edited_columns([name]) for name in EDITED_VALUES}
    assert all(found.any() for found in columns.values())
    assert columns["hair_length"].sum() == 1 and columns["hair_lightness"].sum() == 6
    assert not edited_columns([]).any() and not edited_columns(["nose_width"]).any()
    eyes = edited_columns(["iris_hue"], pictured=True)
    assert eyes[vector_slice("iris_radius")].all() and eyes[vector_slice("iris")].all()


@pytest.mark.parametrize("wanted", [{"hair_lightness": 0.9}, {"lip_fullness": 1.0}, {"age": 0.9}])
def test_read_outs_that_an_edit_has_no_part_in_stay(lock, rows, own, camera, wanted):
    edit = make_edit(own, attributes=wanted)
    before, other = (read(lock, lock.space.encode(rows[i : i + 1])) for i in (0, 1))
    after = read(lock, held(lock, rows, edit, camera))
    free = edited_columns(edit.changed)
    free[vector_slice("masc")] = True  # follows from the shape
    away = (after.values - before.values).abs()[0]
    assert away[~free].max() < 0.02 < (other.values - before.values)[0, ~free].abs().max()
    model = lock.images.generator.model
    numbers = [measure_attributes(r.betas, r.values, model)[0][0] for r in (before, after)]
    for name in SHAPED:
        if name not in wanted:
            i = ATTRIBUTE_INDEX[name]
            assert abs(numbers[1][i] - numbers[0][i]) < 0.15, name


def test_a_number_asked_for_goes_part_of_the_way_or_all_of_it(
    lock, rows, own, camera, values_alone
):
    edit = make_edit(own, attributes={"lip_fullness": 1.0})
    i = ATTRIBUTE_INDEX["lip_fullness"]
    was = float(own.attributes[0, i])
    for strength in (0.3, 1.0):
        found = read(lock, held(lock, rows, edit, camera, strength))
        now = measure_attributes(found.betas, found.values, lock.images.generator.model)[0][0, i]
        assert strength - 0.02 <= (float(now) - was) / (1.0 - was) <= 1.02


def test_values_stay_within_what_heads_have(lock, rows, own, camera, values_alone):
    known = lock.space.encode(rows[:1])
    far = known + 4 * (lock.space.encode(rows[1:]) - known)
    edit = make_edit(own, attributes={"age": 1.0})
    found = read(lock, lock(edit, known, far, 0.5, camera, lambda step, latent: None))
    assert -0.05 < from_vector(found.values, "age") < 1.05


def test_the_same_is_held_bit_for_bit_and_what_is_heard_can_end_it(lock, rows, own, camera):
    edit = make_edit(own, attributes={"age": 1.0})
    assert torch.equal(held(lock, rows, edit, camera), held(lock, rows, edit, camera))

    def stop(step, latent):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        held(lock, rows, edit, camera, tell=stop)
    with pytest.raises(ValueError, match="one head"):
        both = lock.space.encode(rows)
        lock(edit, both, both, 0.5, camera, stop)


def outside(images, before, after, camera, region):
    """Mean change of the head's colours outside a region (S, S), of 255."""
    pictures = [view(images, ws, camera) for ws in (before, after)]
    away = 255 * (pictures[0].color - pictures[1].color).abs().mean(-1)
    head = (pictures[0].coverage > 0) | (pictures[1].coverage > 0)
    return float(away[head & ~region].mean()), float(away[head & region].mean())


@pytest.mark.parametrize("wanted", [{"lip_fullness": 1.0}, {"age": 0.9}])
def test_less_changes_outside_with_the_shipped_weights(
    images, model, lock, rows, own, camera, wanted
):
    edit, known = make_edit(own, attributes=wanted), model.space.encode(rows[:1])
    noise = draw_noise(1, model.space.shape, 0)
    found = {}
    for keep in (False, True):
        latent = edit_head(model, lock, edit, known, noise, 0.7, 8, Guidance(), camera, keep)
        after = model.space.decode(latent)
        found[keep] = outside(images, rows[:1], after, camera, edit.region[0, 0])
    assert found[True][0] < 0.4 * found[False][0]
    assert found[True][0] < 0.3 * found[True][1]


def test_an_edit_of_nothing_is_nothing(model, lock, rows, own, camera):
    known = model.space.encode(rows[:1])
    noise = draw_noise(1, model.space.shape, 0)
    same = {
        a.name: float(own.attributes[0, i])
        for i, a in enumerate(ATTRIBUTES)
        if not a.choices and own.attributes_given[0, i]
    }
    edit = make_edit(own, labels=own.labels, attributes=same)
    latent = edit_head(model, lock, edit, known, noise, 0.8, 4, Guidance(), camera)
    assert edit.is_nothing and torch.equal(latent, known)
