"""`edit` and `map` on the command line: from a file to another head, and what they refuse."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from avatarmmc_blender import edit_head, models
from avatarmmc_blender.backend.alignment.weights import load_descent
from avatarmmc_blender.backend.answer.answer import AnswerModels
from avatarmmc_blender.backend.conditions.label_map import read_label_map
from avatarmmc_blender.backend.conditions.palette import PALETTE
from avatarmmc_blender.backend.training.latents import sample_training_latents
from avatarmmc_blender.cli import main
from avatarmmc_blender.edit_head import EditRequest, front_of, stored_settings
from avatarmmc_blender.errors import AvatarError
from avatarmmc_blender.head_file import read_head, write_latent_file
from avatarmmc_blender.metadata import encode_latent
from avatarmmc_blender.pipeline import GeneratedHead
from avatarmmc_blender.settings import GenerateSettings
from avatarmmc_blender.stages import StageClock
from tests.tiny_diffusion import fitted_model

SETTINGS = GenerateSettings(seed=3, resolution=32, texture=128, device="cpu")
REPORT = {
    "model": {"id": "some-model", "sha256": "ab" * 32},
    "settings": SETTINGS.as_dict(),
    "device": "cpu",
    "versions": {},
    "seconds": {},
}
HAIR = 13


@pytest.fixture(scope="module")
def model():
    return models.load_model("cpu")


@pytest.fixture(scope="module")
def texts(model):
    z = sample_training_latents(8, torch.Generator().manual_seed(9))
    with torch.no_grad():
        w = model.generator.mapping(z)[3, 0].numpy()
    return {
        "version": "9.9.9",
        "model": model.name,
        "model_sha256": model.sha256,
        "settings": json.dumps(SETTINGS.as_dict()),
        "latent": encode_latent(w),
    }


@pytest.fixture
def head(texts, tmp_path):
    path = tmp_path / "head.npz"
    write_latent_file(path, texts)
    return path


@pytest.fixture(scope="module")
def tiny(model):
    return AnswerModels(model.generator, fitted_model(model.generator), load_descent())


@pytest.fixture
def edits(model, tiny, monkeypatch):
    """Edits by a tiny model of random weights; of the heads no more than the latents is made."""

    def run_request(settings, find, callback, before):
        found = find(model, StageClock(None))
        report = {"notes": list(found.notes), **REPORT, **found.report}
        return [GeneratedHead(None, found.latents[0], settings, report, found.evidence)]

    monkeypatch.setattr(edit_head, "load_answer_models", lambda device, with_network: tiny)
    monkeypatch.setattr(edit_head, "run_request", run_request)


def run(*arguments):
    return main([str(argument) for argument in arguments])


def test_a_map_can_be_painted_on_and_an_unpainted_one_changes_nothing(
    head, edits, tmp_path, capsys
):
    path, picture, same = (tmp_path / name for name in ("map.png", "front.png", "same.npz"))
    assert run("map", head, "--output", path, "--picture", picture) == 0
    assert capsys.readouterr().out == f"{path}, {picture}\n"
    assert Image.open(path).size == Image.open(picture).size == (512, 512)
    labels = front_of(read_head(head), "cpu")[1]
    assert np.array_equal(read_label_map(path).labels.numpy(), labels)
    assert run("edit", head, "--segmentation", path, "--output", same, "--device", "cpu") == 0
    assert "changes nothing" in capsys.readouterr().err
    assert np.array_equal(read_head(same).latent, read_head(head).latent)


def test_a_painted_map_and_attributes_make_another_head(head, edits, tmp_path, capsys):
    painted, first, second = (tmp_path / name for name in ("map.png", "a.npz", "b.npz"))
    run("map", head, "--output", painted)
    capsys.readouterr()
    pixels = np.asarray(Image.open(painted)).copy()
    pixels[40:160, 160:350] = PALETTE[HAIR]
    Image.fromarray(pixels).save(painted)
    report = tmp_path / "report.json"
    asked = ("--segmentation", painted, "--steps", 2, "--attribute", "lipstick=0.7")
    asked += ("--device", "cpu")
    assert run("edit", head, *asked, "--output", first, "--report", report) == 0
    captured = capsys.readouterr()
    assert "sets free" in captured.err and "hair_style" in captured.err
    assert captured.out.startswith(f"{first}: seed 3, ")
    before, after = read_head(head), read_head(first)
    assert not np.array_equal(after.latent, before.latent)
    assert after.settings == before.settings
    assert after.evidence["attributes"] == {"lipstick": 0.7} and "labels" in after.evidence
    told = json.loads(report.read_text())
    assert told["asked"] == ["lipstick"] and "shape" in told["kept"]
    assert any("edited at strength 0.8 with seed 0: lipstick=0.7" in note for note in told["notes"])
    assert run("edit", head, *asked, "--output", second) == 0
    assert np.array_equal(read_head(second).latent, after.latent)


BAD = {
    "strength": (["--strength", "1.5"], "strength is 1.5"),
    "strength nan": (["--strength", "nan"], "strength is nan"),
    "seed": (["--seed", "-1"], "seed is -1"),
    "steps": (["--steps", "0"], "steps is 0"),
    "guidance": (["--guidance", "hair=2"], "Guidance 'hair' is unknown"),
    "crop alone": (["--crop", "1,2,3"], "give a photo"),
    "resolution": (["--resolution", "7"], "resolution is 7"),
    "device": (["--device", "tpu"], "'tpu' is unknown"),
    "attribute": (["--attribute", "age=nan"], "finite"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_end_in_one_sentence(name, head, capsys):
    options, words = BAD[name]
    refused(capsys, words, "edit", head, *options, "--output", head.with_name("new.npz"))
    assert [path.name for path in head.parent.iterdir()] == ["head.npz"]


def refused(capsys, words, *arguments):
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert words in captured.err and len(captured.err.strip().splitlines()) == 1
    assert captured.out == ""


def test_values_that_only_the_backend_knows_are_refused_too(head, edits, tmp_path, capsys):
    output = tmp_path / "new.npz"
    for options, words in (
        (["--attribute", "hairdo=1"], "hairdo"),
        (["--attribute", "age=7"], "age"),
        (["--mask", tmp_path / "no.png"], "no.png"),
    ):
        refused(capsys, words, "edit", head, *options, "--output", output)
    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    refused(capsys, "empty", "edit", head, "--mask", tmp_path / "black.png", "--output", output)
    assert not output.exists()


CHANGED = {
    "an official model's": (
        {"settings": json.dumps({**SETTINGS.as_dict(), "model": "next3d-12"})},
        "made by the model next3d-12",
    ),
    "of other weights": ({"model_sha256": "cd" * 32}, "made with weights cdcdcdcdcdcd"),
    "with odd settings": ({"settings": json.dumps({"seed": "x"})}, "seed is x"),
    "with settings of odd types": ({"settings": json.dumps({"crop": 5})}, "damaged"),
    "with attributes of odd types": ({"settings": json.dumps({"attributes": 5})}, "damaged"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_heads_that_cannot_be_edited(name, texts, tmp_path, capsys):
    change, words = CHANGED[name]
    path = tmp_path / "head.npz"
    write_latent_file(path, texts | change)
    refused(capsys, words, "edit", path, "--output", tmp_path / "new.npz")
    assert not (tmp_path / "new.npz").exists()


def test_damaged_evidence_is_one_sentence(texts, edits, tmp_path, capsys):
    path = tmp_path / "head.npz"
    write_latent_file(path, texts | {"evidence": json.dumps({"image": "?", "image_given": "?"})})
    asked = ("--attribute", "age=1", "--output", tmp_path / "new.npz")
    refused(capsys, "damaged", "edit", path, *asked)


def test_maps_are_not_written_over_each_other_or_elsewhere(head, tmp_path, capsys):
    path = tmp_path / "map.png"
    refused(capsys, "different names", "map", head, "--output", path, "--picture", path)
    refused(capsys, ".png", "map", head, "--output", tmp_path / "map.jpg")
    refused(capsys, "no.npz", "map", tmp_path / "no.npz", "--output", path)
    assert not path.exists()


def test_settings_of_several_variants_are_those_of_one(head):
    stored = read_head(head)
    several = replace(stored, settings={**stored.settings, "variants": 4})
    assert stored_settings(several).variants == 1


def test_a_picture_within_a_mask_must_be_the_front_view(head, edits, tmp_path):
    pixels = {
        "image": np.zeros((64, 96, 3), np.uint8),
        "mask": np.full((64, 64, 3), 255, np.uint8),
    }
    request = EditRequest(image="in memory", mask="in memory")
    with pytest.raises(AvatarError, match="given 96 x 64 pixels"):
        edit_head.edit_head(read_head(head), request, SETTINGS, None, pixels)
