#!/usr/bin/env python3
"""The project's one entry point; the standard library is all that it needs.

python build.py demo        make the environment and a head: GLB, .blend, picture, report in out/
python build.py test        make the environment, run the tests and the linter
python build.py extension   pack the Blender extension into dist/
python build.py pictures    write docs/pictures/
python build.py results     measure the generator and write docs/results.md
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PYTHONS = ((3, 11), (3, 13))

# What goes into the extension: the add-on at its root, the two libraries as folders in it.
PACKAGES = {"avatarmmc_blender": "", "backend": "backend", "meshing": "meshing"}
SUFFIXES = {".py", ".npz", ".safetensors", ".json", ".md", ".png"}
DEVELOPMENT_ONLY = ("backend/training", "backend/evaluation", "backend/head_model/build")

# Wheels that Blender lacks and installs with the extension.  One built for the stable ABI serves
# every Python; a wheel of a single Python (PyMCubes) would shut the others out, so its work is
# done by NumPy there.
WHEELS = ("safetensors",)
WHEEL_PLATFORMS = ("manylinux2014_x86_64", "win_amd64", "macosx_11_0_arm64")


class BuildError(Exception):
    """A command that cannot go on: one sentence with the remedy."""


def check_python() -> None:
    """Raise BuildError unless this Python is one that Blender and the pinned packages support."""
    if sys.version_info[:2] not in PYTHONS:
        raise BuildError(
            "AvatarMMC needs Python 3.11 (or 3.13) and this is Python "
            f"{sys.version_info[0]}.{sys.version_info[1]}; run `python3.11 build.py` instead."
        )


def run(command: list, **options) -> None:
    """Run a command in the project's root; raise BuildError if it fails."""
    result = subprocess.run([str(part) for part in command], cwd=ROOT, **options)
    if result.returncode:
        shown = " ".join(str(part) for part in command[1:])
        raise BuildError(f"`{shown}` ended with exit code {result.returncode}; see above.")


def create_environment() -> Path:
    """Create .venv if there is none and return its Python."""
    folder = ROOT / ".venv"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / ".created").exists():
        try:
            run([sys.executable, "-m", "venv", "--clear", folder])
        except BuildError:
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            raise BuildError(
                "This Python cannot make virtual environments; install its venv module "
                f"(on Debian and Ubuntu the package python{version}-venv)."
            ) from None
        (folder / ".created").touch()
    return python


def install(python: Path, *requirements: str) -> None:
    """Install requirement files into the environment, each only when it has changed."""
    for name in requirements:
        text = (ROOT / name).read_bytes()
        marker = ROOT / ".venv" / f"{name}.sha256"
        digest = hashlib.sha256(text).hexdigest()
        if marker.exists() and marker.read_text() == digest:
            continue
        print(f"Installing {name} into .venv ...", flush=True)
        run([python, "-m", "pip", "install", "--disable-pip-version-check", "-qq", "-r", name])
        marker.write_text(digest)


def demo(arguments: argparse.Namespace) -> None:
    """Make the environment and one head from the bundled weights in out/."""
    start = time.perf_counter()
    python = create_environment()
    install(python, "requirements.txt")
    installed = time.perf_counter()
    command = [python, "-m", "avatarmmc_blender", "generate", "--seed", arguments.seed]
    for option, name in (
        ("--output", "head.glb"),
        ("--output", "head.blend"),
        ("--preview", "preview.png"),
        ("--report", "report.json"),
        ("--report", "report.html"),
    ):
        command += [option, f"out/{name}"]
    (ROOT / "out").mkdir(exist_ok=True)
    run(command)
    end = time.perf_counter()
    print(f"Environment {installed - start:.0f} s, head with picture {end - installed:.0f} s.")
    print("Look at out/preview.png and out/report.html; open out/head.blend or out/head.glb.")


