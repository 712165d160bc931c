"""StyleSpace against W for the bundled generator: `python -m benchmarks.latent_space`.

Trains the same small denoiser on both, attributes only, with equal steps, batches, seeds and very
nearly equal parameters, and prints what each is worth in the generator's own outputs.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from avatarmmc_blender.backend.conditions.conditions import Conditions
from avatarmmc_blender.backend.conditions.measure import measure_attributes
from avatarmmc_blender.backend.conditions.table import ATTRIBUTES
from avatarmmc_blender.backend.diffusion.denoiser import DenoiserConfig
from avatarmmc_blender.backend.diffusion.guidance import PLAIN, guided
from avatarmmc_blender.backend.diffusion.model import LatentDiffusion
from avatarmmc_blender.backend.diffusion.samplers import dpm_solver_2m, draw_noise, time_grid
from avatarmmc_blender.backend.diffusion.schedule import diffuse, split_velocity
from avatarmmc_blender.backend.generator.generator import Generator
from avatarmmc_blender.backend.generator.guide import Guide
from avatarmmc_blender.backend.generator.volume_features import HAIR_BOX
from avatarmmc_blender.backend.generator.weights import BUNDLED_WEIGHTS, load_bundled
from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.backend.latent.style_space import StyleLayer, StyleSpace, style_layers
from avatarmmc_blender.backend.latent.w_space import WSpace
from avatarmmc_blender.backend.synthetic.face import ExpressionState
from avatarmmc_blender.backend.training.dropout import Dropout
from avatarmmc_blender.backend.training.latent_pairs import fit_space
from avatarmmc_blender.backend.training.latents import sample_training_latents
from avatarmmc_blender.backend.training.surface_atlas import build_atlas

TIMES = (0.2, 0.4, 0.6, 0.8)
NUM_POINTS = 1500
CONTEXT_WIDTH = 64
# A head is sane when it is within this of the head that its own read-out values stand for, and
# when nearly all of those values are such as true heads have.
SANE_OFFSET, SANE_COLOR = 1.0, 0.05  # mm, sRGB
SANE_VALUES, SANE_MARGIN = 0.97, 0.1  # share of the values, share of their range
STATISTICS = 4000


class Outputs(nn.Module):
    """What a latent makes: guide mesh, offset and colour of the skin, hanging hair."""

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator
        atlas = build_atlas(generator.model, NUM_POINTS)
        self.guide = Guide(
            atlas.canonical[None, :, 0],
            torch.zeros(1, NUM_POINTS),
            atlas.ao[None, :, 0],
            atlas.tongue[None, :, 0],
        )
        self.detail = atlas.detail[None, :, 0]
        low, high = torch.tensor(HAIR_BOX)
        rng = torch.Generator().manual_seed(1)
        self.q = low + (high - low) * torch.rand(1, NUM_POINTS, 3, generator=rng)
        self.state = ExpressionState.from_weights(torch.zeros(1, len(EXPRESSIONS)))

    def forward(self, ws: Tensor) -> dict[str, Tensor]:
        """One head: vertices (mm), offset (mm), colour, hanging hair (mm)."""
        g = self.generator
        read, planes = g.readout(ws), g.synthesis(ws)
        surface = g.surface_branch(ws, planes, read, self.guide, self.state, self.detail)
        volume, _ = g.volume_branch(ws, planes, read, self.q)
        hanging = bool(g.has_hanging_hair(read))
        vertices, _ = g.model.forward(read.betas, torch.zeros(1, len(EXPRESSIONS)))
        return {
            "vertices": 1000 * vertices,
            "offset": 1000 * surface.offset,
            "color": surface.color,
            "hanging": 1000 * volume if hanging else torch.full_like(volume, 50.0),
        }


@dataclass
class WCandidate:
    """W: one style row, whitened and turned."""

    generator: Generator
    outputs: Outputs

    def __post_init__(self) -> None:
        self.space: WSpace = fit_space(self.generator)

    def encode(self, ws: Tensor) -> Tensor:
        return self.space.encode(ws)

    def row(self, x: Tensor) -> Tensor:
        """The row that the read-out reads, as ws (B, 1, 256)."""
        return self.space.decode(x)[:, -1:]

    def head(self, x: Tensor) -> dict[str, Tensor]:
        return self.outputs(self.space.decode(x))


@dataclass
class StyleCandidate:
    """StyleSpace: every style layer's output, and the row that the read-out reads."""

    generator: Generator
    outputs: Outputs

    def __post_init__(self) -> None:
        g = self.generator
        layers = style_layers(g.backbone, "generator.backbone.", 0)
        row = g.backbone.num_ws
        for name, decoder in (("surface", g.surface), ("volume", g.volume)):
            parts = [f"layers.{i}" for i in range(len(decoder.layers))] + ["out"]
            for part in parts:
                for kind in ("scale", "shift"):
                    width = getattr(decoder.get_submodule(part), kind).out_features
                    layers.append(StyleLayer(f"generator.{name}.{part}.{kind}", row, width))
                row += 1
        self.layers = StyleSpace(layers)
        w_dim = g.config.w_dim
        self.space = StyleSpace([*layers, StyleLayer("read-out", row, w_dim)])
        rng = torch.Generator().manual_seed(0)
        ws = g.mapping(sample_training_latents(STATISTICS, rng))
        self.space.fit(self.space.pack(self._styles(ws)))

    def _styles(self, ws: Tensor) -> list[Tensor]:
        return [*self.layers.styles(self.outputs, ws), ws[:, -1]]

    def encode(self, ws: Tensor) -> Tensor:
        return self.space.encode(self._styles(ws))

    def row(self, x: Tensor) -> Tensor:
        return self.space.decode(x)[-1][:, None]

    def head(self, x: Tensor) -> dict[str, Tensor]:
        *styles, row = self.space.decode(x)
        ws = row[:, None].expand(-1, self.generator.num_ws, -1)
        return self.layers.call(self.outputs, "forward", styles, ws)


