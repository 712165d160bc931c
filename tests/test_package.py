"""The package as Blender sees it: import rules, a valid extension, a clean installation."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .test_build import build  # noqa: F401  a fixture

ROOT = Path(__file__).parents[1]
LEAVES = {"backend", "meshing"}

IMPORT_WITHOUT_BLENDER = """
import sys
sys.modules["bpy"] = None
import avatarmmc_blender
assert "torch" not in sys.modules and "numpy" not in sys.modules, "heavy imports at the root"
import avatarmmc_blender.backend.head_model.model, avatarmmc_blender.meshing.surface
import avatarmmc_blender.pipeline
assert not {"backend", "meshing"} & set(sys.modules), "generic names in sys.modules"
"""

INSTALL_AND_ENABLE = """
import json, sys
import bpy
bpy.ops.extensions.package_install_files(
    filepath=sys.argv[1], repo="user_default", enable_on_install=True
)
module = "bl_ext.user_default.avatarmmc"
print("ANSWER" + json.dumps({
    "enabled": module in bpy.context.preferences.addons,
    "operator": hasattr(bpy.types, "AVATARMMC_OT_generate"),
    "torch": "torch" in sys.modules,
    "generic": sorted({"backend", "meshing"} & set(sys.modules)),
    "nested": module + ".backend" in sys.modules or module + ".meshing" in sys.modules,
}))
bpy.ops.preferences.addon_disable(module=module)
assert not hasattr(bpy.types, "AVATARMMC_OT_generate"), "operators stay after unregistering"
"""


@pytest.fixture(scope="module")
def extension(build, tmp_path_factory):  # noqa: F811
    target = tmp_path_factory.mktemp("extension") / "avatarmmc.zip"
    build.pack(target, [])
    return target


def blender_folder() -> Path:
    spec = importlib.util.find_spec("bpy")
    if spec is None:
        pytest.skip("needs the bpy module")
    return Path(spec.origin).parent


def imported_modules(path: Path) -> set[tuple[int, str]]:
    """Return (level, dotted name) of every import in a source file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {(0, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.level, node.module or ""))
    return found


@pytest.mark.parametrize("leaf", sorted(LEAVES))
def test_leaf_packages_import_neither_blender_nor_each_other(leaf):
    for path in (ROOT / leaf).rglob("*.py"):
        depth = len(path.relative_to(ROOT).parts) - 1
        for level, name in imported_modules(path):
            top = name.split(".")[0]
            assert level <= depth, f"{path} reaches above {leaf}"
            if level == 0:
                assert top not in {"bpy", "avatarmmc_blender", *LEAVES}, f"{path} imports {name}"


def test_imports_without_blender_and_leaks_no_names():
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_WITHOUT_BLENDER], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def test_blenders_own_validator_accepts_the_extension(extension):
    found = list(blender_folder().glob("**/bl_pkg/cli/blender_ext.py"))
    result = subprocess.run(
        [sys.executable, found[0], "validate", extension], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_installs_registers_and_unregisters(extension, tmp_path):
    blender_folder()
    result = subprocess.run(
        [sys.executable, "-c", INSTALL_AND_ENABLE, extension],
        env={**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    line = next(line for line in result.stdout.splitlines() if line.startswith("ANSWER"))
    assert json.loads(line.removeprefix("ANSWER")) == {
        "enabled": True,
        "operator": True,
        "torch": False,
        "generic": [],
        "nested": True,
    }
