"""Stage 2: `python -m backend.training.adversarial` refines trained weights on rendered images.

Non-saturating logistic loss with R1 (Goodfellow et al. 2014; Mescheder et al. 2018), a dual
discriminator with pose labels (EG3D, Chan et al. 2022) and adaptive augmentation.  The 3D losses
of stage 1 go on beside it, so that geometry cannot drift.
"""

import argparse
import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ..generator.cameras import camera_label, intrinsics_from_angle, orbit_camera
from ..generator.images import render_images
from ..generator.weights import BUNDLED_WEIGHTS, load_generator, save_generator
from ..head_model.model import load_bundled
from ..synthetic.expressions import sample_expressions
from ..synthetic.head import SyntheticHeads
from ..synthetic.images import render
from ..synthetic.labels import LABELS
from .augment import AdaptiveAugment
from .discriminator import DualDiscriminator
from .generator import LOSS_WEIGHTS, Trainer, TrainSettings
from .latents import sample_training_latents
from .targets import Targets, make_targets

log = logging.getLogger("avatarmmc.training")

_DISTANCE, _FIELD_OF_VIEW, _TARGET = 1.5, 16.0, (0.0, 0.06, 0.0)


@dataclass(frozen=True)
class AdversarialSettings:
    """One stage 2 run."""

    steps: int = 2000
    batch: int = 4
    size: int = 64
    learning_rate: float = 2e-4
    r1_gamma: float = 1.0
    r1_every: int = 8
    adversarial_weight: float = 0.02
    seed: int = 0


