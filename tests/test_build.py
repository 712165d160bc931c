"""build.py: the right Python, what the extension holds, and the same bytes every time."""

import importlib.util
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("avatarmmc_build", ROOT / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "some_package-1.0-cp310-abi3-win_amd64.whl"
    path.write_bytes(b"not really a wheel")
    return path


def test_a_wrong_python_is_told_which_to_use(build, monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 18, "final", 0))
    assert build.main(["demo"]) == 2
    error = capsys.readouterr().err
    assert "Python 3.9" in error and "python3.11 build.py" in error
    assert len(error.strip().splitlines()) == 1


def test_build_needs_the_standard_library_only():
    lines = (ROOT / "build.py").read_text().splitlines()
    imported = {
        line.split()[1].split(".")[0] for line in lines if line.startswith(("import", "from"))
    }
    assert imported <= set(sys.stdlib_module_names)


def test_extension_has_the_addon_at_its_root_and_the_libraries_in_it(build):
    members = build.extension_members()
    assert {"__init__.py", "LICENSE", "backend/__init__.py", "meshing/__init__.py"} <= set(members)
    assert "backend/head_model/bundled.npz" in members
    assert members["pipeline.py"] == ROOT / "avatarmmc_blender" / "pipeline.py"


def test_extension_has_all_weights_that_are_there(build):
    shipped = {path.relative_to(ROOT).as_posix() for path in (ROOT / "backend").rglob("bundled.*")}
    assert "backend/generator/bundled.safetensors" in shipped
    assert shipped <= set(build.extension_members())


def test_extension_leaves_development_behind(build):
    unwanted = ("tests/", "backend/training/", "backend/head_model/build/", "__pycache__")
    assert not [
        name for name in build.extension_members() if any(part in name for part in unwanted)
    ]


def test_packing_twice_gives_the_same_bytes(build, tmp_path, wheel):
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    build.pack(first, [wheel])
    wheel.touch()
    build.pack(second, [wheel])
    assert first.read_bytes() == second.read_bytes()


def test_packed_manifest_lists_the_wheels(build, tmp_path, wheel):
    target = tmp_path / "extension.zip"
    build.pack(target, [wheel])
    with zipfile.ZipFile(target) as archive:
        packed = tomllib.loads(archive.read("blender_manifest.toml").decode())
        assert archive.read(packed["wheels"][0].removeprefix("./")) == wheel.read_bytes()
    source = tomllib.loads((ROOT / "blender_manifest.toml").read_text())
    assert "wheels" not in source
    assert packed == {**source, "wheels": packed["wheels"]}


def test_pinned_requirements_hold_for_both_pythons():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all("==" in pin.split(";")[0] for pin in pins)
    assert "torch==2.13.0" in pins
    assert any(pin.startswith("bpy==5.0.1;") for pin in pins)
