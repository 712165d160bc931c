"""The command line: what it refuses, in which words, and what it leaves behind."""

import json
from pathlib import Path

import pytest

from avatarmmc_blender import report as reports
from avatarmmc_blender.cli import main
from avatarmmc_blender.cli_output import numbered
from avatarmmc_blender.errors import AvatarError
from avatarmmc_blender.files import check_file, written_aside
from avatarmmc_blender.settings import GenerateSettings, parse_attributes
from avatarmmc_blender.stages import HEAD_STAGES, StageClock, WholeProgress

BAD_REQUESTS = {
    "negative seed": (["--seed", "-1"], "seed is -1"),
    "seed beyond 31 bits": (["--seed", "2147483648"], "seed is 2147483648"),
    "seed is no number": (["--seed", "abc"], "--seed"),
    "resolution 0": (["--resolution", "0"], "resolution is 0"),
    "resolution too fine": (["--resolution", "4096"], "32 to 768"),
    "odd texture": (["--texture", "1000"], "texture is 1000"),
    "truncation above 1": (["--truncation", "1.5"], "truncation is 1.5"),
    "truncation not a number": (["--truncation", "nan"], "truncation is nan"),
    "unknown device": (["--device", "tpu"], "'tpu' is unknown"),
    "attribute without a value": (["--attribute", "age"], "NAME=VALUE"),
    "attribute not finite": (["--attribute", "age=nan"], "finite"),
    "attribute twice": (["--attribute", "age=0", "--attribute", "age=1"], "given twice"),
    "unknown option": (["--frobnicate"], "--frobnicate"),
    "unknown guidance": (["--guidance", "image=2"], "'image' is unknown"),
    "guidance without a scale": (["--guidance", "photo"], "NAME=VALUE"),
    "guidance no number": (["--guidance", "photo=much"], "photo is much"),
    "guidance negative": (["--guidance", "map=-1"], "map is -1"),
    "guidance not finite": (["--guidance", "map=nan"], "map is nan"),
    "guidance twice": (["--guidance", "map=1", "--guidance", "map=2"], "given twice"),
    "no steps": (["--steps", "0"], "steps is 0"),
    "many steps": (["--steps", "100000"], "1 to 200"),
    "no variants": (["--variants", "0"], "variants is 0"),
    "many variants": (["--variants", "17"], "1 to 16"),
    "variants beyond 31 bits": (["--seed", "2147483647", "--variants", "2"], "lower one"),
    "unknown method": (["--method", "magic"], "'magic' is unknown"),
    "search for nothing": (["--method", "optimise"], "give a photo"),
    "search and refinement": (
        ["--method", "optimise", "--image", "a.png", "--personalise", "5"],
        "leave it out",
    ),
    "refinement negative": (["--personalise", "-1"], "personalise is -1"),
    "refinement without a photo": (["--attribute", "age=0", "--personalise", "5"], "give a photo"),
    "mask of nothing": (["--mask", "a.png"], "give one of them"),
    "crop of nothing": (["--crop", "1,2,3"], "give a photo"),
    "crop no numbers": (["--image", "a.png", "--crop", "middle"], "write X,Y,SIDE"),
    "crop of two numbers": (["--image", "a.png", "--crop", "1,2"], "write X,Y,SIDE"),
    "crop without a side": (["--image", "a.png", "--crop", "1,2,0"], "the side of its square"),
    "crop not finite": (["--image", "a.png", "--crop", "nan,2,9"], "the side of its square"),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_bad_requests_end_in_one_sentence(name, tmp_path, capsys):
    arguments, words = BAD_REQUESTS[name]
    assert main(["generate", *arguments, "--output", str(tmp_path / "head.glb")]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert captured.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("head.xyz", ".glb, .fbx, .blend, .npz"),
        ("nowhere/head.glb", "choose another"),
        ("folder.glb", "it is a folder"),
    ],
)
def test_bad_outputs_are_refused_before_the_work(output, words, tmp_path, capsys):
    (tmp_path / "folder.glb").mkdir()
    assert main(["generate", "--output", str(tmp_path / output)]) == 2
    assert words in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["folder.glb"]


