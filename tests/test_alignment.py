"""Heads brought into line with label maps: features, learned steps, outlines, weights, training."""

import dataclasses

import pytest
import torch

from avatarmmc_blender.backend.alignment.align import ROUNDS, Aligner
from avatarmmc_blender.backend.alignment.descent import Descent, map_features
from avatarmmc_blender.backend.alignment.outlines import Outlines
from avatarmmc_blender.backend.alignment.weights import (
    AlignmentWeightsError,
    load_descent,
    save_descent,
)
from avatarmmc_blender.backend.conditions.conditions import ATTRIBUTE_INDEX
from avatarmmc_blender.backend.conditions.measure import measure_attributes
from avatarmmc_blender.backend.evaluation.held_out import held_out_head
from avatarmmc_blender.backend.generator.weights import weights_hash
from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.backend.perception.parser import overlaps
from avatarmmc_blender.backend.training import alignment, pairs
from avatarmmc_blender.backend.training.latent_pairs import fit_space

STILL = torch.zeros(1, len(EXPRESSIONS))


@pytest.fixture(scope="module")
def align(images):
    return Aligner(images, fit_space(images.generator), load_descent())


@pytest.fixture(scope="module")
def heads(images):
    return [held_out_head(images, number) for number in (1, 3)]


def everywhere(labels):
    return torch.ones_like(labels, dtype=torch.float32)


def outline_step(align, look, labels, camera, softness):
    away = torch.zeros(len(align.outlines.numbers))
    pull = torch.full_like(away, 1e-3)
    return align.outlines.step(look, labels, everywhere(labels), camera, softness, away, pull)


def overlap(align, latent, head):
    own = align.look(latent, STILL, head.camera, len(head.labels)).labels
    both, either = overlaps(own, head.labels)
    return float((both / either.clamp_min(1))[either > 0].mean())


def test_features_leave_out_what_is_not_given(heads):
    labels = torch.stack([head.labels for head in heads])
    given = torch.ones(2, 1, *labels.shape[1:])
    given[:, :, :, 64:] = 0
    painted = labels.clone()
    painted[:, :, 64:] = 13
    assert torch.equal(map_features(labels, given), map_features(painted, given))
    assert not torch.equal(map_features(labels, given), map_features(painted, given * 0 + 1))


def test_equal_maps_ask_for_no_step(align, heads):
    camera = heads[0].camera.cam2world[None]
    for number in range(len(align.descent)):
        step = align.descent.step(number, torch.zeros(1, len(align.descent.used)), camera)
        assert torch.equal(step, torch.zeros_like(step))
    assert len(align.descent) == alignment.LEARNED <= len(ROUNDS)


def test_descent_learns_a_linear_law():
    """Differences made from errors by one map, told back as those errors."""
    rng = torch.Generator().manual_seed(0)
    errors = torch.randn(400, 6, generator=rng)
    law = torch.randn(6, 40, generator=rng)
    cam2world = torch.eye(4)[[0, 2, 1, 3]].expand(400, 4, 4)
    differences = 0.1 * errors @ law
    descent = Descent.begin(differences, differences != 0, 6)
    descent = descent.learn(differences, cam2world, errors)
    left = errors - descent.step(0, differences, cam2world)
    assert left.square().mean() < 0.05 * errors.square().mean()


def test_outlines_bring_a_moved_shape_back(align, heads):
    """A shape a little off is moved towards the truth, and its labels to the map."""
    head = heads[0]
    true = align.space.encode(head.ws)
    shape = align.outlines.numbers
    rng = torch.Generator().manual_seed(0)
    latent = true.flatten().clone()
    latent[shape] += 0.6 * torch.randn(len(shape), generator=rng)
    latent = latent.view_as(true)
    before = overlap(align, latent, head)
    for softness in (2.0, 1.2):
        look = align.look(latent, STILL, head.camera, 128)
        step = outline_step(align, look, head.labels, head.camera, softness)
        moved = latent.flatten().clone()
        moved[shape] += step
        latent = moved.view_as(true)
    assert overlap(align, latent, head) > max(0.85, before + 0.1)


def test_outlines_of_the_same_head_stay(align, heads):
    head = heads[0]
    true = align.space.encode(head.ws)
    look = align.look(true, STILL, head.camera, 128)
    step = outline_step(align, look, look.labels, head.camera, 1.2)
    assert float(step.abs().max()) < 1e-4


def test_nothing_given_moves_nothing(align, heads):
    head = heads[0]
    latent = align.space.encode(heads[1].ws)
    nothing = torch.zeros_like(everywhere(head.labels))
    moved = align(latent, head.labels, nothing, head.camera)
    assert float((moved - latent).norm() / latent.norm()) < 0.02


