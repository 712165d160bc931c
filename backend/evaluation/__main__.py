"""Measure the latent diffusion and the optimisation baseline: `python -m backend.evaluation`.

Writes its own section of docs/results.md and pictures beside it.  `--heads` sets how many held-out
heads; the baseline is measured on `--baseline` of them.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import os
import platform
import shlex
import sys
import time
from pathlib import Path

import torch

from ..diffusion.weights import DiffusionWeightsError, load_diffusion
from ..generator.fast_images import FastImages
from ..generator.weights import BUNDLED_WEIGHTS, WeightsError, load_bundled, weights_hash
from ..optimise.optimise import Search
from ..perception.weights import BUNDLED_WEIGHTS as FACE_WEIGHTS
from ..perception.weights import FaceWeightsError, load_face_network
from ..training.latent_pairs import fit_space
from .curves import guidance_curve, steps_curve, switch_curve
from .gallery import gallery
from .held_out import held_out_head
from .methods import Diffusion, Optimisation
from .page import write_section
from .quality import Bench
from .report import section
from .table import Sizes, collect, collect_average, rows

log = logging.getLogger("avatarmmc.evaluation")

DIFFUSION_WEIGHTS = Path(__file__).parents[1] / "diffusion" / "bundled.safetensors"
OUTPUT = Path("docs") / "results.md"


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    args = _parser().parse_args(arguments)
    try:
        evaluate(args)
    except (WeightsError, DiffusionWeightsError, FaceWeightsError) as error:
        raise SystemExit(
            f"{error}; --diffusion none measures the baseline alone, --faces none leaves "
            "identity out"
        ) from None


def evaluate(args: argparse.Namespace) -> None:
    """Measure everything and write the section."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if args.threads:
        torch.set_num_threads(args.threads)
    begun = time.monotonic()
    generator = load_bundled(args.device, args.generator)
    model = None
    if args.diffusion is not None:
        model = load_diffusion(args.diffusion, weights_hash(args.generator), args.device)
    network = None if args.faces is None else load_face_network(args.faces, args.device)
    images = FastImages(generator)
    space = fit_space(generator) if model is None else model.space
    sizes = _sizes(args)
    heads = []
    for number in range(sizes.heads):
        heads.append(held_out_head(images, number))
        if (number + 1) % 20 == 0:
            log.info("%d of %d heads drawn", number + 1, sizes.heads)
    bench = Bench(images, space, network, heads)
    figures, curves, pages = [None, None], [], []
    if model is not None:
        diffusion = Diffusion(model, args.steps)
        visual = model.visual is not None
        figures[0] = collect(bench, diffusion, sizes, sizes.heads, visual)
        if sizes.curve:
            folder = args.output.parent / "pictures"
            curves.append(guidance_curve(bench, diffusion, sizes.curve, folder))
            curves.append(steps_curve(bench, diffusion, sizes.curve, folder))
            if visual:
                curves.append(switch_curve(bench, diffusion, sizes.curve, folder))
                pages = gallery(bench, diffusion, folder)
    if sizes.baseline:
        baseline = Optimisation(images, space, network, Search(steps=args.search_steps))
        figures[1] = collect(bench, baseline, sizes, sizes.baseline, visual=True)
    average = collect_average(bench, sizes.heads)
    minutes = (time.monotonic() - begun) / 60
    circumstances = _circumstances(args, minutes)
    text = section(rows(*figures, average), figures, curves, pages, circumstances, args.output)
    write_section(args.output, text)
    log.info("written to %s after %.0f minutes", args.output, minutes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend.evaluation", description=__doc__)
    sizes = Sizes()
    parser.add_argument("--heads", type=int, default=sizes.heads, help="held-out heads")
    parser.add_argument(
        "--baseline", type=int, default=sizes.baseline, help="of them for the baseline, 0 for none"
    )
    parser.add_argument("--edits", type=int, default=sizes.edits)
    parser.add_argument("--diverse", type=int, default=sizes.diverse)
    parser.add_argument("--seeds", type=int, default=sizes.seeds, help="answers to compare")
    parser.add_argument("--timed", type=int, default=sizes.timed)
    parser.add_argument("--curve", type=int, default=sizes.curve, help="heads a curve, 0 for none")
    parser.add_argument("--steps", type=int, default=20, help="evaluations of the denoiser")
    parser.add_argument("--search-steps", type=int, default=Search.steps, help="of the baseline")
    parser.add_argument("--generator", type=Path, default=BUNDLED_WEIGHTS)
    parser.add_argument("--diffusion", type=_optional, default=DIFFUSION_WEIGHTS,
                        help="denoiser's weights, or none for the baseline alone")  # fmt: skip
    parser.add_argument("--faces", type=_optional, default=FACE_WEIGHTS,
                        help="face network's weights, or none")  # fmt: skip
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 for all")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    return parser


def _optional(text: str) -> Path | None:
    return None if text == "none" else Path(text)


def _sizes(args: argparse.Namespace) -> Sizes:
    """Sizes asked for, none above the number of heads."""
    if args.heads < 3:
        raise SystemExit(f"--heads is {args.heads}; correlations need at least 3")
    names = ("baseline", "edits", "diverse", "timed", "curve")
    fitting = {name: min(getattr(args, name), args.heads) for name in names}
    return Sizes(args.heads, seeds=args.seeds, **fitting)


def _circumstances(args: argparse.Namespace, minutes: float) -> list[str]:
    def weights(path: Path | None) -> str:
        return "none" if path is None else f"`{weights_hash(path)[:16]}`"

    command = shlex.join(["python", "-m", "backend.evaluation", *sys.argv[1:]])
    device = "no GPU" if args.device == "cpu" else torch.cuda.get_device_name()
    return [
        f"command: `{command}`, {minutes:.0f} minutes",
        f"date: {datetime.date.today().isoformat()}",
        f"hardware: {os.cpu_count()} CPU cores, {torch.get_num_threads()} used, {device}",
        f"software: Python {platform.python_version()}, torch {torch.__version__}",
        f"weights, sha256: generator {weights(args.generator)}, diffusion "
        f"{weights(args.diffusion)}, faces {weights(args.faces)}",
    ]


if __name__ == "__main__":
    main()
