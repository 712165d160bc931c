"""Two-stage editing."""

from __future__ import annotations

import pytest
import torch

from avatarmmc_blender.backend.conditions.conditions import ATTRIBUTE_INDEX
from avatarmmc_blender.backend.diffusion.editing import (
    Edit,
    make_edit,
    run_edit,
    untouched_rows,
)
from avatarmmc_blender.backend.diffusion.guidance import Guidance, guided
from avatarmmc_blender.backend.diffusion.samplers import dpm_solver_2m, draw_noise, time_grid
from avatarmmc_blender.backend.latent.w_space import ROW_NAMES
from tests.tiny_diffusion import some_conditions, tiny_model

TIMES = time_grid(8)
GUIDANCE = Guidance(1.5, 2.0, 2.5)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def noise():
    return draw_noise(2, (16, 16), seed=3)


@pytest.fixture(scope="module")
def plain(model, noise):
    return dpm_solver_2m(guided(model, some_conditions(), GUIDANCE), noise, TIMES)


def run(model, noise, edit, switch, **options):
    return run_edit(model, edit, noise, TIMES, switch, GUIDANCE, **options)


@pytest.mark.parametrize("switch", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("keep", [(), (0, 5)])
def test_an_edit_of_nothing_is_plain_sampling_bit_for_bit(model, noise, plain, switch, keep):
    edit = make_edit(some_conditions())
    assert torch.equal(run(model, noise, edit, switch, keep=keep), plain)


def test_without_a_second_stage_nothing_is_edited(model, noise, plain):
    edit = make_edit(some_conditions(), attributes={"age": -1.0, "hair_style": "afro"})
    assert torch.equal(run(model, noise, edit, 0.0), plain)
    late, early = (run(model, noise, edit, switch) for switch in (0.2, 0.9))
    assert not torch.equal(late, plain) and not torch.equal(late, early)


def test_switched_at_once_only_the_edited_conditions_count(model, noise):
    edit = make_edit(some_conditions(), attributes={"age": -1.0})
    expected = dpm_solver_2m(guided(model, edit.edited, GUIDANCE), noise, TIMES)
    assert torch.equal(run(model, noise, edit, 1.0), expected)


def test_kept_rows_stay_those_of_the_source(model, noise, plain):
    edit = make_edit(some_conditions(), attributes={"hair_style": "afro"})
    keep = (0, 1, 9)
    edited = run(model, noise, edit, 0.8, keep=keep)
    assert torch.equal(edited[:, keep], plain[:, keep])
    others = [i for i in range(16) if i not in keep]
    assert not torch.allclose(edited[:, others], plain[:, others])


def test_a_known_head_stays_itself_at_strength_zero(model, noise):
    known = torch.randn(2, 16, 16)
    edit = make_edit(some_conditions(), attributes={"age": -1.0})
    assert torch.equal(run(model, noise, edit, 0.0, known=known), known)
    little = (run(model, noise, edit, 0.2, known=known) - known).abs().mean()
    much = (run(model, noise, edit, 0.9, known=known) - known).abs().mean()
    assert 0 < little < much
    kept = run(model, noise, edit, 0.9, known=known, keep=(2,))
    assert torch.equal(kept[:, 2], known[:, 2])


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
    assert not edit.edited.attributes_given[:, ATTRIBUTE_INDEX["hair_style"]].any()
    assert edit.edited.attributes_given[:, ATTRIBUTE_INDEX["glasses"]].all()
    assert "hair_style" in edit.changed


def test_asked_attributes_hide_what_shows_them():
    source = some_conditions()
    edit = make_edit(source, attributes={"hair_lightness": 1.0})
    hair = (source.labels == 13)[:, None]
    assert (edit.edited.image_mask[hair] == 0).all()
    assert (edit.edited.labels_mask == 1).all()
    edit = make_edit(source, attributes={"hair_style": "bald"})
    assert (edit.edited.labels_mask[hair] == 0).all()
    assert edit.edited.attributes_given[:, ATTRIBUTE_INDEX["hair_style"]].all()


def test_a_mask_erases_photo_and_labels():
    mask = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    mask[:, :, 8, 8] = True
    edit = make_edit(some_conditions(), mask=mask)
    assert edit.region.sum() == 2 * 11 * 11
    assert (edit.edited.image_mask[edit.region] == 0).all()
    assert (edit.edited.labels_mask[edit.region] == 0).all()


def test_an_edit_of_hair_may_keep_face_and_skin():
    kept = {ROW_NAMES[i] for i in untouched_rows(ROW_NAMES, ["hair_style"])}
    assert kept == {"shape", "skin", "eyes", "accessories"}
    assert untouched_rows(ROW_NAMES, ["age", "skin_tone"])[0] == ROW_NAMES.index("eyes")


def test_cancelled_edits_stop_and_wrong_switches_are_refused(model, noise):
    def stop(step, clean):
        raise KeyboardInterrupt

    edit = make_edit(some_conditions(), attributes={"age": -1.0})
    with pytest.raises(KeyboardInterrupt):
        run(model, noise, edit, 0.5, callback=stop)
    with pytest.raises(ValueError, match="time to switch"):
        run(model, noise, edit, 1.5)
    with pytest.raises(ValueError, match="own map"):
        make_edit(some_conditions().without("labels"), labels=some_conditions().labels)
    assert isinstance(edit, Edit)
