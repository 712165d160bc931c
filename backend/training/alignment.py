"""Learns how maps say where a head is off: `python -m backend.training.alignment --pool FOLDER`.

Heads of a pool (see `pairs`) are asked of the denoiser by their label maps alone, some with holes,
some with attributes beside.  Round by round the answers are drawn and compared with the maps, the
step of the round is learned from how their latents differ from the true ones, and taken.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor

from ..alignment.align import Aligner, Difference, moved
from ..alignment.descent import LEARNED, SHOWN, Descent, map_features
from ..alignment.rows import numbers_of
from ..alignment.weights import save_descent
from ..conditions.conditions import Conditions
from ..conditions.measure import measure_attributes
from ..diffusion.guidance import Guidance, guided
from ..diffusion.samplers import dpm_solver_2m, draw_noise, time_grid
from ..diffusion.weights import BUNDLED_WEIGHTS as DIFFUSION_WEIGHTS
from ..diffusion.weights import load_diffusion
from ..generator.fast_images import FastImages
from ..generator.weights import BUNDLED_WEIGHTS, load_bundled, weights_hash
from ..latent.manifold import Manifold
from ..optimise.visible import Camera
from .pairs import Views, read_pool
from .visual_masks import draw_masks

log = logging.getLogger("avatarmmc.training")

_BATCH = 32
_WITH_HOLES, _WITH_ATTRIBUTES = 0.4, 0.3
_HELD_OUT_OF = 50  # heads, one of which no step is learned from


@dataclass(frozen=True)
class AlignmentSettings:
    """One training: views of the pool, evaluations of the denoiser, seed."""

    views: int = 4500
    steps: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Samples:
    """N maps labels (N, S, S) where given (N, 1, S, S), true latents (N, k, d), what the cameras
    (N, 25) and expressions (N, 52) are, and latents (N, k, d) as they are now."""

    labels: Tensor
    given: Tensor
    camera: Tensor
    expression: Tensor
    clean: Tensor
    latents: Tensor

    @property
    def cam2world(self) -> Tensor:
        """(N, 4, 4)."""
        return self.camera[:, :16].view(-1, 4, 4)


class Rounds:
    """Compares latents with maps; one in each process."""

    def __init__(self, generator: Path, diffusion: Path):
        torch.set_num_threads(1)
        images = FastImages(load_bundled(path=generator))
        self.align = Aligner(images, load_diffusion(diffusion).space, None)

    def compare(self, number: int, samples: Samples) -> tuple[Tensor, Tensor | None]:
        """Differences of features (N, F) and steps of the outlines (N, n), if they are followed."""
        found = [
            self.align.compare(
                number,
                samples.latents[i : i + 1],
                samples.expression[i : i + 1],
                samples.labels[i].long(),
                samples.given[i, 0],
                camera_of(samples.camera[i]),
            )
            for i in range(len(samples.labels))
        ]
        shape = None if found[0].shape is None else torch.cat([seen.shape for seen in found])
        return torch.cat([seen.features for seen in found]), shape


def camera_of(numbers: Tensor) -> Camera:
    """The camera of (25,): cam2world and intrinsics."""
    return Camera(numbers[:16].view(4, 4), numbers[16:].view(3, 3))


_rounds: Rounds | None = None


def _begin(generator: Path, diffusion: Path) -> None:
    global _rounds
    _rounds = Rounds(generator, diffusion)


def _compare(number: int, samples: Samples) -> tuple[Tensor, Tensor | None]:
    return _rounds.compare(number, samples)


@torch.no_grad()
def first_answers(
    settings: AlignmentSettings, views: Views, generator: Path, diffusion: Path
) -> Samples:
    """Maps of views and what the denoiser answers to them."""
    model, own = load_diffusion(diffusion), load_bundled(path=generator)
    rng = torch.Generator().manual_seed(settings.seed)
    given, clean, latents = [], [], []
    for start in range(0, len(views), _BATCH):
        shown = views.select(slice(start, start + _BATCH))
        ws = own.mapping(shown.z)
        read = own.readout(ws)
        values, shows = measure_attributes(read.betas, read.values, own.model)
        holes = torch.rand(len(shown), 1, 1, 1, generator=rng) < _WITH_HOLES
        masks = torch.where(holes, draw_masks(shown.label, rng), 1.0)
        shows = shows & (torch.rand(len(shown), 1, generator=rng) < _WITH_ATTRIBUTES)
        asked = Conditions(values, shows, labels=shown.label.long(), labels_mask=masks)
        noise = draw_noise(len(shown), model.space.shape, settings.seed + start)
        predict = guided(model, asked, Guidance())
        given.append(masks)
        clean.append(model.space.encode(ws))
        latents.append(dpm_solver_2m(predict, noise, time_grid(settings.steps)))
    return Samples(
        views.label, torch.cat(given), views.camera, views.expression, torch.cat(clean),
        torch.cat(latents),
    )  # fmt: skip


def learn(
    samples: Samples, held_out: Tensor, generator: Path, diffusion: Path, workers: int
) -> Iterator[Descent]:
    """Learned steps after each round; `held_out` (N,) bool are not learned from."""
    context, space = get_context("spawn"), load_diffusion(diffusion).space
    manifold = Manifold(load_bundled(path=generator), space)
    samples = replace(samples, latents=manifold(samples.latents))
    numbers, descent, begun = numbers_of(space, SHOWN), None, time.monotonic()
    with ProcessPoolExecutor(workers, context, _begin, (generator, diffusion)) as pool:
        for number in range(LEARNED):
            parts = [_part(samples, i) for i in torch.arange(len(samples.labels)).split(_BATCH)]
            found = list(pool.map(_compare, [number] * len(parts), parts))
            features = torch.cat([features for features, _ in found])
            shapes = [shape for _, shape in found if shape is not None]
            errors = (samples.clean - samples.latents).flatten(1)[:, numbers]
            if descent is None:
                occurs = torch.cat([map_features(p.labels, p.given) != 0 for p in parts])
                descent = Descent.begin(features, occurs, errors.shape[1])
            own = ~held_out
            descent = descent.learn(features[own], samples.cam2world[own], errors[own])
            step = descent.step(number, features, samples.cam2world)
            left = (errors - step)[held_out].square().mean() / errors[held_out].square().mean()
            log.info(
                "round %d after %.0f s: %.3f of the squared error left on held-out heads",
                number, time.monotonic() - begun, left,
            )  # fmt: skip
            seen = Difference(features, torch.cat(shapes) if shapes else None)
            latents = moved(descent, number, samples.latents, seen, samples.cam2world, space)
            samples = replace(samples, latents=manifold(latents))
            yield descent


def _part(samples: Samples, index: Tensor) -> Samples:
    return Samples(**{name: value[index] for name, value in vars(samples).items()})


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m backend.training.alignment", description=__doc__
    )
    for name, value in asdict(AlignmentSettings()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    parser.add_argument("--pool", type=Path, required=True, help="heads with their pictures")
    parser.add_argument("--generator", type=Path, default=BUNDLED_WEIGHTS)
    parser.add_argument("--diffusion", type=Path, default=DIFFUSION_WEIGHTS)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--output", type=Path, default=Path("runs/alignment"))
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = AlignmentSettings(args.views, args.steps, args.seed)
    views = read_pool(args.pool)
    chosen = torch.linspace(0, len(views) - 1, min(settings.views, len(views))).long()
    views = views.select(chosen)
    samples = first_answers(settings, views, args.generator, args.diffusion)
    log.info("%d heads asked by their maps", len(views))
    args.output.mkdir(parents=True, exist_ok=True)
    held_out = views.head % _HELD_OUT_OF == _HELD_OUT_OF - 1
    path, generator = args.output / "alignment.safetensors", weights_hash(args.generator)
    for descent in learn(samples, held_out, args.generator, args.diffusion, args.workers):
        save_descent(descent, path, generator)


if __name__ == "__main__":
    main()
