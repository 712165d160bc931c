"""Trains the denoiser on heads of the generator: `python -m backend.training.diffusion`.

Every step draws new heads, measures what they are and learns to denoise their latents under a
random subset of that; with `--pool`, a folder made by `python -m backend.training.pairs`, it also
shows photos and label maps.  With `--official`, a converted Next3D, its heads are those of a pool
made by `python -m backend.training.next3d_pairs`.

Batches follow from seed and step alone, so an interrupted run goes on exactly where it was with
the same command, and several processes (`accelerate launch -m backend.training.diffusion ...`)
share the batches that one would see.
"""

from __future__ import annotations

import argparse
import copy
import logging
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import broadcast

from ..diffusion.denoiser import DenoiserConfig
from ..diffusion.model import LatentDiffusion
from ..diffusion.weights import load_diffusion, save_diffusion
from ..encoders.visual import VisualEncoder
from ..generator.weights import BUNDLED_WEIGHTS
from . import latent_pairs, next3d_heads
from .checkpoint import read_checkpoint, write_checkpoint
from .diffusion_loss import TrainingLoss, loss_report
from .heads import Batch, Heads, Request
from .run_log import RunLog
from .schedule import cosine_rate, set_rate, start_average, update_average

log = logging.getLogger("avatarmmc.training")

_HELD_OUT = 10**9  # above every step: the seed of batches that are never trained on
_FIT_BATCH = 64
_FIT_DRAWS = 4  # of each picture at most: only holes, light and the like are new in a draw


@dataclass(frozen=True)
class DiffusionSettings:
    """One training run; stored in its checkpoint, which only resumes under the same settings."""

    steps: int = 100_000
    batch: int = 256
    photo_batch: int = 64
    noises: int = 4  # draws of noise for each photo
    fit_heads: int = 12_288  # for the linear map that pictures begin with
    learning_rate: float = 4e-4
    warm_up: int = 500
    ema: float = 0.9995
    seed: int = 0
    width: int = 192
    context_width: int = 256

    def denoiser(self, shape: tuple[int, int]) -> DenoiserConfig:
        """Sizes of the network for latents of a shape."""
        return DenoiserConfig(*shape, width=self.width, context_width=self.context_width)


def learning_rate(settings: DiffusionSettings, step: int) -> float:
    """Rate at a step: warm-up, constant for a third of the run, then cosine to 2 %."""
    s = settings
    return cosine_rate(s.learning_rate, step, s.steps, s.warm_up, constant=1 / 3)


