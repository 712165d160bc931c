"""From settings to a rigged head on the bundled weights: repeatable, cancellable, explained."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avatarmmc_blender import models
from avatarmmc_blender.backend.generator import weights
from avatarmmc_blender.backend.head_model import model as head_model
from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.backend.synthetic.latent import sample_latents
from avatarmmc_blender.bundled_pipeline import to_w
from avatarmmc_blender.cli import main
from avatarmmc_blender.errors import AvatarError, Cancelled
from avatarmmc_blender.pipeline import generate, remake
from avatarmmc_blender.settings import GenerateSettings
from avatarmmc_blender.stages import STAGES
from tests.sample_head import geometry

ROOT = Path(__file__).parents[1]
SMALL = GenerateSettings(seed=4, resolution=64, texture=128, device="cpu", raw_surface=True)


@pytest.fixture(scope="module")
def head():
    return generate(SMALL)[0]


def test_the_same_seed_gives_the_same_bytes(head):
    assert geometry(generate(SMALL)[0]) == geometry(head)


def test_another_seed_gives_another_head(head):
    other = generate(replace(SMALL, seed=3))[0]
    shift = np.abs(other.rigged.parts[0].vertices - head.rigged.parts[0].vertices)
    assert shift.max() > 2e-3  # metres


def test_head_is_life_sized_and_carries_the_52_shapes(head):
    face = head.rigged.parts[0]
    height = np.ptp(face.vertices[:, 2])
    assert 0.20 < height < 0.36  # metres, with the neck
    assert tuple(face.shape_keys) == tuple(EXPRESSIONS)
    assert np.allclose(face.weights.sum(1), 1.0, atol=1e-5)


def test_no_hair_is_left_inside_the_shut_mouth(head):
    hair = next(part for part in head.rigged.parts if part.name == "Hair")
    x, y, z = hair.vertices.T
    assert not ((y < 0.0) & (z < -0.025) & (np.abs(x) < 0.05)).any()


def test_raw_surface_lies_where_the_head_does(head):
    face, raw = head.rigged.parts[0], head.rigged.raw_surface
    assert np.allclose(raw.vertices.min(0), face.vertices.min(0), atol=0.06)


def test_report_has_seconds_of_every_stage_and_is_json(head):
    report = json.loads(json.dumps(head.report))
    assert set(STAGES) <= set(report["seconds"])
    assert report["model"]["sha256"] == weights.weights_hash()
    assert report["parts"]["Head"]["shape_keys"] == 52
    assert report["peak_memory_mb"] > 100


def test_progress_names_known_stages_and_never_leaves_0_to_1():
    heard = []

    def callback(stage, fraction):
        heard.append((stage, fraction))
        if stage == "surface" and fraction > 0.0:
            raise Cancelled()

    with pytest.raises(Cancelled):
        generate(SMALL, callback)
    assert {stage for stage, _ in heard} == {"latent", "planes", "surface"}
    assert all(0.0 <= fraction <= 1.0 for _, fraction in heard)


def test_a_head_is_made_again_from_its_latent(head):
    assert head.latent.shape == (256,) and head.latent.dtype == np.float32
    again = remake(head.latent, head.settings)
    assert geometry(again) == geometry(head)
    assert np.array_equal(again.latent, head.latent)


def test_heads_of_the_first_versions_kept_z(head):
    z = sample_latents(1, SMALL.seed, SMALL.truncation)[0].numpy()
    assert np.array_equal(to_w(z, models.load_model("cpu")), head.latent)


def test_a_latent_of_another_model_is_refused():
    with pytest.raises(AvatarError, match="7 numbers, expected 256"):
        remake(np.zeros(7, np.float32), SMALL)


@pytest.mark.parametrize(
    ("attribute", "words"),
    [("nosuch=1", "nosuch"), ("age=99", "-1 to 1"), ("age=abc", "-1 to 1"), ("beard=x", "goatee")],
)
def test_bad_attributes_end_in_one_sentence(attribute, words, tmp_path, capsys):
    arguments = ["generate", "--attribute", attribute, "--output", str(tmp_path / "head.glb")]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error and len(error.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.fixture
def weights_file(tmp_path, monkeypatch):
    """A copy of the bundled weights that the pipeline loads instead, to be damaged."""
    path = tmp_path / "bundled.safetensors"
    shutil.copy(weights.BUNDLED_WEIGHTS, path)

    def load(device):
        return weights.load_generator(path, head_model.load_bundled().to(device), device)

    monkeypatch.setattr(weights, "load_bundled", load)
    models.load_model.cache_clear()
    yield path
    models.load_model.cache_clear()


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_damaged_weights_are_explained(damage, weights_file):
    if damage == "missing":
        weights_file.unlink()
    else:
        weights_file.write_bytes(weights_file.read_bytes()[:100_000])
    with pytest.raises(AvatarError, match="reinstall") as caught:
        generate(SMALL)
    assert len(str(caught.value).splitlines()) == 1


def test_unavailable_device_is_named():
    missing = next(name for name in ("cuda", "mps") if name not in models.available_devices())
    with pytest.raises(AvatarError, match=f"'{missing}' is not available"):
        generate(replace(SMALL, device=missing))


def test_command_line_writes_all_files_and_prints_one_line(tmp_path):
    pytest.importorskip("bpy")
    names = ["head.glb", "head.blend", "report.json", "report.html"]
    paths = [str(tmp_path / name) for name in names]
    result = subprocess.run(
        [sys.executable, "-m", "avatarmmc_blender", "generate", "--seed", "4"]
        + ["--resolution", "64", "--texture", "128", "--output", paths[0], "--output", paths[1]]
        + ["--report", paths[2], "--report", paths[3]],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert Path(paths[0]).read_bytes()[:4] == b"glTF"
    assert {"scene", "export"} <= set(json.loads(Path(paths[2]).read_text())["seconds"])