CANDIDATES = {"W": WCandidate, "StyleSpace": StyleCandidate}


def draw(candidate, count: int, rng: torch.Generator) -> tuple[Tensor, Conditions]:
    """Clean latents and all that is measured on them."""
    ws = candidate.generator.mapping(sample_training_latents(count, rng))
    read = candidate.generator.readout(ws)
    measured = measure_attributes(read.betas, read.values, candidate.generator.model)
    return candidate.encode(ws), Conditions(*measured)


def make_model(candidate, parameters: int) -> LatentDiffusion:
    """The denoiser of a space whose width brings it nearest to a number of parameters."""
    rows, row_width = candidate.space.shape
    found = []
    for width in range(16, 136, 8):
        config = DenoiserConfig(rows, row_width, width, context_width=CONTEXT_WIDTH)
        torch.manual_seed(0)
        model = LatentDiffusion(candidate.space, config)
        found.append((abs(count_parameters(model) - parameters), width, model))
    return min(found, key=lambda entry: entry[:2])[2]


def count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def train(
    candidate, model: LatentDiffusion, steps: int, batch: int, rate: float
) -> LatentDiffusion:
    """Train a denoiser; the same seed draws the same heads, noise and times for all spaces."""
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.05)
    for step in range(steps):
        rng = torch.Generator().manual_seed(step)
        with torch.no_grad():
            clean, conditions = draw(candidate, batch, rng)
        conditions = Dropout.draw(batch, rng).apply(conditions)
        t = (torch.randperm(batch, generator=rng) + torch.rand(batch, generator=rng)) / batch
        noise = torch.randn(clean.shape, generator=rng)
        loss = model.loss(clean, noise, t, model.context(conditions)).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()


def rms(a: Tensor, b: Tensor) -> float:
    return float((a - b).square().mean().sqrt())


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


