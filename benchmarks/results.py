"""Measure the bundled generator and the heads made with it; write docs/results.md.

    python -m benchmarks.results [--heads 100] [--quick] [--output docs/results.md]

`--quick` measures few heads at a low resolution, to try the command out; give it another output.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import multiprocessing
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avatarmmc_blender.backend.evaluation.page import kept_section

from . import attribute_agreement
from .attribute_agreement import Agreement
from .field_accuracy import Accuracy
from .file_checks import RoundTrip
from .head_quality import Quality
from .result_rows import Row, attribute_rows, field_rows, file_rows, quality_rows, surface_rows

logger = logging.getLogger("avatarmmc.results")

OUTPUT = Path("docs") / "results.md"


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    heads: int = 100
    complete_heads: int = 10
    seeds: int = 28
    variations: int = 4
    round_trips: int = 3
    surface_resolution: int = 512
    surface_slabs: int = 8


def measure_field(sizes: Sizes) -> Accuracy:
    """Field against the synthetic truth."""
    from avatarmmc_blender.backend.generator.weights import load_bundled

    from .field_accuracy import measure

    _one_thread()
    return measure(load_bundled(), sizes.heads)


def measure_quality(sizes: Sizes) -> Quality:
    """Finished heads."""
    from avatarmmc_blender.models import load_model

    from .head_quality import measure

    _one_thread()
    return measure(load_model("cpu"), sizes.heads, sizes.complete_heads)


def measure_attributes(sizes: Sizes) -> list[Agreement]:
    """Attributes against what finished heads show."""
    from avatarmmc_blender.models import load_model

    _one_thread()
    return attribute_agreement.measure(load_model("cpu"), sizes.seeds, sizes.variations)


def measure_files(sizes: Sizes) -> list[RoundTrip]:
    """Exported and re-imported files."""
    from .round_trip import measure

    _one_thread()
    return measure(sizes.round_trips)


def measure_surface(sizes: Sizes) -> dict[str, float]:
    """Adaptive against dense surface extraction, nothing else running."""
    from .surface import bundled_field, measure

    _one_thread()
    return measure(bundled_field(0), sizes.surface_resolution, sizes.surface_slabs)


def _one_thread() -> None:
    """One thread for each process: sections run side by side."""
    import torch

    torch.set_num_threads(1)


def page(rows: Sequence[Row], attributes: Sequence[Agreement], iou: dict[str, float],
         minutes: float) -> str:  # fmt: skip
    """Return docs/results.md."""
    words = {True: "yes", False: "**no**", None: ""}
    lines = [f"| {r.figure} | {r.aim} | {r.value} | {words[r.held]} |" for r in rows]
    missed = [row.figure for row in rows if row.held is False]
    classes = ", ".join(f"{name} {value:.2f}" for name, value in sorted(iou.items()))
    return "\n".join(
        [
            "# Results",
            "",
            "Written by `python build.py results`; not edited by hand. All heads are of held-out",
            "seeds that no training saw; lengths and areas are for a head scaled to 230 mm.",
            "",
            *_circumstances(minutes),
            "",
            "| figure | aim | value | held? |",
            "|---|---|---|---|",
            *lines,
            "",
            f"Not held: {'; '.join(missed)}." if missed else "Every aim is held.",
            "",
            f"Label IoU by class: {classes}.",
            "",
            "The field's error is |sdf| of the generated field at points of the true surface; the",
            "template's distance is |sdf| at the fitted template's visible skin vertices. Areas",
            "are counted in orthographic views of eyeballs, skin and teeth (no lashes, no hair)",
            "from the front and from 35 degrees to both sides, the largest of the three.",
            "",
            "## Attributes",
            "",
            *(attribute_agreement.__doc__ or "").strip().splitlines()[4:],
            "",
            attribute_agreement.table(attributes),
            "",
        ]
    )


def _circumstances(minutes: float) -> list[str]:
    import torch

    from avatarmmc_blender.backend.generator.weights import MODEL_ID, weights_hash

    command = shlex.join(["python", "build.py", "results", *sys.argv[1:]])
    return [
        f"- command: `{command}`, {minutes:.0f} minutes",
        f"- date: {datetime.date.today().isoformat()}",
        f"- hardware: {os.cpu_count()} CPU cores, no GPU",
        f"- software: Python {platform.python_version()}, torch {torch.__version__}, "
        f"NumPy {np.__version__}",
        f"- model: {MODEL_ID}, weights sha256 `{weights_hash()}`",
    ]


def write_whole(path: Path, text: str) -> None:
    """Write a file aside, then move it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)


def run(sizes: Sizes) -> str:
    """Measure everything and return the page."""
    start = time.perf_counter()
    spawn = multiprocessing.get_context("spawn")
    workers = min(4, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        sections = {
            section: pool.submit(section, sizes)
            for section in (measure_field, measure_attributes, measure_quality, measure_files)
        }
        for section, future in sections.items():
            future.add_done_callback(lambda _, name=section.__name__: logger.info("%s: done", name))
        field = sections[measure_field].result()
        rows = field_rows(field, sizes.heads)
        rows += quality_rows(sections[measure_quality].result())
        attributes = sections[measure_attributes].result()
        rows += attribute_rows(attributes) + file_rows(sections[measure_files].result())
    rows += surface_rows(measure_surface(sizes))
    minutes = (time.perf_counter() - start) / 60.0
    return page(rows, attributes, field.iou, minutes)


def main() -> None:
    """Command line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", type=int, default=Sizes.heads)
    parser.add_argument("--quick", action="store_true", help="few heads, low resolution")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    if arguments.quick:
        sizes = Sizes(min(arguments.heads, 4), 1, 14, 1, 1, 128, 4)
    else:
        complete = max(1, arguments.heads // 10)
        sizes = Sizes(heads=arguments.heads, complete_heads=complete)
    text = run(sizes)
    kept = kept_section(arguments.output)  # what another command wrote into the same page
    write_whole(arguments.output, f"{text}\n{kept}\n" if kept else text)


if __name__ == "__main__":
    main()