class AdversarialTrainer:
    """Generator with its stage 1 losses against a discriminator of rendered images."""

    def __init__(self, settings: AdversarialSettings, weights: Path, device: str):
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, torch.device(device)
        model = load_bundled().to(self.device)
        self.stage1 = Trainer(TrainSettings(seed=settings.seed + 1, atlas_pairs=60_000), device)
        self.generator = load_generator(weights, model, device).requires_grad_(True).train()
        self.stage1.generator = self.generator
        self.discriminator = DualDiscriminator(settings.size).to(self.device)
        rate = settings.learning_rate
        self.g_optimizer = torch.optim.Adam(self.generator.parameters(), rate, (0.0, 0.99))
        self.d_optimizer = torch.optim.Adam(self.discriminator.parameters(), 5 * rate, (0.0, 0.99))
        self.augment = AdaptiveAugment()
        self.rng = torch.Generator().manual_seed(settings.seed)
        # fixed colours turn label images into three channels
        self.label_colors = torch.rand(len(LABELS), 3, generator=self.rng).to(self.device) * 2 - 1
        self.step = 0

    def run_step(self) -> dict[str, float]:
        """One discriminator and one generator step."""
        real, cameras = self.real_images()
        fake, fake_cameras = self.fake_images()
        losses = self._discriminator_step(real, cameras, fake.detach(), fake_cameras)
        score = self.discriminator(self.augment(fake), fake_cameras)
        adversarial = functional.softplus(-score).mean()
        direct = self.stage1.losses(self._targets())
        total = self.settings.adversarial_weight * adversarial
        total = total + sum(LOSS_WEIGHTS[name] * value for name, value in direct.items())
        self.g_optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.generator.parameters(), 2.0)
        self.g_optimizer.step()
        self.step += 1
        losses |= {"adversarial": float(adversarial.detach()), "augment": self.augment.p}
        return losses | {name: float(value.detach()) for name, value in direct.items()}

    def _targets(self) -> Targets:
        s = self.stage1.settings
        return make_targets(
            self.stage1.model, self.stage1.atlas, s.batch, s.pairs, s.volume_points, self.rng
        )

    def _discriminator_step(
        self, real: Tensor, cameras: Tensor, fake: Tensor, fake_cameras: Tensor
    ) -> dict[str, float]:
        real = self.augment(real).requires_grad_(True)
        real_score = self.discriminator(real, cameras)
        fake_score = self.discriminator(self.augment(fake), fake_cameras)
        loss = functional.softplus(fake_score).mean() + functional.softplus(-real_score).mean()
        if self.step % self.settings.r1_every == 0:
            (gradient,) = torch.autograd.grad(real_score.sum(), real, create_graph=True)
            penalty = gradient.square().sum((1, 2, 3)).mean()
            loss = loss + 0.5 * self.settings.r1_gamma * self.settings.r1_every * penalty
        self.d_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.d_optimizer.step()
        self.augment.update(real_score)
        return {"discriminator": float(loss.detach())}

    def real_images(self) -> tuple[Tensor, Tensor]:
        """Images (B, 6, R, R) of synthetic heads and their camera labels (B, 25)."""
        z, expression, cam2world, intrinsics = self._draw()
        heads = SyntheticHeads(z, expression, self.stage1.model)
        images = render(heads, cam2world, intrinsics, self.settings.size, parts=False)
        hit = images.depth.isfinite()[:, None]
        color = images.color.permute(0, 3, 1, 2) * 2 - 1
        labels = self.label_colors[images.label].permute(0, 3, 1, 2)
        return torch.cat([color, labels], 1) * hit, camera_label(cam2world, intrinsics)

    def fake_images(self) -> tuple[Tensor, Tensor]:
        """The same of generated heads, with gradients."""
        z, expression, cam2world, intrinsics = self._draw()
        ws = self.generator.mapping(z)
        out = render_images(
            self.generator, ws, expression, cam2world, intrinsics, self.settings.size
        )
        color = out.color * 2 - out.weight
        labels = torch.einsum("blhw,lc->bchw", out.labels, self.label_colors)
        return torch.cat([color, labels], 1), camera_label(cam2world, intrinsics)

    def _draw(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        count = self.settings.batch
        z = sample_training_latents(count, self.rng).to(self.device)
        seed = int(torch.randint(2**31, (1,), generator=self.rng))
        angles = torch.randn(2, count, generator=self.rng) * torch.tensor([[0.5], [0.2]])
        yaw, pitch = angles.to(self.device)
        cam2world = orbit_camera(yaw, pitch, _DISTANCE, torch.tensor(_TARGET))
        intrinsics = intrinsics_from_angle(_FIELD_OF_VIEW, self.device).expand(count, 3, 3)
        return z, sample_expressions(count, seed).to(self.device), cam2world, intrinsics


def train(settings: AdversarialSettings, weights: Path, device: str, output: Path) -> None:
    """Refine `weights`; writes log.jsonl and generator.safetensors into `output`."""
    output.mkdir(parents=True, exist_ok=True)
    trainer = AdversarialTrainer(settings, weights, device)
    sums: dict[str, float] = {}
    started = time.monotonic()
    while trainer.step < settings.steps:
        for name, value in trainer.run_step().items():
            sums[name] = sums.get(name, 0.0) + value
        if trainer.step % 10 == 0:
            record = {name: round(total / 10, 5) for name, total in sums.items()}
            record |= {"step": trainer.step, "elapsed": round(time.monotonic() - started, 1)}
            with open(output / "log.jsonl", "a") as file:
                file.write(json.dumps(record) + "\n")
            log.info("%s", record)
            sums = {}
        if trainer.step % 100 == 0 or trainer.step == settings.steps:
            save_generator(trainer.generator, output / "generator.safetensors")


def main() -> None:
    """Command line."""
    name = "python -m backend.training.adversarial"
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    for option, value in asdict(AdversarialSettings()).items():
        parser.add_argument(f"--{option.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--weights", type=Path, default=BUNDLED_WEIGHTS)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 for all")
    parser.add_argument("--output", type=Path, default=Path("runs/adversarial"))
    args = vars(parser.parse_args())
    weights, device, output = (args.pop(key) for key in ("weights", "device", "output"))
    threads = args.pop("threads")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if threads:
        torch.set_num_threads(threads)
    train(AdversarialSettings(**args), weights, device, output)


if __name__ == "__main__":
    main()
