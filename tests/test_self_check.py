"""The check of sampled heads: generated heads pass, broken ones are told, failures drawn anew."""

from __future__ import annotations

import pytest
import torch

from avatarmmc_blender.backend.conditions.conditions import Conditions, encode_attributes
from avatarmmc_blender.backend.diffusion.sample import SampleSettings, sample
from avatarmmc_blender.backend.diffusion.self_check import (
    SelfCheck,
    Verdict,
    sample_checked,
    sample_with_check,
)
from avatarmmc_blender.backend.evaluation.held_out import held_out_head
from avatarmmc_blender.backend.training.latents import sample_training_latents
from tests.tiny_diffusion import some_conditions, tiny_model


@pytest.fixture(scope="module")
def check(images):
    return SelfCheck(images)


@pytest.fixture(scope="module")
def head(images):
    return held_out_head(images, 2)


def test_generated_heads_pass(images, check):
    z = sample_training_latents(6, torch.Generator().manual_seed(8))
    with torch.no_grad():
        ws = images.generator.mapping(z)
    assert [check(ws[i : i + 1]).faults for i in range(6)] == [()] * 6


def test_a_head_meets_its_own_conditions(check, head):
    camera = head.camera.cam2world, head.camera.intrinsics
    assert check(head.ws, head.conditions, camera).passed


def test_what_is_missed_is_told(check, head):
    other = encode_attributes(
        [{"hair_style": "afro", "glasses": "square", "beard": "full", "age": 1.0, "weight": -1.0,
          "skin_tone": 1.0, "nose_width": 1.0, "face_length": -1.0}]
    )  # fmt: skip
    faults = check(head.ws, Conditions(*other)).faults
    assert any("missed" in fault for fault in faults)
    labels = head.labels[None].roll(50, 2)
    moved = Conditions(
        *(getattr(Conditions.none(1), n) for n in ("attributes", "attributes_given")),
        labels=labels,
        labels_mask=torch.ones_like(labels[:, None], dtype=torch.float32),
    )
    camera = head.camera.cam2world, head.camera.intrinsics
    assert any("overlap the map" in fault for fault in check(head.ws, moved, camera).faults)


def test_broken_latents_are_told(images, check, head):
    assert check(head.ws * float("nan")).faults == ("its latent is not finite",)
    z = sample_training_latents(16, torch.Generator().manual_seed(1))
    with torch.no_grad():
        middle = images.generator.mapping(z).mean(0, keepdim=True)
    assert not check(middle + 3.5 * (head.ws - middle)).passed


def test_failures_are_drawn_anew_and_counted():
    drawn: list[tuple[list[int], list[int]]] = []

    def draw(heads, seeds):
        drawn.append((list(heads), list(seeds)))
        return torch.tensor([[[float(seed)]] for seed in seeds])

    def judge(head, latent):
        first = latent.item() < 1000
        return Verdict(("bad",)) if head == 1 and first else Verdict()

    found = sample_checked(draw, judge, [5, 6, 7])
    assert drawn == [([0, 1, 2], [5, 6, 7]), ([1], [1_000_009])]
    assert found.latents.flatten().tolist() == [5, 1_000_009, 7]
    assert found.resampled == 1 and all(v.passed for v in found.verdicts)
    assert found.notes == ["1 samples failed the check and were made anew"]


def test_the_best_of_hopeless_attempts_is_kept_and_named():
    def draw(heads, seeds):
        return torch.tensor([[[float(seed)]] for seed in seeds])

    def judge(head, latent):
        return Verdict(("a",) if latent.item() > 1_500_000 else ("a", "b"))

    found = sample_checked(draw, judge, [1], attempts=3)
    assert found.latents.item() == 1 + 2 * 1_000_003 and found.resampled == 2
    assert found.notes[-1] == "head 1 is the best of several: a"
    with pytest.raises(ValueError, match="at least 1 attempt"):
        sample_checked(draw, judge, [1], attempts=0)


def test_sampling_checks_its_variants():
    model, conditions = tiny_model(), some_conditions(1)
    settings = SampleSettings(steps=2, seed=3, variants=3)
    looked: list[torch.Tensor] = []

    def second_fails(ws, own, camera):
        looked.append(ws)
        assert len(own) == 1
        return Verdict(("odd",)) if len(looked) == 2 else Verdict()

    found, checked = sample_with_check(model, second_fails, conditions, settings)
    plain = sample(model, conditions, settings)
    assert torch.equal(found.latents[[0, 2]], plain.latents[[0, 2]])
    assert not torch.equal(found.latents[1], plain.latents[1])
    assert checked.resampled == 1 and len(looked) == 4
    assert any("made anew" in note for note in found.notes)
