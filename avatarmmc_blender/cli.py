"""The command line: one head into files, official models, or a list of what can be asked for.

Whatever a user can get wrong ends in one sentence on stderr and exit code 2, with no file left.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from . import report as reports
from .errors import AvatarError, Cancelled
from .files import check_file, written_aside
from .models_cli import add_models_commands
from .models_store import listed_models
from .settings import (
    BUNDLED_MODEL,
    DEVICES,
    RESOLUTION_RANGE,
    GenerateSettings,
    parse_attributes,
)

OUTPUT_SUFFIXES = (".glb", ".fbx", ".blend")
PREVIEW_SUFFIXES = (".png",)


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage as one sentence."""

    def error(self, message: str) -> NoReturn:
        raise AvatarError(f"{message[0].upper()}{message[1:]}; --help shows what can be given.")


def main(argv: list[str] | None = None) -> int:
    """Run the command of `argv` and return the exit code.

    0 done, 1 a verification that failed, 2 not possible.
    """
    try:
        arguments = _parser().parse_args(argv)
        return arguments.run(arguments) or 0
    except AvatarError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(Cancelled(), file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="avatarmmc", description="Textured, rigged 3D heads.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="generate|info|models")
    _add_generate(commands.add_parser("generate", help="make one head and write it to files"))
    models = commands.add_parser("models", help="add, list, verify and remove official models")
    add_models_commands(models)
    info = commands.add_parser("info", help="list attributes with ranges, models and devices")
    info.set_defaults(run=_info)
    return parser


def _add_generate(parser: argparse.ArgumentParser) -> None:
    default = GenerateSettings()
    low, high = RESOLUTION_RANGE
    helps = {
        "output": "head.glb, head.fbx or head.blend; may be given more than once",
        "seed": f"which head (default {default.seed})",
        "attribute": "set an attribute that `info` lists; may be given more than once",
        "truncation": f"0 average head to 1 full variety (default {default.truncation})",
        "resolution": f"surface cells a side, {low} to {high} (default {default.resolution})",
        "texture": f"texture pixels a side (default {default.texture})",
        "model": "a converted official model that `models list` lists (default the bundled one)",
        "device": f"{', '.join(DEVICES)} (default {default.device})",
        "preview": "render the head with Cycles",
        "report": "seconds, memory and counts as .json or as .html page; may be given twice",
        "raw_surface": "keep the unrigged surface of the field in a .blend as well",
    }
    add, files = parser.add_argument, {"metavar": "FILE", "type": Path}
    add("--output", **files, action="append", required=True, help=helps["output"])
    add("--seed", metavar="N", type=int, default=default.seed, help=helps["seed"])
    add("--attribute", metavar="NAME=VALUE", action="append", default=[], help=helps["attribute"])
    for name, kind in (("truncation", float), ("resolution", int), ("texture", int)):
        value = getattr(default, name)
        add(f"--{name}", metavar="N", type=kind, default=value, help=helps[name])
    add("--model", metavar="ID", default=default.model, help=helps["model"])
    add("--device", metavar="NAME", default=default.device, help=helps["device"])
    add("--preview", **files, help=helps["preview"])
    add("--report", **files, action="append", default=[], help=helps["report"])
    add("--raw-surface", action="store_true", help=helps["raw_surface"])
    parser.set_defaults(run=_generate)


def _generate(arguments: argparse.Namespace) -> None:
    settings = GenerateSettings(
        seed=arguments.seed,
        attributes=parse_attributes(arguments.attribute),
        truncation=arguments.truncation,
        resolution=arguments.resolution,
        texture=arguments.texture,
        device=arguments.device,
        raw_surface=arguments.raw_surface,
        model=arguments.model,
    )
    settings.check()
    _check_files(arguments)

    from .pipeline import generate

    started = time.perf_counter()
    progress = _progress_line if sys.stderr.isatty() else None
    (generated,) = generate(settings, progress)
    if progress is not None:
        print(file=sys.stderr)
    generated.report["seconds"] |= _write_files(generated, arguments)
    for path in arguments.report:
        reports.write_report(generated.report, path, arguments.preview)
    names = ", ".join(str(path) for path in arguments.output)
    print(f"{names}: seed {settings.seed}, {time.perf_counter() - started:.1f} s")


def _check_files(arguments: argparse.Namespace) -> None:
    if importlib.util.find_spec("bpy") is None:
        raise AvatarError(
            "Blender's Python module bpy is missing here; "
            "run `python build.py demo` and use the Python in .venv."
        )
    for path in arguments.output:
        check_file(path, OUTPUT_SUFFIXES)
    for path in arguments.report:
        check_file(path, reports.SUFFIXES)
    if arguments.preview is not None:
        check_file(arguments.preview, PREVIEW_SUFFIXES)


def _write_files(generated, arguments: argparse.Namespace) -> dict[str, float]:
    """Build the scene, write head and picture, and return the seconds of each."""
    seconds = {}
    with _quiet_stdout():
        import bpy

        from .export import export_head
        from .generate_task import add_to_scene
        from .preview import render_preview

        bpy.ops.wm.read_factory_settings(use_empty=True)
        with _timed(seconds, "scene"):
            collection = add_to_scene(generated)
            rig = next(item for item in collection.objects if item.type == "ARMATURE")
        with _timed(seconds, "export"):
            for path in arguments.output:
                export_head(rig, path)
        if arguments.preview is not None:
            with _timed(seconds, "preview"), written_aside(arguments.preview) as aside:
                render_preview(rig, aside)
    return seconds


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - started, 3)


@contextmanager
def _quiet_stdout() -> Iterator[None]:
    """Keep what Blender's own C code and exporters print off the standard output."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _progress_line(stage: str, fraction: float) -> None:
    print(f"\r{100.0 * fraction:3.0f} %  {stage:<12}", end="", file=sys.stderr, flush=True)


def _info(arguments: argparse.Namespace) -> None:
    from .backend.conditions.table import ATTRIBUTES
    from .models import available_devices

    devices = available_devices()
    from .backend.generator.weights import BUNDLED_WEIGHTS, MODEL_ID

    print("Attributes (--attribute NAME=VALUE)")
    for attribute in ATTRIBUTES:
        values, text = f"{attribute.minimum:g} to {attribute.maximum:g}", attribute.description
        if attribute.choices:
            values, text = "one of", f"{text}: {', '.join(attribute.choices)}"
        print(f"  {attribute.name:<18} {values:<8} {text}")
    size = (
        f"{BUNDLED_WEIGHTS.stat().st_size / 1e6:.1f} MB" if BUNDLED_WEIGHTS.exists() else "missing"
    )
    print(f"Models (--model ID)\n  {BUNDLED_MODEL}  {MODEL_ID} ({size})")
    for model in listed_models():
        print(f"  {model.id}  {model.family_name}{', ' * bool(model.problem)}{model.problem}")
    print(f"Devices\n  {', '.join(devices)}")
