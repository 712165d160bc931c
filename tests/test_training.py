"""Training of the generator: it learns, and an interrupted run goes on exactly."""

import dataclasses
import json
from functools import partial

import pytest
import torch
from PIL import Image

from avatarmmc_blender.backend.generator.weights import load_generator
from avatarmmc_blender.backend.training import generator
from avatarmmc_blender.backend.training.generator import Trainer, TrainSettings, train
from avatarmmc_blender.backend.training.run_log import RunLog
from avatarmmc_blender.backend.training.schedule import cosine_rate
from avatarmmc_blender.backend.training.sheet import write_sheet

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
    rates = [cosine_rate(2.0, step, 1000, 100, 0.25) for step in (0, 99, 250, 600, 999)]
    assert rates[0] < 0.02 * 2 and rates[1] == rates[2] == 2.0
    assert rates[2] > rates[3] > rates[4] and rates[4] < 0.03 * 2
    rates = [cosine_rate(2.0, step, 1000, 100) for step in (0, 99, 500, 1000)]
    assert rates[0] < rates[3] < rates[2] < rates[1]


def test_the_log_keeps_means_and_goes_on(tmp_path):
    for _ in range(2):
        records = RunLog(tmp_path / "run")
        records.add({"a": 1.0})
        records.add({"a": 2.0, "b": 5.0})
        records.write_means(2)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [(line["a"], line["b"], line["step"]) for line in lines] == [(1.5, 5.0, 2)] * 2


def test_a_few_steps_lower_the_loss():
    trainer = Trainer(dataclasses.replace(TINY, steps=40, warm_up=5), "cpu")
    losses = [trainer.run_step() for _ in range(40)]
    for name in ("offset", "color", "label", "betas"):
        early = sum(loss[name] for loss in losses[:5])
        late = sum(loss[name] for loss in losses[-5:])
        assert late < early, name


def test_a_run_leaves_weights_a_checkpoint_a_log_and_a_sheet(tmp_path, monkeypatch):
    monkeypatch.setattr(generator, "write_sheet", partial(write_sheet, heads=2, size=24))
    train(dataclasses.replace(TINY, steps=2), "cpu", tmp_path)
    model = Trainer(TINY, "cpu").model
    assert load_generator(tmp_path / "generator.safetensors", model).num_ws == 19
    assert (tmp_path / "checkpoint.pt").exists()
    with Image.open(tmp_path / "sheets" / "0000002.png") as sheet:
        assert sheet.size == (2 * 24, 2 * 24)
