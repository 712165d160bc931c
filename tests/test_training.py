"""Training of the generator: it learns, and an interrupted run goes on exactly."""

import dataclasses

import pytest
import torch
from PIL import Image

from avatarmmc_blender.backend.generator.weights import load_generator
from avatarmmc_blender.backend.training.generator import (
    Trainer,
    TrainSettings,
    learning_rate,
    train,
)

TINY = TrainSettings(steps=6, batch=2, pairs=100, volume_points=100, atlas_pairs=2000, warm_up=2)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_interrupted_run_goes_on_exactly(tmp_path):
    whole, first = Trainer(TINY, "cpu"), Trainer(TINY, "cpu")
    expected = [whole.run_step() for _ in range(4)]
    for _ in range(2):
        first.run_step()
    first.save(tmp_path / "checkpoint.pt")
    second = Trainer(TINY, "cpu")
    second.load(tmp_path / "checkpoint.pt")
    resumed = [second.run_step() for _ in range(2)]
    assert resumed == expected[2:]
    for name, value in whole.generator.state_dict().items():
        assert torch.equal(value, second.generator.state_dict()[name]), name


def test_checkpoint_of_other_settings_is_refused(tmp_path):
    Trainer(TINY, "cpu").save(tmp_path / "checkpoint.pt")
    other = Trainer(dataclasses.replace(TINY, batch=3), "cpu")
    with pytest.raises(ValueError, match="use the same options"):
        other.load(tmp_path / "checkpoint.pt")


def test_schedule_warms_up_and_decays():
    settings = TrainSettings(steps=1000, warm_up=100)
    rates = [learning_rate(settings, step) for step in (0, 99, 250, 600, 999)]
    assert rates[0] < 0.02 * settings.learning_rate
    assert rates[1] == rates[2] == settings.learning_rate
    assert rates[2] > rates[3] > rates[4]
    assert rates[4] < 0.03 * settings.learning_rate


def test_a_few_steps_lower_the_loss():
    trainer = Trainer(dataclasses.replace(TINY, steps=40, warm_up=5), "cpu")
    losses = [trainer.run_step() for _ in range(40)]
    for name in ("offset", "color", "label", "betas"):
        early = sum(loss[name] for loss in losses[:5])
        late = sum(loss[name] for loss in losses[-5:])
        assert late < early, name


def test_a_run_leaves_weights_a_checkpoint_a_log_and_a_sheet(tmp_path):
    train(dataclasses.replace(TINY, steps=2), "cpu", tmp_path)
    model = Trainer(TINY, "cpu").model
    assert load_generator(tmp_path / "generator.safetensors", model).num_ws == 19
    assert (tmp_path / "checkpoint.pt").exists()
    with Image.open(tmp_path / "sheets" / "0000002.png") as sheet:
        assert sheet.size == (6 * 96, 2 * 96)