def test_another_head_comes_into_line(align, heads):
    head, other = heads
    latent = align.space.encode(other.ws)
    moved = align(latent, head.labels, everywhere(head.labels), head.camera)
    assert overlap(align, moved, head) > overlap(align, latent, head) + 0.15
    again = align(latent, head.labels, everywhere(head.labels), head.camera)
    assert torch.equal(moved, again)


def test_values_stay_within_what_heads_have(align, heads):
    """Whatever is painted: brows as thick as the forehead."""
    head = heads[0]
    painted = head.labels.clone()
    painted[30:60, 40:90] = 6
    latent = align(align.space.encode(head.ws), painted, everywhere(painted), head.camera)
    read = align.manifold.generator.readout(align.space.decode(latent)).values[0]
    slack = 0.02 * (align.manifold.high - align.manifold.low) + 1e-3
    assert bool((read <= align.manifold.high + slack).all())
    assert bool((read >= align.manifold.low - slack).all())


def test_heads_are_on_the_manifold_and_others_come_to_it(align, heads):
    true = align.space.encode(heads[0].ws)
    assert float((align.manifold(true) - true).norm() / true.norm()) < 0.02
    away = true + torch.randn(true.shape, generator=torch.Generator().manual_seed(0))
    there = align.manifold(away)
    assert float((align.manifold(there) - there).norm() / there.norm()) < 0.02
    betas = [align.manifold.generator.readout(align.space.decode(x)).betas for x in (away, there)]
    assert torch.allclose(*betas, atol=0.05)


def test_numbers_that_were_asked_for_are_kept(align, heads):
    head, other = heads
    latent = align.manifold(align.space.encode(other.ws))
    names = ("brow_slope", "skin_tone")
    moved = align(latent, head.labels, everywhere(head.labels), head.camera, names)
    generator = align.manifold.generator
    measured = []
    for own in (latent, moved):
        read = generator.readout(align.space.decode(own))
        measured.append(measure_attributes(read.betas, read.values, generator.model)[0][0])
    kept = [ATTRIBUTE_INDEX[name] for name in names]
    assert torch.allclose(measured[0][kept], measured[1][kept], atol=0.05)
    assert overlap(align, moved, head) > overlap(align, latent, head) + 0.1


def test_a_round_that_is_cancelled_ends(align, heads):
    head, calls = heads[0], []

    def tick():
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        latent = align.space.encode(heads[1].ws)
        align(latent, head.labels, everywhere(head.labels), head.camera, tick=tick)
    assert len(calls) == 2


def test_moves_are_those_of_the_surface(images, align, heads):
    """The linear law of points against heads that are made with other shapes."""
    head = heads[0]
    outlines = Outlines(images.generator, align.space)
    true = align.space.encode(head.ws)
    step = 0.1 * torch.randn(len(outlines.numbers), generator=torch.Generator().manual_seed(1))
    changed = true.flatten().clone()
    changed[outlines.numbers] += step
    model = images.generator.model
    surfaces = []
    for latent in (true, changed.view_as(true)):
        betas = images.generator.readout(align.space.decode(latent)).betas
        surfaces.append(model.subdivide(model.shaped(betas))[0])
    law = outlines.moves[:, :, : len(step)] @ step
    assert torch.allclose(surfaces[1] - surfaces[0], law, atol=2e-5)


def test_shipped_steps_belong_to_the_shipped_generator(tmp_path):
    descent = load_descent(generator_hash=weights_hash())
    assert descent.fits() and bool(descent.slopes.isfinite().all())
    path = tmp_path / "alignment.safetensors"
    save_descent(descent, path, "abc")
    again = load_descent(path, "abc")
    assert torch.equal(again.slopes, descent.slopes) and torch.equal(again.used, descent.used)
    with pytest.raises(AlignmentWeightsError, match="another generator"):
        load_descent(path, "def")
    with pytest.raises(AlignmentWeightsError, match="missing"):
        load_descent(tmp_path / "none.safetensors")
    path.write_bytes(b"nothing")
    with pytest.raises(AlignmentWeightsError, match="damaged"):
        load_descent(path)
    fewer = dataclasses.replace(descent, scale=descent.scale[:-1])
    save_descent(fewer, path, "abc")
    with pytest.raises(AlignmentWeightsError, match="does not fit"):
        load_descent(path)


def test_training_writes_its_steps(images, tmp_path, monkeypatch):
    pool, output = tmp_path / "pool", tmp_path / "run"
    pairs.write_pool(images, pool, 4, 1, 4, 0, weights_hash())
    command = ["alignment", "--pool", str(pool), "--views", "4", "--steps", "2"]
    monkeypatch.setattr("sys.argv", [*command, "--output", str(output)])
    alignment.main()
    descent = load_descent(output / "alignment.safetensors", weights_hash())
    assert len(descent) == alignment.LEARNED
