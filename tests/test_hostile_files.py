"""Hostile and broken files: refused in a sentence, nothing run, memory and time bounded."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile import hostile_files

MEGABYTE = 1 << 20
ROOT = Path(__file__).resolve().parents[1]
# Processor seconds; the slowest case takes 0.7.
TIME_LIMIT = 15


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> list[dict]:
    """What reading every file in a process of its own led to; the files are deleted again."""
    folder = tmp_path_factory.mktemp("hostile")
    canary = folder / "canary"
    cases = []
    for index, file in enumerate(hostile_files(canary)):
        path = folder / f"{index:03}{file.suffix}"
        path.write_bytes(file.data)
        case = {"name": file.name, "path": str(path), "reader": file.reader}
        cases.append({**case, "size": len(file.data)})
    (folder / "cases.json").write_text(json.dumps(cases))
    command = [sys.executable, "-m", "tests.hostile.driver"]
    command += [str(folder / "cases.json"), str(folder / "results.json")]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    found = json.loads((folder / "results.json").read_text())
    for case in cases:
        Path(case["path"]).unlink()
    assert not canary.exists(), "code in a file was run"
    return [{**case, **result} for case, result in zip(cases, found, strict=True)]


def test_there_are_many_cases(results):
    names = [result["name"] for result in results]
    assert len(names) == len(set(names)) >= 200


def test_every_file_is_refused_in_one_sentence(results):
    for result in results:
        assert result["kind"] == "refused", (result["name"], result["kind"], result["error"])
        error = result["error"]
        assert "\n" not in error and 40 < len(error) < 500, (result["name"], error)
        assert "expected" in error and error.startswith(Path(result["path"]).name), error
        assert re.search("Next3D|FLAME|DECA", error), error


def test_what_was_found_is_named(results):
    errors = {result["name"]: result["error"] for result in results}
    for name, error in errors.items():
        if name.startswith("call "):
            assert name.removeprefix("call ").replace("__builtin__", "builtins") in error
        if name.startswith("code in part"):
            assert "os.system inside a tensor" in error
    for name in ("INST", "EXT1", "EXT4", "NEWOBJ_EX of an allowed class", "PERSID", "BINPERSID"):
        assert name.split()[0] in errors[name]
    assert "decoder.net.0.weight" in errors["NaN"]
    assert "web page" in errors["web page"]
    assert "cut off" in errors["cut off at 5000 bytes"]
    assert "hole of zeros" in errors["hole of zeros"]
    assert "SMPL body" in errors["FLAME: SMPL body"]
    assert "StyleGAN" in errors["StyleGAN"]


def test_nothing_is_run_imported_or_written(results):
    for result in results:
        assert not result["events"], (result["name"], result["events"])


def test_memory_is_bounded_by_the_size_of_the_file(results):
    for result in results:
        limit = 3 * result["size"] + 200 * MEGABYTE
        assert result["bytes"] < limit, (result["name"], result["bytes"] / MEGABYTE)


def test_no_file_takes_long(results):
    for result in results:
        assert result["seconds"] < TIME_LIMIT, (result["name"], result["seconds"])
