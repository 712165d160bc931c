"""What trained denoiser weights are worth, asked for attributes: `python -m benchmarks.denoiser`.

Everything is measured on the sampled latents through the generator's read-out, on heads that the
training never draws.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from torch import Tensor

from avatarmmc_blender.backend.conditions.conditions import Conditions
from avatarmmc_blender.backend.conditions.measure import measure_attributes
from avatarmmc_blender.backend.conditions.table import ATTRIBUTES
from avatarmmc_blender.backend.diffusion.edit_walk import edit_latents
from avatarmmc_blender.backend.diffusion.editing import make_edit
from avatarmmc_blender.backend.diffusion.guidance import PLAIN, Guidance
from avatarmmc_blender.backend.diffusion.model import LatentDiffusion
from avatarmmc_blender.backend.diffusion.sample import SampleSettings, sample
from avatarmmc_blender.backend.diffusion.samplers import (
    ddim,
    dpm_solver_2m,
    draw_noise,
    time_grid,
)
from avatarmmc_blender.backend.diffusion.weights import load_diffusion
from avatarmmc_blender.backend.generator.generator import Generator
from avatarmmc_blender.backend.generator.weights import BUNDLED_WEIGHTS, load_bundled
from avatarmmc_blender.backend.training.latents import sample_training_latents

_HELD_OUT = 77_000_000


def measured(generator: Generator, ws: Tensor) -> Conditions:
    """All attributes of heads ws (B, R, W)."""
    read = generator.readout(ws)
    return Conditions(*measure_attributes(read.betas, read.values, generator.model))


def held_out(generator: Generator, heads: int) -> tuple[Tensor, Conditions]:
    """Style rows of heads of their own, and what is measured on them."""
    z = sample_training_latents(heads, torch.Generator().manual_seed(_HELD_OUT))
    ws = generator.mapping(z)
    return ws, measured(generator, ws)


def keep_some(asked: Conditions, count: int) -> Conditions:
    """Leave `count` random attributes of each head."""
    rng = torch.Generator().manual_seed(3)
    score = torch.rand(asked.attributes.shape, generator=rng) * asked.attributes_given
    kept = score >= score.topk(count, 1).values[:, -1:]
    return Conditions(asked.attributes, asked.attributes_given & kept)


def agreement(asked: Conditions, found: Conditions) -> dict[str, float]:
    """Correlation of each number, share of equal choices, over heads where both show."""
    result = {}
    for i, attribute in enumerate(ATTRIBUTES):
        both = asked.attributes_given[:, i] & found.attributes_given[:, i]
        a, b = asked.attributes[both, i], found.attributes[both, i]
        if attribute.choices and len(a):
            result[attribute.name] = float((a == b).float().mean())
        elif not attribute.choices and len(a) > 8 and a.std() > 0 and b.std() > 0:
            result[attribute.name] = float(torch.corrcoef(torch.stack([a, b]))[0, 1])
    return result


def summary(result: dict[str, float]) -> dict[str, float]:
    """Means over numbers and over choices."""
    names = {a.name: bool(a.choices) for a in ATTRIBUTES}
    parts = {"correlation": False, "choices": True}
    found = {}
    for title, is_choice in parts.items():
        values = [value for name, value in result.items() if names[name] == is_choice]
        if values:
            found[title] = round(sum(values) / len(values), 4)
    return found


def report(**row: object) -> None:
    """One line of results."""
    print(json.dumps(row), flush=True)


def attributes(model: LatentDiffusion, generator: Generator, heads: int) -> None:
    """Asked for all attributes and for five, under several guidance scales."""
    _, everything = held_out(generator, heads)
    for count, asked in (("all", everything), (5, keep_some(everything, 5))):
        for scale in (1.0, 1.5, 2.5, 4.0):
            guidance = Guidance(attributes=scale)
            found = sample(model, asked, SampleSettings(guidance=guidance))
            result = agreement(asked, measured(generator, found.ws))
            report(asked=count, guidance=scale, **summary(result))
            if count == "all" and scale == 1.0:
                report(**{name: round(value, 3) for name, value in result.items()})


def diversity(model: LatentDiffusion, generator: Generator, heads: int = 12) -> None:
    """How far eight variants of one condition set differ, by heads that differ anyhow."""
    ws, everything = held_out(generator, heads)
    apart = generator.readout(ws).betas.std(0).mean()
    for count in (0, 5, 30):
        asked = keep_some(everything, count) if count else Conditions.none(heads)
        found = sample(model, asked, SampleSettings(variants=8, guidance=PLAIN))
        betas = generator.readout(found.ws).betas.unflatten(0, (heads, 8))
        report(asked=count, shape_diversity=round(float(betas.std(1).mean() / apart), 3))


def samplers(model: LatentDiffusion, generator: Generator, heads: int) -> None:
    """DPM-Solver++(2M) with few steps and DDIM with many, against DDIM with very many."""
    _, asked = held_out(generator, heads)
    asked = keep_some(asked, 8)
    context = model.context(asked)
    noise = draw_noise(heads, model.space.shape, 0)

    def predict(x: Tensor, t: Tensor) -> Tensor:
        return model(x, t, context)

    exact = ddim(predict, noise, time_grid(500))
    for walk, steps in (
        (ddim, 20),
        (ddim, 100),
        (dpm_solver_2m, 10),
        (dpm_solver_2m, 20),
        (dpm_solver_2m, 50),
    ):
        x = walk(predict, noise, time_grid(steps))
        error = float((x - exact).square().mean().sqrt())
        result = summary(agreement(asked, measured(generator, model.space.decode(x))))
        report(sampler=walk.__name__, steps=steps, error=round(error, 4), **result)


def editing(model: LatentDiffusion, generator: Generator, heads: int) -> None:
    """Hair colour of known heads: how far the edit goes and what else changes, by strength."""
    ws, source = held_out(generator, heads)
    known, noise = model.space.encode(ws), draw_noise(heads, model.space.shape, 9)
    wanted = {"hair_lightness": 0.9, "hair_grey": 0.0, "hair_red": 0.0}
    edit = make_edit(source, attributes=wanted)
    before = generator.readout(ws).betas
    for strength in (0.2, 0.4, 0.6, 0.8, 1.0):
        for lock in (False, True):
            x = edit_latents(model, edit, known, noise, strength, 20, PLAIN, lock)
            after = model.space.decode(x)
            found = measured(generator, after)
            column = [a.name for a in ATTRIBUTES].index("hair_lightness")
            shown = found.attributes_given[:, column]
            light = found.attributes[shown, column].mean()
            moved = (generator.readout(after).betas - before).square().mean().sqrt()
            report(
                strength=strength,
                identity_lock=lock,
                hair_lightness=round(float(light), 3),
                shape_change=round(float(moved / before.std()), 3),
            )


def speed(model: LatentDiffusion) -> None:
    """Milliseconds of one evaluation, for one head and for one head's four branches."""
    for batch in (1, 4):
        context = model.context(Conditions.none(batch))
        x, t = torch.randn(batch, *model.space.shape), torch.full((batch,), 0.5)
        times = []
        for _ in range(30):
            begun = time.perf_counter()
            model(x, t, context)
            times.append(time.perf_counter() - begun)
        report(batch=batch, milliseconds=round(1000 * sorted(times)[len(times) // 2], 1))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--generator", type=Path, default=BUNDLED_WEIGHTS)
    parser.add_argument("--heads", type=int, default=200)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    generator, model = load_bundled(path=args.generator), load_diffusion(args.weights)
    with torch.inference_mode():
        attributes(model, generator, args.heads)
        diversity(model, generator)
        samplers(model, generator, args.heads)
        editing(model, generator, args.heads)
        speed(model)


if __name__ == "__main__":
    main()
