"""Stage 2: `python -m backend.training.adversarial` refines trained weights on rendered images.

Non-saturating logistic loss with R1 (Goodfellow et al. 2014; Mescheder et al. 2018), a dual
discriminator with pose labels (EG3D, Chan et al. 2022) and adaptive augmentation.  Images are small
windows of the picture at high resolution (patches, as in EpiGRAF, Skorokhodov et al. 2022), true
and generated ones through the same rays (`image_pool.py`).  The 3D losses of stage 1 go on beside
it, so that geometry cannot drift.
"""

import argparse
import logging
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ..generator.images import render_bands
from ..generator.weights import BUNDLED_WEIGHTS, load_generator
from ..head_model.model import load_bundled
from ..synthetic.face import ExpressionState
from ..synthetic.labels import LABELS
from .augment import AdaptiveAugment
from .discriminator import DualDiscriminator
from .generator import LOSS_WEIGHTS, Trainer, TrainSettings, export, parameter_groups
from .image_pool import Views, fill_pool, load_views, view_labels
from .run_log import RunLog
from .schedule import set_rate, start_average, update_average
from .sheet import write_sheet
from .targets import Targets, make_targets

# Truth has hard labels, the generator soft ones, by less than one sees: noise hides it.
_LABEL_NOISE = 0.05
_RAMP = 50  # steps over which the generator's rate rises
_LOG_EVERY, _SAVE_EVERY, _SHEET_EVERY = 50, 100, 500  # steps


@dataclass(frozen=True)
class AdversarialSettings:
    """One stage 2 run.

    `heads` is the number of heads in the pool of true images, `size` the side of an image.  For
    `warm_up` steps the discriminator learns alone; then the generator's rate rises quickly to
    `learning_rate`, which is about where stage 1 ended, and falls to nothing over the rest.
    """

    steps: int = 2000
    batch: int = 4
    heads: int = 640
    size: int = 32
    learning_rate: float = 4e-5
    discriminator_rate: float = 2e-3
    warm_up: int = 400
    r1_gamma: float = 0.3
    r1_every: int = 8
    adversarial_weight: float = 1.0
    ema: float = 0.995
    seed: int = 0


