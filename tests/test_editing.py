"""Edits of known latents: conditions before and after, and the way between them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from avatarmmc_blender.backend.conditions.conditions import ATTRIBUTE_INDEX
from avatarmmc_blender.backend.conditions.regions import (
    attributes_of_classes,
    masked_classes,
    repainted_classes,
)
from avatarmmc_blender.backend.diffusion.edit_walk import (
    chosen_rows,
    edit_latents,
    untouched_rows,
)
from avatarmmc_blender.backend.diffusion.editing import Picture, make_edit
from avatarmmc_blender.backend.diffusion.guidance import Guidance, guided
from avatarmmc_blender.backend.diffusion.samplers import dpm_solver_2m, draw_noise, time_grid
from avatarmmc_blender.backend.latent.w_space import ROW_NAMES
from avatarmmc_blender.backend.synthetic.labels import LABEL_INDEX
from tests.tiny_diffusion import some_conditions, tiny_model

STEPS = 6
GUIDANCE = Guidance(1.5, 2.0, 2.5)
OTHERWISE = {"age": -1.0, "hair_style": "afro"}


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def noise():
    return draw_noise(2, (16, 16), seed=3)


@pytest.fixture(scope="module")
def known(model, noise):
    """Heads as plain sampling makes them."""
    return dpm_solver_2m(guided(model, some_conditions(), GUIDANCE), noise, time_grid(STEPS))


def run(model, known, noise, edit, strength, **options):
    return edit_latents(model, edit, known, noise, strength, STEPS, GUIDANCE, **options)


@pytest.mark.parametrize("strength", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("lock", [False, True])
def test_an_edit_of_nothing_gives_what_was_sampled_bit_for_bit(model, known, noise, strength, lock):
    same = {"age": 0.5, "hair_style": "bun"}
    source = some_conditions()
    edit = make_edit(source, labels=source.labels, attributes=same)
    assert edit.is_nothing and edit.changed == ()
    assert torch.equal(run(model, known, noise, edit, strength, keep_rows=lock), known)


def test_the_stronger_the_farther(model, known, noise):
    edit = make_edit(some_conditions(), attributes=OTHERWISE)
    assert torch.equal(run(model, known, noise, edit, 0.0), known)
    moved = [(run(model, known, noise, edit, s) - known).abs().mean() for s in (0.1, 0.5, 1.0)]
    assert 0 < moved[0] < moved[1] < moved[2]


def test_at_full_strength_a_sampled_head_becomes_what_is_sampled_of_the_edit(model, known, noise):
    edit = make_edit(some_conditions(), attributes={"age": -1.0, "lipstick": 1.0})
    expected = dpm_solver_2m(guided(model, edit.edited, GUIDANCE), noise, time_grid(STEPS))
    # at time 1 the schedule leaves a trace of the latent in the noise
    edited = run(model, known, noise, edit, 1.0, keep_rows=False)
    assert (edited - expected).abs().max() < 0.03 < (edited - known).abs().max()


def test_rows_that_an_edit_may_not_touch_stay_bit_for_bit(model, known, noise):
    edit = make_edit(some_conditions(), attributes={"hair_style": "afro"})
    keep = list(untouched_rows(ROW_NAMES, ["hair_style"]))
    edited = run(model, known, noise, edit, 0.8)
    assert torch.equal(edited[:, keep], known[:, keep])
    others = [i for i in range(16) if i not in keep]
    assert not torch.allclose(edited[:, others], known[:, others])
    free = run(model, known, noise, edit, 0.8, keep_rows=False)
    assert not torch.allclose(free[:, keep], known[:, keep])


def test_another_choice_is_taken_not_added(model, known, noise):
    edit = make_edit(some_conditions(), attributes={"hair_style": "afro"})
    rows = list(chosen_rows(ROW_NAMES, edit.changed))
    assert {ROW_NAMES[row] for row in rows} == {"hair"}
    unseen = edit.edited.without("image").without("labels")  # pictures show the old choice
    expected = dpm_solver_2m(guided(model, unseen, GUIDANCE), noise, time_grid(STEPS))
    far = known + 3.0  # not what the model makes of the source
    edited = run(model, far, noise, edit, 1.0, keep_rows=False)
    assert (edited - expected)[:, rows].abs().max() < 0.2
    assert (edited - expected)[:, 0].abs().mean() > 0.5


def test_a_choice_comes_at_low_strength_and_the_rest_is_held_until_then(model, known, noise):
    edit = make_edit(some_conditions(), attributes={"hair_style": "afro"})
    rows = list(chosen_rows(ROW_NAMES, edit.changed))
    moved = [(run(model, known, noise, edit, s) - known)[:, rows] for s in (0.1, 1.0)]
    assert (moved[0] - moved[1]).abs().mean() < 0.3 * moved[1].abs().mean()
    others = [row for row in range(16) if row not in rows]
    free = [run(model, known, noise, edit, s, keep_rows=False)[:, others] for s in (0.1, 1.0)]
    away = [(x - known[:, others]).abs().mean() for x in free]
    assert away[0] < away[1]


def test_painted_labels_hide_the_photo_and_release_attributes():
    source = some_conditions()
    labels = source.labels.clone()
    labels[:, :, :3] = 13
    edit = make_edit(source, labels=labels)
    changed = (labels != source.labels)[:, None]
    assert edit.region[changed].all() and not edit.region.all()
    assert (edit.edited.image_mask[edit.region] == 0).all()
    assert (edit.edited.image_mask[~edit.region] == 1).all()
    assert (edit.edited.labels_mask == 1).all()
    assert edit.released == ("hair_style",) and edit.asked == ()
    assert not edit.edited.attributes_given[:, ATTRIBUTE_INDEX["hair_style"]].any()
    assert edit.edited.attributes_given[:, ATTRIBUTE_INDEX["glasses"]].all()


def test_asked_attributes_hide_what_shows_them():
    source = some_conditions()
    edit = make_edit(source, attributes={"hair_lightness": 1.0})
    hair = (source.labels == 13)[:, None]
    assert (edit.edited.image_mask[hair] == 0).all()
    assert (edit.edited.labels_mask == 1).all()
    edit = make_edit(source, attributes={"hair_style": "bald"})
    assert (edit.edited.labels_mask[hair] == 0).all()
    assert edit.edited.attributes_given[:, ATTRIBUTE_INDEX["hair_style"]].all()


def test_another_style_of_hair_does_not_keep_its_length():
    source = some_conditions()
    given = source.attributes_given.clone()
    given[:, ATTRIBUTE_INDEX["hair_length"]] = True
    source = replace(source, attributes_given=given)
    edit = make_edit(source, attributes={"hair_style": "bald"})
    assert edit.released == ("hair_length",)
    edit = make_edit(source, attributes={"hair_style": "bald", "hair_length": 0.5})
    assert edit.released == ()


def test_a_mask_erases_photo_and_labels_and_what_they_show():
    mask = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    mask[:, :, 3, 8] = True  # in the hair
    edit = make_edit(some_conditions(), mask=mask)
    assert edit.region.sum() == 2 * 9 * 11
    assert (edit.edited.image_mask[edit.region] == 0).all()
    assert (edit.edited.labels_mask[edit.region] == 0).all()
    assert edit.released == ("hair_style",)
    assert "shape" in kept_parts(edit.changed)


def test_painted_glasses_are_worn():
    source = some_conditions()  # with glasses asked, none on the map
    glasses = ATTRIBUTE_INDEX["glasses"]
    labels = source.labels.clone()
    labels[:, 6:9, 3:13] = LABEL_INDEX["eye_g"]
    on = make_edit(source, labels=labels)
    assert on.implied == {"glasses": "round"} and on.edited.attributes[:, glasses].eq(1).all()
    assert on.edited.labels_mask.all() and "glasses" in on.changed
    off = make_edit(replace(source, labels=labels), labels=source.labels)
    assert off.implied == {"glasses": "none"} and off.edited.attributes[:, glasses].eq(0).all()
    asked = make_edit(source, labels=labels, attributes={"glasses": "square"})
    assert asked.implied == {} and asked.edited.attributes[:, glasses].eq(2).all()


def test_within_a_mask_only_what_is_repainted_is_asked():
    source, mask = some_conditions(), torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    mask[..., 4:8, :] = True
    labels = source.labels.clone()
    labels[:, 5:7, :6] = 13
    edit = make_edit(source, labels=labels, mask=mask)
    painted = (labels != source.labels)[:, None]
    assert edit.edited.labels_mask[painted].all()
    assert not edit.edited.labels_mask[edit.region & ~painted].any()
    assert not edit.edited.image_mask[edit.region].any()


def test_another_picture_counts_within_the_mask():
    source = replace(some_conditions(), landmarks=torch.full((2, 68, 2), 0.5))
    mask = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    mask[..., 7, 4:7] = True  # an eye
    image, ones = torch.full_like(source.image, 0.5), torch.ones_like(source.image_mask)
    edit = make_edit(source, mask=mask, picture=Picture(image, ones))
    within = mask.expand_as(image)
    assert (edit.edited.image[within] == 0.5).all()
    assert torch.equal(edit.edited.image[~within], source.image[~within])
    assert edit.edited.image_mask[mask].all()
    assert not edit.edited.image_mask[edit.region & ~mask].any()
    assert not edit.edited.labels_mask[edit.region].any()
    assert "hair_style" not in edit.released and edit.edited.image_mask[~edit.region].all()
    labels = torch.full_like(source.labels, 13)
    whole = make_edit(source, picture=Picture(image, ones, labels, ones))
    assert torch.equal(whole.edited.image, image) and torch.equal(whole.edited.labels, labels)
    assert edit.edited.landmarks is None and whole.edited.landmarks is None
    assert whole.region.all() and {"age", "hair_style"} <= set(whole.released)


def test_what_lies_in_front_has_changed():
    def painted(before, after):
        maps = (torch.full((1, 4, 4), LABEL_INDEX[name]) for name in (before, after))
        return repainted_classes(*maps)

    assert painted("skin", "hair") == painted("hair", "background") == ("hair",)
    assert painted("hair", "eye_g") == ("eye_g",)
    assert painted("nose", "skin") == ("nose",)
    assert painted("skin", "background") == ("skin",)
    assert painted("u_lip", "l_lip") == ("u_lip", "l_lip")
    assert painted("hair", "hair") == ()


def test_a_mask_is_about_what_it_covers_much_of():
    labels = some_conditions(1).labels
    mask = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    mask[..., 6:9, 4:13] = True
    assert masked_classes(labels, mask) == ("skin", "l_eye", "r_eye")
    mask[..., :5, :] = True
    assert "hair" in masked_classes(labels, mask) and "mouth" not in masked_classes(labels, mask)


def test_the_whole_face_is_put_in_question_by_its_outline_only():
    nose = attributes_of_classes(("nose",))
    assert "nose_width" in nose and "masculinity" not in nose
    assert "masculinity" in attributes_of_classes(("skin",))
    assert "hair_lightness" not in attributes_of_classes(("hair",))
    assert "hair_lightness" in attributes_of_classes(("hair",), colors=True)


def kept_parts(changed):
    return {ROW_NAMES[i] for i in untouched_rows(ROW_NAMES, changed)}


def test_an_edit_keeps_the_parts_it_has_nothing_to_do_with():
    everything = set(ROW_NAMES)
    assert kept_parts(["hair_style", "hair_length"]) == everything - {"hair"}
    assert kept_parts(["hair_lightness"]) == everything - {"hair color"}
    assert kept_parts(["beard"]) == everything - {"beard"}
    assert kept_parts(["age"]) == everything - {"shape", "skin"}
    assert kept_parts(["glasses"]) == everything - {"accessories"}


def test_cancelled_edits_stop_and_wrong_requests_are_refused(model, known, noise):
    heard = []

    def stop(step, latents):
        heard.append((step, latents))
        if step == STEPS:
            raise KeyboardInterrupt

    edit = make_edit(some_conditions(), attributes={"age": -1.0})
    with pytest.raises(KeyboardInterrupt):
        run(model, known, noise, edit, 0.5, callback=stop)
    assert [step for step, _ in heard] == list(range(STEPS + 1))
    assert torch.equal(heard[0][1], known) and heard[-1][1].shape == known.shape
    with pytest.raises(ValueError, match="strength of an edit"):
        run(model, known, noise, edit, 1.5)
    with pytest.raises(ValueError, match="own label map"):
        make_edit(some_conditions().without("labels"), labels=some_conditions().labels)
