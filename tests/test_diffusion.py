"""The denoiser, its tokens, its weights and its training."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file

from avatarmmc_blender.backend.conditions.conditions import (
    ATTRIBUTE_INDEX,
    NUM_ATTRIBUTES,
    Conditions,
    encode_attributes,
)
from avatarmmc_blender.backend.diffusion.denoiser import Context, Denoiser, DenoiserConfig
from avatarmmc_blender.backend.diffusion.weights import (
    DiffusionWeightsError,
    load_diffusion,
    save_diffusion,
)
from avatarmmc_blender.backend.encoders.attributes import AttributeEncoder
from avatarmmc_blender.backend.generator.generator import Generator
from avatarmmc_blender.backend.generator.weights import save_generator, weights_hash
from avatarmmc_blender.backend.head_model import load_bundled
from avatarmmc_blender.backend.perception.framing import SIZE
from avatarmmc_blender.backend.training.diffusion import (
    DiffusionSettings,
    Trainer,
    held_out_loss,
    learning_rate,
    main,
    train,
)
from avatarmmc_blender.backend.training.dropout import Dropout
from avatarmmc_blender.backend.training.latent_pairs import GeneratedHeads
from avatarmmc_blender.backend.training.latents import sample_training_latents
from avatarmmc_blender.backend.training.pairs import Views
from avatarmmc_blender.backend.training.readout import solve_readout
from tests.tiny_diffusion import some_conditions, tiny_model

ROOT = Path(__file__).parents[1]
TINY = DiffusionSettings(steps=4, batch=8, warm_up=2, width=32, context_width=32)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    generator = Generator(load_bundled()).eval().requires_grad_(False)
    solve_readout(generator, samples=2000)
    return generator


def make_trainer(generator, settings=TINY):
    return Trainer(settings, GeneratedHeads(generator), Accelerator(cpu=True))


def test_the_shipped_size_fits_its_budget():
    model = Denoiser(DenoiserConfig())
    assert sum(p.numel() for p in model.parameters()) < 15e6


@pytest.mark.parametrize("rows", [16, 73])
def test_any_number_of_rows(rows):
    model = Denoiser(DenoiserConfig(rows, 24, 32, (1, 2, 4), 16, 32))
    nothing = torch.zeros(2, rows, 24)
    context = model.prepare(Context(torch.randn(2, 5, 32), nothing, nothing))
    v = model(torch.randn(2, rows, 24), torch.rand(2), context)
    assert v.shape == (2, rows, 24) and (v == 0).all()


def test_a_network_narrower_than_an_attention_head_has_one():
    model = Denoiser(DenoiserConfig(rows=3, row_width=8, width=24, context_width=16))
    nothing = torch.zeros(1, 3, 8)
    context = model.prepare(Context(torch.randn(1, 2, 16), nothing, nothing))
    assert model(torch.randn(1, 3, 8), torch.rand(1), context).shape == (1, 3, 8)


def test_heads_of_a_batch_do_not_mix():
    model, x, t = tiny_model(), torch.randn(2, 16, 16), torch.tensor([0.2, 0.9])
    conditions = some_conditions()
    both = model(x, t, model.context(conditions))
    alone = model(x[1:], t[1:], model.context(conditions.select(slice(1, 2))))
    assert torch.allclose(alone, both[1:], atol=1e-5)


def test_what_pictures_say_is_where_the_way_begins():
    """Without a word of the network, full noise is denoised to the mean that a picture tells."""
    model, conditions = tiny_model(), some_conditions()
    torch.nn.init.zeros_(model.denoiser.head.weight)
    for parameter in (*model.denoiser.head.parameters(), *model.denoiser.direct.parameters()):
        torch.nn.init.zeros_(parameter)
    context = model.context(conditions)
    assert (context.narrowing < 0).all() and context.mean.abs().max() > 0.01
    x, t = torch.randn(2, 16, 16), torch.ones(2)
    assert torch.allclose(-model(x, t, context), context.mean, atol=0.02)
    none = model.context(Conditions.none(2))
    assert (none.mean == 0).all() and (none.narrowing == 0).all()


def test_what_pictures_say_is_judged_as_a_likelihood():
    model = tiny_model()
    clean = torch.randn(2, 16, 16) * model.space.deviation
    right = Context(torch.zeros(2, 1, 32), 0.9 * clean, torch.full_like(clean, -1.0))
    vague = Context(torch.zeros(2, 1, 32), 0 * clean, 0 * clean)
    wrong = Context(torch.zeros(2, 1, 32), -clean, torch.full_like(clean, -1.0))
    losses = [model.guess_loss(clean, context) for context in (right, vague, wrong)]
    assert (losses[0] < losses[1]).all() and (losses[1] < losses[2]).all()


def test_attributes_that_are_not_given_cannot_influence():
    encoder = AttributeEncoder(32)
    values, given = encode_attributes([{"age": 0.5, "beard": "full"}])
    other = values.clone()
    other[~given] = 0.7
    assert torch.equal(encoder(values, given), encoder(other, given))
    tokens = encoder(values, torch.zeros_like(given))
    assert torch.equal(tokens[0], encoder.null)


def test_tokens_tell_values_and_choices_apart():
    encoder = AttributeEncoder(32)
    heads = [{"age": 0.5}, {"age": 0.51}, {"beard": "full"}, {"beard": "goatee"}]
    tokens = encoder(*encode_attributes(heads))
    assert tokens.shape == (4, NUM_ATTRIBUTES, 32)
    age, beard = ATTRIBUTE_INDEX["age"], ATTRIBUTE_INDEX["beard"]
    assert not torch.allclose(tokens[0, age], tokens[1, age], atol=1e-4)
    assert not torch.allclose(tokens[2, beard], tokens[3, beard], atol=1e-2)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))


def test_masked_pixels_cannot_influence():
    model, conditions = tiny_model(), some_conditions()
    mask = conditions.image_mask.clone()
    mask[:, :, :8] = 0
    hidden = dataclasses.replace(conditions, image_mask=mask)
    painted = hidden.image.clone()
    painted[:, :, :8] = 0.123
    other = dataclasses.replace(hidden, image=painted)
    assert same(model.context(hidden), model.context(other))
    gone = dataclasses.replace(conditions, image_mask=torch.zeros_like(mask))
    assert same(model.context(gone), model.context(conditions.without("image")))


def test_dropout_leaves_every_kind_of_subset():
    conditions = some_conditions(3000)
    given = torch.ones_like(conditions.attributes_given)
    conditions = dataclasses.replace(conditions, attributes_given=given)
    kept = Dropout.draw(3000, torch.Generator().manual_seed(0)).apply(conditions)
    image, labels = kept.given("image"), kept.given("labels")
    count = kept.attributes_given.sum(1)
    nothing = ~image & ~labels & (count == 0)
    assert 0.09 < nothing.float().mean() < 0.16
    assert 0.69 < image.float().mean() < 0.75 and 0.69 < labels.float().mean() < 0.75
    assert (image & ~labels & (count == 0)).float().mean() > 0.01
    assert ((count > 0) & (count <= 4)).float().mean() > 0.05
    assert (count > 30).float().mean() > 0.15


def test_weights_come_back_in_half_precision(tmp_path):
    model = tiny_model(visual=False)
    model.space.whiten.mul_(1 + 1e-5)
    path = tmp_path / "diffusion.safetensors"
    save_diffusion(model, path, "abc", 7)
    loaded = load_diffusion(path, "abc")
    assert torch.equal(loaded.space.whiten, model.space.whiten)
    for name, value in model.state_dict().items():
        assert torch.allclose(loaded.state_dict()[name], value, atol=2e-3), name
    with pytest.raises(DiffusionWeightsError, match="trained for generator abc"):
        load_diffusion(path, "def")


def test_bad_weights_are_refused_with_a_remedy(tmp_path):
    path = tmp_path / "diffusion.safetensors"
    with pytest.raises(DiffusionWeightsError, match="missing"):
        load_diffusion(path)
    path.write_bytes(b"nothing")
    with pytest.raises(DiffusionWeightsError, match="damaged"):
        load_diffusion(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(DiffusionWeightsError, match="unknown model"):
        load_diffusion(path)
    model = tiny_model(visual=False)
    model.denoiser.stem.bias[0] = torch.nan
    save_diffusion(model, path, "abc", 7)
    with pytest.raises(DiffusionWeightsError, match="not finite in denoiser.stem.bias"):
        load_diffusion(path)


def test_interrupted_run_goes_on_exactly(generator, tmp_path):
    whole, first = make_trainer(generator), make_trainer(generator)
    expected = [whole.run_step() for _ in range(4)]
    for _ in range(2):
        first.run_step()
    first.save(tmp_path / "checkpoint.pt")
    second = make_trainer(generator)
    second.load(tmp_path / "checkpoint.pt")
    assert [second.run_step() for _ in range(2)] == expected[2:]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name
        assert torch.equal(whole.average[name], second.average[name]), name


def test_checkpoint_of_other_settings_is_refused(generator, tmp_path):
    make_trainer(generator).save(tmp_path / "checkpoint.pt")
    other = make_trainer(generator, dataclasses.replace(TINY, batch=4))
    with pytest.raises(ValueError, match="use the same options"):
        other.load(tmp_path / "checkpoint.pt")


def test_the_model_learns_a_batch_by_heart(generator):
    trainer = make_trainer(generator)
    before = held_out_loss(trainer, batches=1)
    assert 0 < before < 2
    batches = trainer.draw(0)
    optimizer = torch.optim.Adam(trainer.model.parameters(), lr=5e-3)
    losses = []
    for _ in range(60):
        loss = trainer.loss(batches).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_schedule_warms_up_and_decays():
    settings = DiffusionSettings(steps=1000, warm_up=100)
    rates = [learning_rate(settings, step) for step in (0, 99, 330, 600, 999)]
    assert rates[0] < 0.02 * settings.learning_rate
    assert rates[1] == rates[2] == settings.learning_rate
    assert rates[2] > rates[3] > rates[4]
    assert rates[4] < 0.03 * settings.learning_rate


def test_two_processes_train_what_one_does(generator, tmp_path, monkeypatch):
    weights = tmp_path / "generator.safetensors"
    save_generator(generator, weights)
    settings = dataclasses.replace(TINY, steps=2)
    options = [f"--{k.replace('_', '-')}={v}" for k, v in dataclasses.asdict(settings).items()]
    options += ["--generator", str(weights), "--cpu", "--threads=1", "--minutes=60", "--output"]
    monkeypatch.setattr(sys, "argv", ["diffusion", *options, str(tmp_path / "one")])
    main()
    two = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    two += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]  # any free port
    result = subprocess.run(
        [*two, "-m", "backend.training.diffusion", *options, str(tmp_path / "two")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert "process 1 of 2 " in result.stderr
    one, both = (load_file(tmp_path / name / "diffusion.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        assert torch.allclose(value.float(), both[name].float(), atol=2e-3), name
    loaded = load_diffusion(tmp_path / "two" / "diffusion.safetensors", weights_hash(weights))
    assert loaded.config.width == 32


def test_a_run_leaves_weights_a_checkpoint_and_a_log(generator, tmp_path):
    trainer = make_trainer(generator, dataclasses.replace(TINY, steps=2))
    train(trainer, tmp_path, "abc")
    assert load_diffusion(tmp_path / "diffusion.safetensors", "abc").config.width == 32
    assert (tmp_path / "checkpoint.pt").exists()
    assert "held_out" in (tmp_path / "log.jsonl").read_text()


def some_views(count=6):
    """Views of random pictures: what is in them does not matter here."""
    rng = torch.Generator().manual_seed(4)
    z = sample_training_latents(count, rng)
    label = torch.randint(0, 19, (count, 16, 16), generator=rng).repeat_interleave(8, 1)
    return Views(
        head=torch.arange(count),
        z=z,
        expression=torch.zeros(count, 52),
        camera=torch.zeros(count, 25),
        color=torch.randint(0, 255, (count, 3, SIZE, SIZE), generator=rng, dtype=torch.uint8),
        coverage=torch.full((count, SIZE, SIZE), 255, dtype=torch.uint8),
        label=label.repeat_interleave(8, 2).byte(),
        normal=torch.full((count, 3, SIZE, SIZE), -70, dtype=torch.int8),
        landmarks=torch.rand(count, 68, 2, generator=rng),
        seen=torch.ones(count, 68, dtype=torch.bool),
        rotation=torch.eye(3).expand(count, 3, 3),
    )


def test_photos_train_too_and_start_from_attributes_alone(generator, tmp_path):
    settings = dataclasses.replace(TINY, batch=4, photo_batch=6, steps=2)
    first = make_trainer(generator, settings)
    first.run_step()
    save_diffusion(first.averaged(), tmp_path / "attributes.safetensors", "abc", 1)
    heads = GeneratedHeads(generator, some_views())
    trainer = Trainer(settings, heads, Accelerator(cpu=True))
    trainer.start_from(tmp_path / "attributes.safetensors")
    before = trainer.model.visual.backbone.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    assert torch.allclose(
        trainer.model.denoiser.stem.weight, first.averaged().denoiser.stem.weight, atol=1e-3
    )
    trainer.run_step()
    after = trainer.run_step()
    assert after["loss"] > 0
    changed = [
        not torch.equal(before[n], v) for n, v in trainer.model.visual.backbone.state_dict().items()
    ]
    assert any(changed)
    save_diffusion(trainer.averaged(), tmp_path / "photos.safetensors", "abc", 2)
    assert load_diffusion(tmp_path / "photos.safetensors").visual is not None