class Trainer:
    """Model, its moving average and optimiser: all that a checkpoint holds."""

    def __init__(self, settings: DiffusionSettings, heads: Heads, accelerator: Accelerator):
        torch.manual_seed(settings.seed)
        self.settings, self.heads, self.accelerator = settings, heads, accelerator
        self._requests()  # raises where the processes cannot share a batch
        heads.to(accelerator.device)
        space, visual = heads.fit_space(), None
        if heads.pictured:
            visual = VisualEncoder(settings.context_width, math.prod(space.shape))
        self.model = LatentDiffusion(space, settings.denoiser(space.shape), visual, heads.table)
        parameters = list(self.model.parameters())
        optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate, betas=(0.9, 0.99))
        loss = TrainingLoss(self.model)
        self.loss, self.optimizer = accelerator.prepare(loss, optimizer)
        self.average = start_average(self.model)
        self.step = 0

    @torch.no_grad()
    def fit_pictures(self) -> None:
        """Begin with what a linear map says of pictures; the same in all processes."""
        rng = torch.Generator().manual_seed(self.settings.seed)
        request = Request(_FIT_BATCH, pictures=True)
        heads = min(self.settings.fit_heads, _FIT_DRAWS * self.heads.pictured)
        count = -(-heads // _FIT_BATCH)
        space = self.model.space
        deviation = space.deviation.flatten().clamp_min(1e-6)
        batches = (self.heads.draw(space, request, rng) for _ in range(count))
        self.model.visual.fit((b.conditions, b.clean.flatten(1) / deviation) for b in batches)
        self.average = start_average(self.model)

    def start_from(self, path: Path) -> None:
        """Take over weights trained before, for another generator or without photos.

        What they have not is left as it is; the statistics of the latents stay this generator's.
        """
        state = load_diffusion(path).state_dict()
        known = {name: value for name, value in state.items() if not name.startswith("space.")}
        result = self.model.load_state_dict(known, strict=False)
        left = [name for name in result.missing_keys if not name.startswith(("space.", "visual."))]
        if left or result.unexpected_keys:
            raise ValueError(
                f"{path} was trained with another network: it lacks {left[:3]} and has "
                f"{result.unexpected_keys[:3]} beside; use the same widths"
            )
        self.average = start_average(self.model)

    def _requests(self, held_out: bool = False) -> list[Request]:
        settings = self.settings
        share = (self.accelerator.process_index, self.accelerator.num_processes)
        requests = [Request(settings.batch, held_out=held_out, part=share)]
        if self.heads.pictured:
            shown = Request(settings.photo_batch, settings.noises, True, held_out, share)
            requests.append(shown)
        return requests

    def draw(self, step: int, held_out: bool = False) -> list[Batch]:
        """This process's part of the batches of a step."""
        rng = torch.Generator().manual_seed((self.settings.seed << 40) + step)
        requests = self._requests(held_out)
        return [self.heads.draw(self.model.space, request, rng) for request in requests]

    def run_step(self) -> dict[str, float]:
        """One optimiser step; returns the losses, also by bands of time."""
        batches = self.draw(self.step)
        losses = self.loss(batches)
        set_rate(self.optimizer, learning_rate(self.settings, self.step))
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(losses.mean())
        self.accelerator.clip_grad_norm_(self.loss.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        kept = min(self.settings.ema, (self.step + 1) / (self.step + 10))
        update_average(self.average, self.model, kept)
        return loss_report(losses.detach(), torch.cat([batch.t for batch in batches]))

    def averaged(self) -> LatentDiffusion:
        """The model with averaged weights, for use."""
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.average)
        return model.eval().requires_grad_(False)

    def save(self, path: Path) -> None:
        """Write everything needed to go on exactly, aside and then renamed."""
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        write_checkpoint(path, self.settings, state)

    def load(self, path: Path) -> None:
        """Resume from a checkpoint of the same settings."""
        state = read_checkpoint(path, self.settings, self.accelerator.device)
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


@torch.no_grad()
def held_out_loss(trainer: Trainer, batches: int = 4) -> float:
    """Loss of the averaged weights on batches of heads that no step trains on."""
    loss = TrainingLoss(trainer.averaged())
    drawn = (trainer.draw(_HELD_OUT + i, held_out=True) for i in range(batches))
    losses = [loss(batch).mean() for batch in drawn]
    return float(torch.stack(losses).mean())


def train(
    trainer: Trainer, output: Path, generator_hash: str, save_every: int = 1000, minutes: float = 0
) -> None:
    """Run or resume a training, for at most `minutes` if given, all preparations included.

    The main process writes checkpoint.pt, log.jsonl and diffusion.safetensors into `output`.
    """
    end = time.monotonic() + 60 * minutes
    checkpoint, weights = output / "checkpoint.pt", output / "diffusion.safetensors"
    records, accelerator = RunLog(output), trainer.accelerator
    settings, main = trainer.settings, accelerator.is_main_process
    if checkpoint.exists():
        trainer.load(checkpoint)
    elif trainer.heads.pictured:
        trainer.fit_pictures()
    place = accelerator.process_index + 1, accelerator.num_processes
    log.info("process %d of %d goes on from step %d", *place, trainer.step)
    accelerator.wait_for_everyone()
    while trainer.step < settings.steps:
        records.add(trainer.run_step())
        late = minutes > 0 and _late(accelerator, end)
        last = late or trainer.step == settings.steps
        if main and (trainer.step % 100 == 0 or last):
            records.write_means(trainer.step)
        if main and (trainer.step % save_every == 0 or last):
            trainer.save(checkpoint)
            save_diffusion(trainer.averaged(), weights, generator_hash, trainer.step)
            records.write({"step": trainer.step, "held_out": held_out_loss(trainer)})
        if late:
            break
    accelerator.wait_for_everyone()


def _late(accelerator: Accelerator, end: float) -> bool:
    """Whether the main process's clock is past `end`: all have to stop at the same step."""
    late = torch.tensor(float(time.monotonic() > end), device=accelerator.device)
    return bool(broadcast(late))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m backend.training.diffusion", description=__doc__
    )
    for name, value in asdict(DiffusionSettings()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--generator", type=Path, default=BUNDLED_WEIGHTS)
    parser.add_argument("--official", type=Path, help="folder of a converted Next3D, or its file")
    parser.add_argument("--pool", type=Path, help="heads with their pictures")
    parser.add_argument("--start-from", type=Path, help="weights of a denoiser to begin with")
    parser.add_argument("--cpu", action="store_true", help="even where there is a GPU")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 for all")
    parser.add_argument("--minutes", type=float, default=0, help="stop after, 0 for never")
    parser.add_argument("--output", type=Path, default=Path("runs/diffusion"))
    args = vars(parser.parse_args())
    settings = DiffusionSettings(**{name: args.pop(name) for name in asdict(DiffusionSettings())})
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args["threads"]:
        torch.set_num_threads(args["threads"])
    try:
        if args["official"] is None:
            heads, generator_hash = latent_pairs.open_heads(args["generator"], args["pool"])
        else:
            heads, generator_hash = next3d_heads.open_heads(args["official"], args["pool"])
    except ValueError as error:
        sys.exit(str(error))
    # a batch may by chance show no photo at all
    unused = DistributedDataParallelKwargs(find_unused_parameters=heads.pictured > 0)
    accelerator = Accelerator(cpu=args["cpu"], kwargs_handlers=[unused])
    trainer = Trainer(settings, heads, accelerator)
    if args["start_from"] is not None:
        trainer.start_from(args["start_from"])
    train(trainer, args["output"], generator_hash, minutes=args["minutes"])


if __name__ == "__main__":
    main()