class AdversarialTrainer:
    """Generator with its stage 1 losses against a discriminator of rendered images."""

    def __init__(self, settings: AdversarialSettings, weights: Path, views: Views, device: str):
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, torch.device(device)
        self.views = views
        model = load_bundled().to(self.device)
        self.stage1 = Trainer(TrainSettings(seed=settings.seed + 1, atlas_pairs=60_000), device)
        self.generator = load_generator(weights, model, device).requires_grad_(True).train()
        self.stage1.generator = self.generator
        self.stage1.average = start_average(self.generator)
        self.discriminator = DualDiscriminator(views.size).to(self.device)
        groups = parameter_groups(self.generator)
        self.g_optimizer = torch.optim.Adam(groups, settings.learning_rate, (0.0, 0.99))
        self.d_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), settings.discriminator_rate, (0.0, 0.99)
        )
        self.augment = AdaptiveAugment()
        self.rng = torch.Generator().manual_seed(settings.seed)
        # fixed colours turn label images into three channels
        self.label_colors = torch.rand(len(LABELS), 3, generator=self.rng).to(self.device) * 2 - 1
        self.step = 0

    def run_step(self) -> dict[str, float]:
        """One discriminator and, after the warm-up, one generator step, on the same views."""
        chosen = torch.randint(len(self.views), (self.settings.batch,), generator=self.rng)
        views = self.views.select(chosen).to(self.device)
        if self.step < self.settings.warm_up:
            fake = self.as_images(self._still_pixels[chosen].to(self.device).float())
        else:
            fake = self.as_images(self.fake_pixels(views))
        labels = view_labels(views)
        real = self.as_images(views.pixels.float())
        losses = self._discriminator_step(real, fake.detach(), labels)
        if fake.requires_grad:
            losses |= self._generator_step(fake, labels)
        self.step += 1
        return losses | {"augment": self.augment.p}

    def _generator_step(self, fake: Tensor, labels: Tensor) -> dict[str, float]:
        self.discriminator.requires_grad_(False)
        score = self.discriminator(self.augment(fake), labels)
        self.discriminator.requires_grad_(True)
        losses = self.stage1.losses(self._targets())
        total = sum(LOSS_WEIGHTS[name] * value for name, value in losses.items())
        losses["adversarial"] = functional.softplus(-score).mean()
        total = total + self.settings.adversarial_weight * losses["adversarial"]
        set_rate(self.g_optimizer, self._learning_rate())
        self.g_optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.generator.parameters(), 2.0)
        self.g_optimizer.step()
        update_average(self.stage1.average, self.generator, self.settings.ema)
        return {name: float(value.detach()) for name, value in losses.items()}

    def _learning_rate(self) -> float:
        s = self.settings
        done = self.step - s.warm_up
        return s.learning_rate * min(1.0, (done + 1) / _RAMP) * (1 - done / (s.steps - s.warm_up))

    def _targets(self) -> Targets:
        s = self.stage1.settings
        return make_targets(
            self.stage1.model, self.stage1.atlas, s.batch, s.pairs, s.volume_points, self.rng
        )

    def _discriminator_step(self, real: Tensor, fake: Tensor, labels: Tensor) -> dict[str, float]:
        real = self.augment(real).requires_grad_(True)
        real_score = self.discriminator(real, labels)
        fake_score = self.discriminator(self.augment(fake), labels)
        loss = functional.softplus(fake_score).mean() + functional.softplus(-real_score).mean()
        result = {"discriminator": float(loss.detach())}
        if self.step % self.settings.r1_every == 0:
            (gradient,) = torch.autograd.grad(real_score.sum(), real, create_graph=True)
            penalty = gradient.square().sum((1, 2, 3)).mean()
            loss = loss + 0.5 * self.settings.r1_gamma * self.settings.r1_every * penalty
        self.d_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.d_optimizer.step()
        self.augment.update(real_score)
        scores = {"real_score": real_score, "fake_score": fake_score}
        return result | {name: float(value.detach().mean()) for name, value in scores.items()}

    @cached_property
    def _still_pixels(self) -> Tensor:
        """Pixels of the generator in the pool's views, rendered once: it stands still at first."""
        with torch.no_grad():
            parts = torch.arange(len(self.views)).split(16)
            parts = [self.fake_pixels(self.views.select(part).to(self.device)) for part in parts]
        return torch.cat([part.half().cpu() for part in parts])

    def fake_pixels(self, views: Views) -> Tensor:
        """Pixels (B, R R, 3 + 1 + L) of the generated heads in the true ones' views."""
        bands, pixel = views.bands(self.generator.model)
        ws = self.generator.mapping(views.z)
        state = ExpressionState.from_weights(views.expression)
        with torch.autocast(self.device.type, torch.bfloat16):
            rows = render_bands(self.generator, ws, state, bands)
        rows = rows * views.hit.gather(1, pixel)[..., None]
        pixels = rows.new_zeros(views.pixels.shape)
        return pixels.scatter(1, pixel[..., None].expand_as(rows), rows)

    def as_images(self, pixels: Tensor) -> Tensor:
        """Pixels (B, R R, 3 + 1 + L) to colours and coloured labels (B, 6, R, R) in [-1, 1]."""
        color, weight, labels = pixels.split([3, 1, len(LABELS)], -1)
        labels = labels @ self.label_colors
        labels = labels + _LABEL_NOISE * torch.randn_like(labels)
        images = torch.cat([color * 2 - weight, labels], -1).transpose(1, 2)
        return images.unflatten(2, (self.views.size, self.views.size))


def train(
    settings: AdversarialSettings, weights: Path, device: str, output: Path, pool: Path
) -> None:
    """Refine `weights`; writes log.jsonl, generator.safetensors and sheets into `output`.

    True images that `pool` lacks are made first.
    """
    records = RunLog(output)
    fill_pool(pool, settings.heads, settings.size, settings.seed)
    views = load_views(pool, settings.heads, settings.size)
    trainer = AdversarialTrainer(settings, weights, views, device)
    write_sheet(trainer.generator, output / "sheets" / f"{0:07d}.png")
    while trainer.step < settings.steps:
        records.add(trainer.run_step())
        last = trainer.step == settings.steps
        if trainer.step % _LOG_EVERY == 0 or last:
            records.write_means(trainer.step)
        if trainer.step % _SAVE_EVERY == 0 or last:
            generator = export(trainer.stage1, output / "generator.safetensors")
            if trainer.step % _SHEET_EVERY == 0 or last:
                write_sheet(generator, output / "sheets" / f"{trainer.step:07d}.png")


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
    parser.add_argument("--pool", type=Path, default=Path("runs/views"), help="true images")
    args = vars(parser.parse_args())
    weights, device, output, pool = (
        args.pop(key) for key in ("weights", "device", "output", "pool")
    )
    threads = args.pop("threads")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if threads:
        torch.set_num_threads(threads)
    train(AdversarialSettings(**args), weights, device, output, pool)


if __name__ == "__main__":
    main()
