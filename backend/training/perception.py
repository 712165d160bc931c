"""Trains the face network on rendered heads: `python -m backend.training.perception`.

Labels, landmarks, rotation and identity are learned together from a pool of views (see `pairs`),
made into photos anew at every step.  An interrupted run goes on exactly where it was with the same
command.  Figures on held-out heads, plain and as photos, are printed as it goes.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..perception.framing import LEFT_EYE, RIGHT_EYE
from ..perception.landmarks import landmark_loss, rotation_error
from ..perception.network import FaceNetwork, FaceReadings
from ..perception.parser import overlaps, parser_loss
from ..perception.verification import identity_loss
from ..perception.weights import save_face_network
from .checkpoint import read_checkpoint, write_checkpoint
from .pairs import Views, read_pool
from .photo_augment import Photos, augment, plain
from .run_log import RunLog
from .schedule import cosine_rate, set_rate, start_average, update_average

log = logging.getLogger("avatarmmc.training")

_LOSS_WEIGHTS = {"labels": 1.0, "landmarks": 0.5, "rotation": 1.0, "identity": 0.25}
_CHECK_BATCH = 32
_LOG_EVERY = 50  # steps


@dataclass(frozen=True)
class PerceptionSettings:
    """One training run; its checkpoint only resumes under the same settings."""

    steps: int = 20_000
    heads: int = 16  # heads a step, two views each
    learning_rate: float = 1.5e-3
    warm_up: int = 100
    ema: float = 0.998
    held_out: int = 128  # heads of the pool that are never trained on
    seed: int = 0


class PerceptionTrainer:
    """Network, moving average, optimiser and random state: all that a checkpoint holds."""

    def __init__(self, settings: PerceptionSettings, pool: Views, device: str):
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, torch.device(device)
        self.network = FaceNetwork().to(self.device)
        self.average = start_average(self.network)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.rng = torch.Generator().manual_seed(settings.seed)
        self.step = 0
        heads = pool.head.unique()
        if len(heads) < settings.held_out + settings.heads:
            raise ValueError(
                f"the pool has {len(heads)} heads; {settings.held_out} held out and "
                f"{settings.heads} a step need more: make some with "
                "`python -m backend.training.pairs` or ask for fewer"
            )
        held = torch.isin(pool.head, heads[: settings.held_out])
        self.pool, self.held = pool.select(~held), pool.select(held)
        self.heads = heads[settings.held_out :]

    def run_step(self) -> dict[str, float]:
        """One optimiser step; returns the losses."""
        photos = augment(self._draw(), self.rng)
        losses = self.losses(photos, self._head)
        s = self.settings
        set_rate(self.optimizer, cosine_rate(s.learning_rate, self.step, s.steps, s.warm_up))
        self.optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        kept = min(s.ema, (self.step + 1) / (self.step + 10))
        update_average(self.average, self.network, kept)
        return {name: float(value.detach()) for name, value in losses.items()}

    def losses(self, photos: Photos, head: Tensor) -> dict[str, Tensor]:
        """Weighted losses of one batch."""
        d = self.device
        with torch.autocast(d.type, torch.bfloat16):
            read = self.network(photos.image.to(d))
        turn = (read.rotation - photos.rotation.to(d)).square().sum((1, 2)).mean()
        places = landmark_loss(
            read.landmarks, read.log_heat, photos.landmarks.to(d), photos.seen.to(d)
        )
        scale = self.network.identity.log_scale
        losses = {
            "labels": parser_loss(read.logits, photos.label.to(d)),
            "landmarks": places,
            "rotation": turn,
            "identity": identity_loss(read.embedding, head.to(d), scale),
        }
        return {name: _LOSS_WEIGHTS[name] * value for name, value in losses.items()}

    def averaged(self) -> FaceNetwork:
        """The network with the moving average of the weights."""
        network = FaceNetwork().to(self.device)
        network.load_state_dict(self.average)
        return network.eval().requires_grad_(False)

    def _draw(self) -> Views:
        """Two views of each of some heads; their numbers are kept in `_head`."""
        chosen = torch.randperm(len(self.heads), generator=self.rng)[: self.settings.heads]
        rows = []
        for head in self.heads[chosen].tolist():
            own = (self.pool.head == head).nonzero()[:, 0]
            rows.append(own[torch.randperm(len(own), generator=self.rng)[:2]])
        views = self.pool.select(torch.cat(rows))
        self._head = views.head
        return views

    def save(self, path: Path) -> None:
        """Write everything needed to go on exactly, aside and then renamed."""
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "rng": self.rng.get_state(),
        }
        write_checkpoint(path, self.settings, state)

    def load(self, path: Path) -> None:
        """Resume from a checkpoint of the same settings."""
        state = read_checkpoint(path, self.settings, self.device)
        self.network.load_state_dict(state["network"])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.set_state(state["rng"].cpu())
        self.step = state["step"]


@torch.no_grad()
def check(network: FaceNetwork, views: Views, photo: bool, seed: int = 1) -> dict[str, float]:
    """Figures on views, plain or made into photos.

    miou: mean overlap of the classes that occur; nme: mean landmark error in per cent of the eyes'
    distance; degrees: mean rotation error; same_head: share of views that find the other view of
    their head first among all; accuracy: share of pairs, half of them of one head, told right at
    the best threshold.
    """
    rng = torch.Generator().manual_seed(seed)
    device = next(network.parameters()).device
    both, either = torch.zeros(2, 19, dtype=torch.float64)
    errors, turns, embeddings = [], [], []
    for start in range(0, len(views), _CHECK_BATCH):
        part = views.select(slice(start, start + _CHECK_BATCH))
        photos = augment(part, rng, 0.5) if photo else plain(part)
        read = network(photos.image.to(device))
        counts = overlaps(read.logits.argmax(1).cpu(), photos.label)
        both, either = both + counts[0], either + counts[1]
        errors.append(_landmark_errors(read, photos))
        turns.append(rotation_error(read.rotation.cpu(), photos.rotation))
        embeddings.append(read.embedding.cpu())
    occurs = either > 0
    embedding = torch.cat(embeddings)
    return {
        "miou": float((both[occurs] / either[occurs]).mean()),
        "nme": 100 * float(torch.cat(errors).mean()),
        "degrees": float(torch.cat(turns).mean()),
        **_identity_figures(embedding, views.head),
    }


def _landmark_errors(read: FaceReadings, photos: Photos) -> Tensor:
    """Mean error (B,) of the landmarks in the picture over the distance of the eyes.

    The distance is that of a face seen from the front at the same size: foreshortened eyes would
    make side views look worse than they are.
    """
    truth = photos.landmarks
    inside = ((truth > 0) & (truth < 1)).all(-1).float()
    distance = ((read.landmarks.cpu() - truth).norm(dim=-1) * inside).sum(1) / inside.sum(1)
    right, left = truth[:, RIGHT_EYE].mean(1), truth[:, LEFT_EYE].mean(1)
    across = photos.rotation[:, :2, 0].norm(dim=-1).clamp_min(0.3)
    return distance / ((right - left).norm(dim=-1) / across)


def _identity_figures(embedding: Tensor, head: Tensor) -> dict[str, float]:
    scores = embedding @ embedding.T
    scores.fill_diagonal_(-2)
    same = head[:, None] == head[None]
    found = same[torch.arange(len(head)), scores.argmax(1)].float().mean()
    own = torch.eye(len(head), dtype=torch.bool)
    alike, apart = scores[same & ~own], scores[~same]
    thresholds = torch.linspace(-0.5, 1, 151)
    right = [((alike > t).float().mean() + (apart <= t).float().mean()) / 2 for t in thresholds]
    return {"same_head": float(found), "accuracy": float(max(right))}


def train(
    settings: PerceptionSettings,
    pool: Views,
    device: str,
    output: Path,
    minutes: float = math.inf,
    check_every: int = 500,
) -> None:
    """Run or resume a training, for `minutes` at most.

    Writes checkpoint.pt, log.jsonl and faces.safetensors into `output`.
    """
    records, checkpoint = RunLog(output), output / "checkpoint.pt"
    trainer = PerceptionTrainer(settings, pool, device)
    if checkpoint.exists():
        trainer.load(checkpoint)
        log.info("resumed at step %d", trainer.step)
    begun = time.monotonic()
    while trainer.step < settings.steps and time.monotonic() - begun < 60 * minutes:
        records.add(trainer.run_step())
        if trainer.step % _LOG_EVERY == 0:
            records.write_means(trainer.step)
        if trainer.step % check_every == 0:
            _finish(trainer, output, records)
    if trainer.step % check_every:
        _finish(trainer, output, records)


def _finish(trainer: PerceptionTrainer, output: Path, records: RunLog) -> None:
    """Checkpoint, weights and figures of where the training is."""
    trainer.save(output / "checkpoint.pt")
    network = trainer.averaged()
    save_face_network(network, output / "faces.safetensors")
    for name, photo in (("plain", False), ("photo", True)):
        figures = check(network, trainer.held, photo)
        figures = {key: round(value, 4) for key, value in figures.items()}
        records.write({"step": trainer.step, "held_out": name, **figures})


def main() -> None:
    """Command line."""
    name = "python -m backend.training.perception"
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    defaults = PerceptionSettings()
    for name, value in asdict(defaults).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--pool", type=Path, default=Path("runs/pairs"))
    parser.add_argument("--check-every", type=int, default=500, help="steps")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 for all")
    parser.add_argument("--output", type=Path, default=Path("runs/perception"))
    args = vars(parser.parse_args())
    pool, minutes, threads = args.pop("pool"), args.pop("minutes"), args.pop("threads")
    device, output, every = args.pop("device"), args.pop("output"), args.pop("check_every")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if threads:
        torch.set_num_threads(threads)
    train(PerceptionSettings(**args), read_pool(pool), device, output, minutes, every)


if __name__ == "__main__":
    main()
