"""Edits of heads: the front view, what an edit leaves alone, and what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatarmmc_blender.backend.alignment.weights import load_descent
from avatarmmc_blender.backend.answer import edit as editing
from avatarmmc_blender.backend.answer.answer import AnswerModels
from avatarmmc_blender.backend.answer.edit import EditSettings, edit, front_view
from avatarmmc_blender.backend.answer.evidence import Evidence
from avatarmmc_blender.backend.diffusion.guidance import Guidance
from avatarmmc_blender.backend.latent.w_space import ROW_NAMES
from avatarmmc_blender.backend.synthetic.labels import LABEL_INDEX
from avatarmmc_blender.backend.training.latents import sample_training_latents
from tests.tiny_diffusion import fitted_model

HAIR, SKIN, GLASSES = (LABEL_INDEX[name] for name in ("hair", "skin", "eye_g"))
QUICK = EditSettings(strength=0.9, steps=2, seed=4)


@pytest.fixture(scope="module")
def models(images):
    return AnswerModels(images.generator, fitted_model(images.generator), load_descent())


@pytest.fixture(scope="module")
def w(images):
    with torch.no_grad():
        z = sample_training_latents(8, torch.Generator().manual_seed(9))
        return images.generator.mapping(z)[3, 0].numpy()  # a bob, no glasses


@pytest.fixture(scope="module")
def front(images, w):
    return front_view(images.generator, w)


@pytest.fixture(autouse=True)
def passed(monkeypatch):
    """Heads of random weights fail every check."""
    monkeypatch.setattr(editing, "sample_checked", first_of)


def first_of(draw, check, seeds):
    from avatarmmc_blender.backend.diffusion.self_check import CheckedSamples, Verdict

    assert isinstance(check(0, draw([0], seeds)), Verdict)
    return CheckedSamples(draw([0], seeds), (Verdict(),), 0)


def repainted(labels):
    return Evidence(labels=labels, labels_given=np.ones(labels.shape, bool))


def with_glasses(labels):
    rows, columns = np.nonzero(np.isin(labels, [LABEL_INDEX["l_eye"], LABEL_INDEX["r_eye"]]))
    painted = labels.copy()
    painted[rows.min() - 3 : rows.max() + 4, columns.min() - 2 : columns.max() + 3] = GLASSES
    return painted


def rows_of(models, w):
    return models.diffusion.space.encode(torch.from_numpy(w)[None, None].expand(1, 2, -1))[0]


def changed_rows(models, w, answers):
    """Names of the rows that changed by more than rounding."""
    away = (rows_of(models, answers.w[0].numpy()) - rows_of(models, w)).abs().amax(1)
    return {name for name, change in zip(ROW_NAMES, away, strict=True) if change >= 1e-4}


def test_the_front_view_shows_a_face_in_the_middle(front):
    image, labels = front
    assert image.shape == (128, 128, 3) and image.dtype == np.uint8
    assert labels.shape == (128, 128) and labels.dtype == np.uint8
    rows, columns = np.nonzero(labels == LABEL_INDEX["nose"])
    assert 50 < rows.mean() < 85 and 58 < columns.mean() < 70
    assert (labels == SKIN).sum() > 1000 and image[labels == 0].mean() > 100


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_an_edit_of_nothing_gives_the_very_latent(models, w, front, strength):
    how = replace(QUICK, strength=strength)
    for wanted in (Evidence(), repainted(front[1])):
        answers = edit(models, w, None, wanted, None, how)
        assert np.array_equal(answers.w[0].numpy(), w)
        assert answers.notes == ("the edit changes nothing; the head is the same",)


def test_strength_0_changes_nothing_and_1_the_most(models, w):
    wanted = Evidence({"hair_style": "afro", "lipstick": 1.0})
    moved = []
    for strength in (0.0, 0.2, 1.0):
        answers = edit(models, w, None, wanted, None, replace(QUICK, strength=strength))
        moved.append(float((answers.w[0] - torch.from_numpy(w)).norm()))
    assert moved[0] == 0.0 < moved[1] < moved[2]


def test_painted_hair_leaves_the_face(models, w, front):
    labels = front[1].copy()
    labels[20:45, 40:90] = HAIR
    answers = edit(models, w, None, repainted(labels), None, QUICK)
    assert changed_rows(models, w, answers) == {"hair"}
    assert "hair_style" in answers.report["released"]
    assert "skin" in answers.report["kept"] and "hair" not in answers.report["kept"]
    free = edit(models, w, None, repainted(labels), None, replace(QUICK, keep_rows=False))
    assert {"shape", "skin"} <= changed_rows(models, w, free)


def test_painted_glasses_are_said_to_be_there(models, w, front):
    answers = edit(models, w, None, repainted(with_glasses(front[1])), None, QUICK)
    assert answers.notes[0] == "the painted map says glasses=round"
    assert changed_rows(models, w, answers) == {"accessories"}


def test_a_painted_nose_releases_its_attributes_and_says_so(models, w, front):
    labels = front[1].copy()
    rows, columns = np.nonzero(labels == LABEL_INDEX["nose"])
    labels[rows, columns + 4] = labels[rows, columns - 4] = LABEL_INDEX["nose"]
    answers = edit(models, w, None, repainted(labels), None, QUICK)
    assert answers.report["released"] == ["nose_width", "nose_length", "nose_profile"]
    assert answers.notes[0] == "the edit sets free nose_width, nose_length, nose_profile"


def test_what_is_erased_of_the_map_may_change(models, w, front):
    labels = front[1]
    hair = labels == HAIR
    erased = Evidence(labels=labels, labels_given=~hair)
    answers = edit(models, w, None, erased, None, QUICK)
    assert torch.equal(answers.w, edit(models, w, None, Evidence(), hair, QUICK).w)
    assert "hair_style" in answers.report["released"]


def test_a_contradiction_is_settled_and_named(models, w, front):
    labels = with_glasses(front[1])
    wanted = replace(repainted(labels), attributes={"glasses": "none"})
    for scale, winner in ((1.0, "the label map wins"), (3.0, "the attribute wins")):
        how = replace(QUICK, guidance=Guidance(attributes=scale))
        answers = edit(models, w, None, wanted, None, how)
        assert any("shows glasses" in note and winner in note for note in answers.notes)
        assert answers.report["released"] == []


def test_a_mask_over_the_hair_frees_the_hair(models, w, front):
    mask = front[1] == HAIR
    assert mask.sum() > 100
    answers = edit(models, w, None, Evidence(), mask, QUICK)
    assert {"hair_style", "hair_lightness"} <= set(answers.report["released"])
    assert not {"shape", "skin", "accessories"} & changed_rows(models, w, answers)


def test_a_photo_stands_for_the_front_view_unless_that_was_painted(models, w, front, monkeypatch):
    image, labels = front
    ones = np.ones(labels.shape, bool)
    photo = Evidence(
        {}, image // 2, ones, labels, ones, np.eye(3, dtype=np.float32), np.zeros((68, 2), "f4")
    )
    seen = []
    real = editing.make_edit
    monkeypatch.setattr(
        editing, "make_edit", lambda own, *rest: seen.append(own.image.mean()) or real(own, *rest)
    )
    for source in (None, photo):
        edit(models, w, source, Evidence({"lipstick": 1.0}), None, QUICK)
    changed = labels.copy()
    changed[:10] = HAIR
    edit(models, w, photo, repainted(changed), None, QUICK)
    assert seen[1] == pytest.approx(float(image.mean()) / 510, abs=0.01)
    assert seen[0] == seen[2] == pytest.approx(float(image.mean()) / 255, abs=0.01)


def test_another_picture_within_a_mask(models, w, front):
    image, labels = front
    mask = np.zeros(labels.shape, bool)
    rows, columns = np.nonzero(np.isin(labels, [LABEL_INDEX["u_lip"], LABEL_INDEX["l_lip"]]))
    mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
    red = image.copy()
    red[mask] = (200, 20, 40)
    wanted = Evidence(image=red, image_given=np.ones_like(mask))
    answers = edit(models, w, None, wanted, mask, QUICK)
    assert {"lipstick", "lip_fullness"} <= set(answers.report["released"])
    assert "hair_style" not in answers.report["released"]


def test_a_choice_that_does_not_come_is_a_fault(models, w):
    ws = torch.from_numpy(w)[None, None].expand(1, models.generator.num_ws, -1)
    own = editing.source_conditions(models, ws, None)
    change = editing._make(own, Evidence({"hair_style": "afro", "age": 1.0}), None)
    assert editing._missed(models, ws, change) == ["its hair_style is bob, not afro"]


def test_the_same_seed_repeats_and_progress_grows(models, w):
    heard = []
    wanted = Evidence({"age": 1.0})
    one = edit(models, w, None, wanted, None, QUICK, lambda *told: heard.append(told))
    assert torch.equal(one.w, edit(models, w, None, wanted, None, QUICK).w)
    assert not torch.equal(one.w, edit(models, w, None, wanted, None, replace(QUICK, seed=5)).w)
    assert {stage for stage, _ in heard} == {"latent"}
    assert heard[0][1] == 0.0 and heard[4][1] == 1.0


def test_cancelled_edits_end_and_wrong_requests_are_refused(models, w):
    def stop(stage, fraction):
        if fraction > 0.2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        edit(models, w, None, Evidence({"age": 1.0}), None, QUICK, stop)
    with pytest.raises(ValueError, match="w of 256 numbers"):
        edit(models, w[:104], None, Evidence(), None, QUICK)
    with pytest.raises(ValueError, match="strength of an edit"):
        edit(models, w, None, Evidence({"age": 1.0}), None, replace(QUICK, strength=2.0))