@torch.no_grad()
def denoising_errors(candidate, model: LatentDiffusion, heads: int) -> dict[str, float]:
    """Root mean square errors of outputs of heads denoised in one step, mean over TIMES."""
    clean, conditions = draw(candidate, heads, torch.Generator().manual_seed(10**6))
    context = model.context(conditions)
    rng = torch.Generator().manual_seed(7)
    rows = []
    for time_ in TIMES:
        t = torch.full((heads,), time_)
        x = diffuse(clean, torch.randn(clean.shape, generator=rng), t)
        found, _ = split_velocity(x, model(x, t, context), t)
        for i in range(heads):
            truth, made = candidate.head(clean[i : i + 1]), candidate.head(found[i : i + 1])
            rows.append({name: rms(truth[name], made[name]) for name in truth})
    return mean_of(rows)


@torch.no_grad()
def sample_quality(candidate, model: LatentDiffusion, heads: int, sane: int) -> dict[str, float]:
    """Attributes of samples against what was asked, and the share of sane heads."""
    clean, asked = draw(candidate, heads, torch.Generator().manual_seed(2 * 10**6))
    noise = draw_noise(heads, candidate.space.shape, seed=5)
    x = dpm_solver_2m(guided(model, asked, PLAIN), noise, time_grid(20))
    read = candidate.generator.readout(candidate.row(x))
    made, seen = measure_attributes(read.betas, read.values, candidate.generator.model)
    numbers, choices = [], []
    for i, attribute in enumerate(ATTRIBUTES):
        both = seen[:, i] & asked.attributes_given[:, i]
        a, b = made[both, i], asked.attributes[both, i]
        if attribute.choices:
            choices.append(float((a == b).float().mean()))
        elif len(a) > 10 and a.std() > 0:
            numbers.append(float(torch.corrcoef(torch.stack([a, b]))[0, 1]))
    plausible = plausible_share(candidate.generator, read.values)
    consistent = [is_consistent(candidate, x[i : i + 1]) for i in range(sane)]
    good = [consistent[i] and bool(plausible[i] >= SANE_VALUES) for i in range(sane)]
    return {
        "correlation": sum(numbers) / len(numbers),
        "choices": sum(choices) / len(choices),
        "plausible": float(plausible.mean()),
        "consistent": sum(consistent) / len(consistent),
        "sane": sum(good) / len(good),
    }


def plausible_share(generator: Generator, values: Tensor) -> Tensor:
    """Share (B,) of a head's derived values (B, K) that lie in the range of true heads."""
    z = sample_training_latents(STATISTICS, torch.Generator().manual_seed(3))
    true = generator.readout(generator.mapping(z)).values
    low, high = true.amin(0), true.amax(0)
    margin = SANE_MARGIN * (high - low)
    inside = (values > low - margin) & (values < high + margin)
    return inside.float().mean(1)


def is_consistent(candidate, x: Tensor) -> bool:
    """Whether the field of a latent is that of the head which its own read-out describes."""
    g = candidate.generator
    read = g.readout(candidate.row(x))
    described = g.first_stage(torch.cat([read.values, 0.7 * read.betas], 1))
    made, meant = candidate.head(x), candidate.outputs(described)
    offset, color = rms(made["offset"], meant["offset"]), rms(made["color"], meant["color"])
    return offset < SANE_OFFSET and color < SANE_COLOR


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generator", type=Path, default=BUNDLED_WEIGHTS)
    parser.add_argument("--space", choices=CANDIDATES, nargs="+", default=list(CANDIDATES))
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--parameters", type=int, default=1_500_000)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    generator = load_bundled(path=args.generator)
    outputs = Outputs(generator)
    for name in args.space:
        candidate = CANDIDATES[name](generator, outputs)
        begun = time.process_time()
        model = make_model(candidate, args.parameters)
        model = train(candidate, model, args.steps, args.batch, args.rate)
        row = {
            "space": name,
            "rows": list(candidate.space.shape),
            "width": model.config.width,
            "parameters": count_parameters(model),
            "steps": args.steps,
            "rate": args.rate,
            "seconds": round(time.process_time() - begun),  # of the processor
        }
        row |= denoising_errors(candidate, model, heads=16)
        row |= sample_quality(candidate, model, heads=256, sane=48)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