def test(arguments: argparse.Namespace) -> None:
    """Run every test and the linter in the environment; fail if either does."""
    python = create_environment()
    install(python, "requirements.txt", "requirements-test.txt")
    failures = []
    # A process a core, each with one thread: most tests do small steps, which threads slow down.
    # A file's tests stay together, since they share what takes long to make.
    processes = ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    for module in (["pytest", "-q", *processes, *arguments.rest], ["ruff", "check", "."]):
        try:
            run([python, "-m", *module], env=one_thread)
        except BuildError as error:
            failures.append(str(error))
    if failures:
        raise BuildError(" ".join(failures))


def script(module: str):
    """Return a command that runs a module of benchmarks/ in the environment."""

    def command(arguments: argparse.Namespace) -> None:
        python = create_environment()
        install(python, "requirements.txt", "requirements-test.txt")
        run([python, "-m", f"benchmarks.{module}", *arguments.rest])

    return command


def download_wheels() -> list[Path]:
    """Fetch the pinned wheels for every platform into build/wheels and return them, sorted."""
    folder = ROOT / "build" / "wheels"
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", requirements, re.M)
    wheels = []
    for name, version in pins:
        if name not in WHEELS:
            continue
        pattern = f"{name}-{version}-*.whl"
        if len(list(folder.glob(pattern))) < len(WHEEL_PLATFORMS):
            python = create_environment()
            for platform in WHEEL_PLATFORMS:
                run([python, "-m", "pip", "download", "-q", "--disable-pip-version-check",
                     "--only-binary=:all:", "--no-deps", "--python-version", "3.11",
                     "--implementation", "cp", "--platform", platform,
                     "--dest", folder, f"{name}=={version}"])  # fmt: skip
        wheels += folder.glob(pattern)
    return sorted(wheels)


def extension_members() -> dict[str, Path]:
    """Return every source file of the extension by its name in the zip."""
    members = {"LICENSE": ROOT / "LICENSE"}
    for package, folder in PACKAGES.items():
        for path in sorted((ROOT / package).rglob("*")):
            source = path.relative_to(ROOT).as_posix()
            if path.suffix not in SUFFIXES or "__pycache__" in path.parts:
                continue
            if source.startswith(tuple(f"{part}/" for part in DEVELOPMENT_ONLY)):
                continue
            name = Path(folder, path.relative_to(ROOT / package)).as_posix()
            if name in members:
                raise BuildError(f"{source} would hide another file called {name}; rename one.")
            members[name] = path
    return members


def manifest(wheels: list[Path]) -> str:
    """Return the manifest with the wheels listed before its first table."""
    text = (ROOT / "blender_manifest.toml").read_text(encoding="utf-8")
    if not wheels:
        return text
    listed = "".join(f'  "./wheels/{wheel.name}",\n' for wheel in wheels)
    head, table, rest = text.partition("\n[permissions]")
    return f"{head}\nwheels = [\n{listed}]\n{table}{rest}"


def pack(target: Path, wheels: list[Path]) -> None:
    """Write the extension; the same sources give the same bytes."""
    contents = {name: path.read_bytes() for name, path in extension_members().items()}
    contents["blender_manifest.toml"] = manifest(wheels).encode()
    contents |= {f"wheels/{wheel.name}": wheel.read_bytes() for wheel in wheels}
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, contents[name])


def extension(arguments: argparse.Namespace) -> None:
    """Pack the installable extension into dist/."""
    import tomllib

    fields = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    target = ROOT / "dist" / f"{fields['id']}-{fields['version']}.zip"
    pack(target, download_wheels())
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    print(f"{target.relative_to(ROOT)}  {target.stat().st_size / 1e6:.1f} MB  sha256 {digest}")
    print("In Blender: Edit > Preferences > Get Extensions > Install from Disk.")


COMMANDS = {
    "demo": demo,
    "test": test,
    "extension": extension,
    "pictures": script("pictures"),
    "results": script("results"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 1 failed, 2 wrong usage."""
    try:
        check_python()
    except BuildError as error:
        print(error, file=sys.stderr)
        return 2
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--seed", default=7, type=int, help="seed of the demo's head")
    arguments, arguments_rest = parser.parse_known_args(argv)
    arguments.rest = arguments_rest
    try:
        COMMANDS[arguments.command](arguments)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