def test_no_command_is_wrong_usage(capsys):
    assert main([]) == 2
    assert "generate|edit|map|models|info" in capsys.readouterr().err


def test_attributes_are_numbers_or_choices():
    assert parse_attributes(["age=0.5", "hair_style=bob"]) == {"age": 0.5, "hair_style": "bob"}


def test_settings_refuse_a_boolean_as_seed():
    with pytest.raises(AvatarError, match="whole number"):
        GenerateSettings(seed=True).check()


def test_check_file_leaves_an_existing_file_alone(tmp_path):
    path = tmp_path / "head.glb"
    path.write_bytes(b"kept")
    check_file(path, (".glb",))
    assert path.read_bytes() == b"kept"
    assert [item.name for item in tmp_path.iterdir()] == ["head.glb"]


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "preview.png"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), written_aside(path) as aside:
        aside.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["preview.png"]


def test_progress_of_the_whole_grows_from_0_to_1():
    heard = []
    whole = WholeProgress(lambda *told: heard.append(told), {"photo": 0.1, "latent": 0.2}, heads=2)
    for stage in ("photo", "latent"):
        for part in (0.0, 0.5, 1.0):
            whole(stage, part)
    for head in range(2):
        whole.start_head(head)
        for stage in HEAD_STAGES:
            for part in (0.0, 0.5, 1.0):
                whole(stage, part)
    fractions = [fraction for _, fraction in heard]
    assert fractions == pytest.approx(sorted(fractions)) and fractions[0] == 0.0
    assert fractions[-1] == pytest.approx(1.0)
    assert heard[0][0] == "photo" and heard[-1][0] == "hair 2/2"


def test_clock_times_stages_and_passes_cancel_on():
    heard = []

    def callback(stage, fraction):
        heard.append((stage, fraction))
        if stage == "fit":
            raise KeyboardInterrupt

    clock = StageClock(callback)
    clock("latent", 0.0)
    clock("surface", 0.5)
    clock.tick()
    with pytest.raises(KeyboardInterrupt):
        clock("fit", 0.0)
    seconds = clock.stop()
    assert heard == [("latent", 0.0), ("surface", 0.5), ("surface", 0.5), ("fit", 0.0)]
    assert set(seconds) == {"latent", "surface", "fit", "total"}
    assert seconds["total"] == pytest.approx(sum(seconds.values()) - seconds["total"])


def test_report_is_written_as_json_and_as_a_page(tmp_path):
    report = {
        "model": {"id": "some-model", "sha256": "ab" * 32},
        "settings": GenerateSettings(seed=5, attributes={"age": 0.5}).as_dict(),
        "conditions": {"photo": {"given": 0.75}},
        "notes": ["the photo shows 2 <faces>"],
        "resampled": 1,
        "device": "cpu",
        "versions": {"torch": "2.13.0"},
        "seconds": {"surface": 1.25, "total": 1.25},
        "peak_memory_mb": 900,
        "parts": {"Head <b>": {"vertices": 4000, "faces": 8000, "shape_keys": 52}},
    }
    picture = tmp_path / "preview.png"
    picture.write_bytes(b"\x89PNG")
    reports.write_report(report, tmp_path / "report.json")
    reports.write_report(report, tmp_path / "report.html", picture)
    assert json.loads((tmp_path / "report.json").read_text()) == report
    page = (tmp_path / "report.html").read_text()
    assert "data:image/png;base64," in page
    assert "Head &lt;b&gt;" in page
    assert "age 0.5" in page
    assert "given 0.75" in page and "2 &lt;faces&gt;" in page


def test_files_of_several_heads_are_numbered():
    paths = [Path("out/head.glb"), Path("head.blend")]
    assert numbered(paths, 0, 1) == paths
    assert numbered(paths, 1, 3) == [Path("out/head_2.glb"), Path("head_2.blend")]


def test_settings_come_back_from_plain_values():
    settings = GenerateSettings(
        attributes={"age": 0.5}, image="a.png", crop=(1.0, 2.0, 3.0), guidance={"photo": 3.0}
    )
    stored = json.loads(json.dumps(settings.as_dict()))
    assert GenerateSettings.from_dict({**stored, "from a later version": 1}) == settings
