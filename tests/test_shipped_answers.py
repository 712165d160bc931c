"""Answers of the shipped denoiser and face network: what is asked for is met."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from avatarmmc_blender import models
from avatarmmc_blender.backend.answer.answer import AnswerSettings, answer
from avatarmmc_blender.backend.answer.edit import front_view
from avatarmmc_blender.backend.answer.evidence import Evidence
from avatarmmc_blender.backend.answer.read import read_evidence
from avatarmmc_blender.backend.conditions.conditions import decode_attributes
from avatarmmc_blender.backend.conditions.measure import measure_attributes
from avatarmmc_blender.backend.perception.parser import overlaps
from avatarmmc_blender.backend.synthetic.latent import sample_latents

WISHES = {"hair_style": "bob", "glasses": "round", "skin_tone": -0.8, "masculinity": -0.7}


@pytest.fixture(scope="module")
def networks():
    return models.load_answer_models("cpu", with_network=True)


def measured(networks, w):
    """Attributes by name of heads w (V, 256), those that show."""
    with torch.no_grad():
        read = networks.generator.readout(w[:, None])
    model = networks.generator.model
    return decode_attributes(*measure_attributes(read.betas, read.values, model))


def test_attributes_are_met_by_different_heads(networks):
    found = answer(networks, Evidence(attributes=WISHES), AnswerSettings(variants=4))
    heads = measured(networks, found.w)
    for name in ("hair_style", "glasses"):
        assert sum(head[name] == WISHES[name] for head in heads) >= 3
    for name in ("skin_tone", "masculinity"):
        assert np.mean([abs(head[name] - WISHES[name]) for head in heads]) < 0.4
    assert found.report["resampled"] <= 2
    assert (found.w[0] - found.w[1]).abs().max() > 0.05


def test_twenty_steps_are_fast(networks):
    """Seconds of the processor, so that a busy computer does not fail it."""
    begun = time.process_time()
    answer(networks, Evidence(attributes=WISHES), AnswerSettings(check=False))
    assert time.process_time() - begun < 3.0


def test_a_painted_map_is_met(networks):
    """The front view of a head, as the panel lets it be painted."""
    with torch.no_grad():
        z = sample_latents(1, 1234, 0.8)
        w = networks.generator.mapping(z)[0, 0].numpy()
    _, labels = front_view(networks.generator, w)
    evidence = Evidence(labels=labels, labels_given=np.ones_like(labels, bool))
    found = answer(networks, evidence, AnswerSettings())
    _, own = front_view(networks.generator, found.w[0].numpy())
    both, either = overlaps(*(torch.from_numpy(m.astype(np.int64)) for m in (own, labels)))
    large = either > 100
    assert float((both[large] / either[large]).mean()) > 0.5


def test_a_real_photo_becomes_a_head_and_is_refined(networks):
    data = pytest.importorskip("skimage.data")
    evidence = read_evidence(data.astronaut(), network=networks.network)
    x, y, side = evidence.crop
    assert abs(x - 225) < 40 and abs(y - 130) < 50 and 120 < side < 320
    settings = AnswerSettings(personalise=4)
    found = answer(networks, evidence, settings)
    assert torch.isfinite(found.w).all()
    plain = answer(networks, evidence, replace(settings, personalise=0))
    assert 0 < (found.latents - plain.latents).abs().max() < 0.5
