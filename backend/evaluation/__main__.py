"""Measure the latent diffusion and the optimisation baseline: `python -m backend.evaluation`.

Writes its own section of docs/results.md and pictures beside it.  `--heads` sets how many held-out
heads; the baseline, half a minute a search, is measured on `--baseline` of them.  With the default
sizes it takes about 25 minutes on one core of a CPU.
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

from ..alignment.align import Aligner
from ..alignment.weights import BUNDLED_WEIGHTS as ALIGNMENT_WEIGHTS
from ..alignment.weights import AlignmentWeightsError, load_descent
from ..diffusion.model import LatentDiffusion
from ..diffusion.weights import DiffusionWeightsError, load_diffusion
from ..generator.fast_images import FastImages
from ..generator.weights import BUNDLED_WEIGHTS, WeightsError, load_bundled, weights_hash
from ..optimise.optimise import Search
from ..perception.weights import BUNDLED_WEIGHTS as FACE_WEIGHTS
from ..perception.weights import FaceWeightsError, load_face_network
from ..training.latent_pairs import fit_space
from .curves import Curve, guidance_curve, steps_curve, switch_curve
from .gallery import Page, gallery
from .held_out import HeldOutHead, held_out_head
from .methods import Diffusion, Optimisation
from .page import write_section
from .quality import Bench
from .report import section
from .table import Figures, Sizes, collect, collect_another, collect_average, rows

log = logging.getLogger("avatarmmc.evaluation")

DIFFUSION_WEIGHTS = Path(__file__).parents[1] / "diffusion" / "bundled.safetensors"
OUTPUT = Path("docs") / "results.md"
# A search takes half a minute: few edits and few seeds; its time is that of all its searches.
_BASELINE = {"edits": 2, "diverse": 1, "seeds": 3, "timed": 0}


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    args = _parser().parse_args(arguments)
    try:
        evaluate(args)
    except (
        WeightsError, DiffusionWeightsError, AlignmentWeightsError, FaceWeightsError
    ) as error:  # fmt: skip
        raise SystemExit(
            f"{error}; --diffusion none measures the baseline alone, --alignment none leaves "
            "heads as they are sampled, --faces none leaves identity out"
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
    bench = Bench(images, space, network, _draw_heads(images, sizes.heads))
    figures: list[Figures | None] = [None] * 4
    curves: list[Curve] = []
    pages: list[Page] = []
    if model is not None:
        align = None if args.alignment is None else _aligner(images, model, args.alignment)
        diffusion = Diffusion(model, images, align, network, args.steps)
        figures[0] = collect(bench, diffusion, sizes, model.visual is not None)
        log.info("the diffusion's figures after %s", _minutes(begun))
        if sizes.curve:
            curves, pages = _pictures(bench, diffusion, sizes.curve, args.output.parent)
            log.info("curves and pictures after %s", _minutes(begun))
    if args.baseline:
        baseline = Optimisation(images, space, network, Search(steps=args.search_steps))
        few = Sizes(min(args.baseline, sizes.heads), **_BASELINE)
        figures[1] = collect(bench, baseline, few, kinds=("attributes", "all three"))
        log.info("the baseline's figures after %s", _minutes(begun))
    figures[2] = collect_average(bench, sizes.heads)
    figures[3] = collect_another(bench, sizes.others)
    circumstances = _circumstances(args, _minutes(begun))
    text = section(rows(figures), figures, curves, pages, circumstances, args.output)
    write_section(args.output, text)
    log.info("written to %s after %s", args.output, _minutes(begun))


def _aligner(images: FastImages, model: LatentDiffusion, path: Path) -> Aligner:
    device = images.generator.model.device
    return Aligner(images, model.space, load_descent(path, device=device))


def _pictures(
    bench: Bench, method: Diffusion, count: int, page_folder: Path
) -> tuple[list[Curve], list[Page]]:
    """Curves over `count` heads and pages of pictures; photos and edits need their weights."""
    folder = page_folder / "pictures"
    curves = [
        guidance_curve(bench, method, count, folder),
        steps_curve(bench, method, count, folder),
    ]
    if method.model.visual is None:
        return curves, []
    curves.append(switch_curve(bench, method, count, folder))
    return curves, gallery(bench, method, folder)


def _draw_heads(images: FastImages, count: int) -> list[HeldOutHead]:
    heads = []
    for number in range(count):
        heads.append(held_out_head(images, number))
        if (number + 1) % 20 == 0:
            log.info("%d of %d heads drawn", number + 1, count)
    return heads


def _minutes(begun: float) -> str:
    return f"{(time.monotonic() - begun) / 60:.0f} minutes"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend.evaluation", description=__doc__)
    sizes = Sizes()
    parser.add_argument("--heads", type=int, default=sizes.heads, help="held-out heads")
    parser.add_argument(
        "--baseline", type=int, default=6, help="of them for the baseline, 0 for none"
    )
    parser.add_argument("--edits", type=int, default=sizes.edits)
    parser.add_argument("--diverse", type=int, default=sizes.diverse)
    parser.add_argument("--seeds", type=int, default=sizes.seeds, help="answers to compare")
    parser.add_argument("--timed", type=int, default=sizes.timed, help="answers asked for alone")
    parser.add_argument("--others", type=int, default=sizes.others, help="heads with another's")
    parser.add_argument("--curve", type=int, default=sizes.curve, help="heads a curve, 0 for none")
    parser.add_argument("--steps", type=int, default=20, help="evaluations of the denoiser")
    parser.add_argument("--search-steps", type=int, default=Search.steps, help="of the baseline")
    parser.add_argument("--generator", type=Path, default=BUNDLED_WEIGHTS)
    parser.add_argument("--diffusion", type=_optional, default=DIFFUSION_WEIGHTS,
                        help="denoiser's weights, or none for the baseline alone")  # fmt: skip
    parser.add_argument("--alignment", type=_optional, default=ALIGNMENT_WEIGHTS,
                        help="learned steps of alignment to maps, or none")  # fmt: skip
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
    names = ("edits", "diverse", "timed", "curve", "others")
    fitting = {name: min(getattr(args, name), args.heads) for name in names}
    return Sizes(args.heads, seeds=args.seeds, **fitting)


def _circumstances(args: argparse.Namespace, minutes: str) -> list[str]:
    def weights(path: Path | None) -> str:
        return "none" if path is None else f"`{weights_hash(path)[:16]}`"

    command = shlex.join(["python", "-m", "backend.evaluation", *sys.argv[1:]])
    device = "no GPU" if args.device == "cpu" else torch.cuda.get_device_name()
    return [
        f"command: `{command}`, {minutes}",
        f"date: {datetime.date.today().isoformat()}",
        f"hardware: {os.cpu_count()} CPU cores, {torch.get_num_threads()} used, {device}",
        f"software: Python {platform.python_version()}, torch {torch.__version__}",
        f"heads: {args.heads}, for the baseline {args.baseline}; seeds compared: {args.seeds} on "
        f"{args.diverse} heads, for the baseline {_BASELINE['seeds']} on {_BASELINE['diverse']}; "
        f"edits: {args.edits}, for the baseline {_BASELINE['edits']}; heads a curve: {args.curve}",
        f"weights, sha256: generator {weights(args.generator)}, diffusion "
        f"{weights(args.diffusion)}, alignment {weights(args.alignment)}, faces "
        f"{weights(args.faces)}",
    ]


if __name__ == "__main__":
    main()
