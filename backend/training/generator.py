"""Trains the bundled generator on synthetic heads: `python -m backend.training.generator`.

Stage 1, direct 3D supervision: every step draws new heads and asks them for the truth at points
of the canonical skin and around hanging hair.  One schedule (warm-up, constant, cosine to 2 %)
over `--steps`; an interrupted run goes on exactly where it was with the same command.
"""

import argparse
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..generator.config import GeneratorConfig
from ..generator.generator import Generator
from ..generator.guide import Guide
from ..generator.weights import save_generator
from ..head_model.model import load_bundled
from ..synthetic.latent import SHAPE_DIM, derive
from .checkpoint import read_checkpoint, write_checkpoint
from .latents import sample_training_latents
from .losses import label_weights, readout_losses, surface_losses, volume_losses
from .readout import solve_readout
from .run_log import RunLog
from .schedule import cosine_rate, set_rate, start_average, update_average
from .sheet import write_sheet
from .surface_atlas import SurfaceAtlas, build_atlas
from .targets import Targets, make_targets

log = logging.getLogger("avatarmmc.training")

LOSS_WEIGHTS = {
    "offset": 1.0,
    "slope": 2.0,
    "color": 10.0,
    "label": 0.25,
    "volume": 0.5,
    "shade": 2.0,
    "betas": 2.0,
    "values": 2.0,
}


_CONSTANT = 0.25  # of the run at the full rate
_LOG_EVERY, _SAVE_EVERY, _SHEET_EVERY = 100, 500, 2000  # steps


@dataclass(frozen=True)
class TrainSettings:
    """One training run; stored in its checkpoint, which only resumes under the same settings."""

    steps: int = 20_000
    batch: int = 6
    pairs: int = 1500
    volume_points: int = 1500
    atlas_pairs: int = 200_000
    learning_rate: float = 2e-3
    warm_up: int = 100
    ema: float = 0.998
    seed: int = 0


def parameter_groups(generator: Generator) -> list[dict]:
    """Parameters for an optimiser, each group with the `scale` of its learning rate."""
    planes = [generator.static_planes]
    # Faster, styles push most of the volume decoder's units to where they pass no gradient.
    volume = list(generator.volume.parameters())
    known = {id(p) for p in planes + volume}
    others = [p for p in generator.parameters() if id(p) not in known]
    return [
        {"params": others, "scale": 1.0},
        {"params": planes, "scale": 2.0},
        {"params": volume, "scale": 0.25},
    ]


class Trainer:
    """Generator, its moving average, optimiser and random state: all that a checkpoint holds."""

    def __init__(self, settings: TrainSettings, device: str):
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, torch.device(device)
        self.model = load_bundled().to(self.device)
        self.generator = Generator(self.model, GeneratorConfig()).to(self.device)
        groups = parameter_groups(self.generator)
        self.optimizer = torch.optim.Adam(groups, lr=settings.learning_rate, betas=(0.9, 0.99))
        self.average = start_average(self.generator)
        self.rng = torch.Generator().manual_seed(settings.seed)
        self.step = 0
        self.atlas: SurfaceAtlas = build_atlas(self.model, settings.atlas_pairs).to(device)
        self.weights = label_weights().to(self.device)

    def run_step(self) -> dict[str, float]:
        """One optimiser step; returns the losses."""
        s = self.settings
        targets = make_targets(self.model, self.atlas, s.batch, s.pairs, s.volume_points, self.rng)
        losses = self.losses(targets)
        total = sum(LOSS_WEIGHTS[name] * value for name, value in losses.items())
        rate = cosine_rate(s.learning_rate, self.step, s.steps, s.warm_up, _CONSTANT)
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.generator.parameters(), 10.0)
        self.optimizer.step()
        self.step += 1
        if self.step % 4 == 0:
            kept = min(s.ema, (self.step + 1) / (self.step + 40)) ** 4
            update_average(self.average, self.generator, kept)
        return {name: float(value.detach()) for name, value in losses.items()}

    def losses(self, targets: Targets) -> dict[str, Tensor]:
        """All losses of one batch of targets."""
        g = self.generator
        ws = g.mapping(targets.z)
        read = g.readout(ws)
        guide = Guide(targets.p, torch.zeros_like(targets.ao), targets.ao, targets.tongue)
        with torch.autocast(self.device.type, torch.bfloat16):
            planes = g.synthesis(ws)
            surface = g.surface_branch(ws, planes, read, guide, targets.state, targets.detail)
            sdf, shade = g.volume_branch(ws, planes, read, targets.q)
        losses = surface_losses(
            surface, targets.offset, targets.color, targets.labels, self.weights
        )
        losses |= volume_losses(sdf, shade, targets.volume, targets.shade)
        z = torch.cat([targets.z, sample_training_latents(64, self.rng).to(self.device)])
        read = g.readout(g.mapping(z))
        losses |= readout_losses(read, z[:, :SHAPE_DIM], derive(z, self.model).vector())
        return losses

    def save(self, path: Path) -> None:
        """Write everything needed to go on exactly, aside and then renamed."""
        state = {
            "step": self.step,
            "generator": self.generator.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "rng": self.rng.get_state(),
        }
        write_checkpoint(path, self.settings, state)

    def load(self, path: Path) -> None:
        """Resume from a checkpoint of the same settings."""
        state = read_checkpoint(path, self.settings, self.device)
        self.generator.load_state_dict(state["generator"])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.set_state(state["rng"].cpu())
        self.step = state["step"]


def train(settings: TrainSettings, device: str, output: Path) -> None:
    """Run or resume a training.

    Writes checkpoint.pt, log.jsonl, generator.safetensors and sheets/*.png into `output`.
    """
    records, checkpoint = RunLog(output), output / "checkpoint.pt"
    trainer = Trainer(settings, device)
    if checkpoint.exists():
        trainer.load(checkpoint)
        log.info("resumed at step %d", trainer.step)
    while trainer.step < settings.steps:
        records.add(trainer.run_step())
        last = trainer.step == settings.steps
        if trainer.step % _LOG_EVERY == 0 or last:
            records.write_means(trainer.step)
        if trainer.step % _SAVE_EVERY == 0 or last:
            trainer.save(checkpoint)
            generator = export(trainer, output / "generator.safetensors")
            if trainer.step % _SHEET_EVERY == 0 or last:
                write_sheet(generator, output / "sheets" / f"{trainer.step:07d}.png")


def export(trainer: Trainer, path: Path) -> Generator:
    """Write the averaged weights as they ship; also return the generator that holds them."""
    generator = Generator(trainer.model, trainer.generator.config)
    generator.load_state_dict(trainer.average)
    generator = generator.to(trainer.device).eval()
    error = solve_readout(generator)
    log.info("read-out: betas within %.4f", error)
    save_generator(generator, path)
    return generator


def main() -> None:
    """Command line."""
    name = "python -m backend.training.generator"
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    defaults = TrainSettings()
    for name, value in asdict(defaults).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 for all")
    parser.add_argument("--output", type=Path, default=Path("runs/generator"))
    args = vars(parser.parse_args())
    device, output, threads = args.pop("device"), args.pop("output"), args.pop("threads")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if threads:
        torch.set_num_threads(threads)
    train(TrainSettings(**args), device, output)


if __name__ == "__main__":
    main()
