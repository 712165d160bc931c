"""What commands that make heads have in common: their files, progress, notes and the last line.

Where there are several heads every file is written once a head, with its number in the name.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from . import report as reports
from .errors import AvatarError
from .files import check_file, written_aside
from .stages import Progress

if TYPE_CHECKING:
    from .pipeline import GeneratedHead

SCENE_SUFFIXES = (".glb", ".fbx", ".blend")
LATENT_SUFFIX = ".npz"
OUTPUT_SUFFIXES = (*SCENE_SUFFIXES, LATENT_SUFFIX)
PREVIEW_SUFFIXES = (".png",)


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name output files."""
    add, files = parser.add_argument, {"metavar": "FILE", "type": Path}
    text = "head.glb, head.fbx, head.blend or head.npz (its latent); may be given more than once"
    add("--output", **files, action="append", required=True, help=text)
    add("--preview", **files, help="render the head with Cycles")
    text = "seconds, memory and counts as .json or as .html page; may be given twice"
    add("--report", **files, action="append", default=[], help=text)


def make_and_write(
    arguments: argparse.Namespace,
    make: Callable[[Progress | None], list[GeneratedHead]],
    count: int = 1,
) -> None:
    """Make `count` heads and write their files: asked about first, written only if all is well."""
    check_files(arguments, count)
    started = time.perf_counter()
    progress = _progress_line if sys.stderr.isatty() else None
    try:
        heads = make(progress)
    finally:
        if progress is not None:
            print(file=sys.stderr)
    for note in dict.fromkeys(note for head in heads for note in head.report["notes"]):
        print(f"Note: {note}.", file=sys.stderr)
    for index, head in enumerate(heads):
        _write_head(head, arguments, index, count)
    paths = [path for i in range(count) for path in numbered(arguments.output, i, count)]
    seeds = " ".join(str(head.settings.seed) for head in heads)
    names = ", ".join(str(path) for path in paths)
    print(f"{names}: seed {seeds}, {time.perf_counter() - started:.1f} s")


def check_files(arguments: argparse.Namespace, count: int = 1) -> None:
    """Raise AvatarError unless all files of `count` heads can be written here."""
    if importlib.util.find_spec("bpy") is None:
        raise AvatarError(
            "Blender's Python module bpy is missing here; "
            "run `python build.py demo` and use the Python in .venv."
        )
    previews = [] if arguments.preview is None else [arguments.preview]
    kinds = (
        (arguments.output, OUTPUT_SUFFIXES),
        (arguments.report, reports.SUFFIXES),
        (previews, PREVIEW_SUFFIXES),
    )
    for paths, suffixes in kinds:
        for index in range(count):
            for path in numbered(paths, index, count):
                check_file(path, suffixes)


def numbered(paths: list[Path], index: int, count: int) -> list[Path]:
    """Return the files of head `index` of `count`: head.glb, or head_1.glb, head_2.glb..."""
    if count == 1:
        return paths
    return [path.with_stem(f"{path.stem}_{index + 1}") for path in paths]


def _write_head(head: GeneratedHead, arguments: argparse.Namespace, index: int, count: int) -> None:
    outputs = numbered(arguments.output, index, count)
    preview = None
    if arguments.preview is not None:
        (preview,) = numbered([arguments.preview], index, count)
    latents = [path for path in outputs if path.suffix.lower() == LATENT_SUFFIX]
    scenes = [path for path in outputs if path not in latents]
    if scenes or preview is not None:
        head.report["seconds"] |= _write_scene(head, scenes, preview)
    for path in latents:
        _write_latent(head, path)
    for path in numbered(arguments.report, index, count):
        reports.write_report(head.report, path, preview)


def _write_scene(head: GeneratedHead, paths: list[Path], preview: Path | None) -> dict[str, float]:
    """Build the scene, write head and picture, and return the seconds of each."""
    seconds: dict[str, float] = {}
    with quiet_stdout():
        import bpy

        from .export import export_head
        from .generate_task import add_to_scene
        from .preview import render_preview

        bpy.ops.wm.read_factory_settings(use_empty=True)
        with _timed(seconds, "scene"):
            collection = add_to_scene(head)
            rig = next(item for item in collection.objects if item.type == "ARMATURE")
        with _timed(seconds, "export"):
            for path in paths:
                export_head(rig, path)
        if preview is not None:
            with _timed(seconds, "preview"), written_aside(preview) as aside:
                render_preview(rig, aside)
    return seconds


def _write_latent(head: GeneratedHead, path: Path) -> None:
    from .generate_task import metadata_of
    from .head_file import write_latent_file

    write_latent_file(path, metadata_of(head))


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - started, 3)


@contextmanager
def quiet_stdout() -> Iterator[None]:
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
