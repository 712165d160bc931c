"""Whether stage 2 of training made the generator better: two weights files side by side.

    python -m benchmarks.refinement --before A.safetensors --after B.safetensors --picture FILE.png

Numbers are those of `field_accuracy`, and colour and sharpness of windows of the rendered image;
the picture shows truth, before and after from the same cameras.  No training run draws these heads.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from avatarmmc_blender.backend.generator.cameras import intrinsics_from_angle, orbit_camera
from avatarmmc_blender.backend.generator.generator import Generator
from avatarmmc_blender.backend.generator.images import render_bands
from avatarmmc_blender.backend.generator.weights import load_generator
from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.backend.head_model.model import load_bundled
from avatarmmc_blender.backend.synthetic.face import ExpressionState
from avatarmmc_blender.backend.synthetic.head import SyntheticHeads
from avatarmmc_blender.backend.synthetic.images import render
from avatarmmc_blender.backend.training.image_pool import Views, fill_pool, load_views
from avatarmmc_blender.backend.training.latents import sample_training_latents

from .field_accuracy import HELD_OUT_SEED, measure
from .traced_heads import DISTANCE, FIELD_OF_VIEW, TARGET, TracedHead

_VIEW_HEADS, _VIEW_SIZE = 16, 48
_YAWS = (0.45, -0.3, 0.0)


@dataclass(frozen=True)
class WindowErrors:
    """Over pixels of windows: mean colour error of 255, error of colour differences between
    neighbours likewise, and the share of the true differences' energy that is there."""

    color: float
    edges: float
    sharpness: float


@torch.no_grad()
def window_errors(generator: Generator, pool: Views) -> WindowErrors:
    """Render the same windows with the generator and compare."""
    sums = torch.zeros(4)
    square = (pool.size, pool.size)
    for views in map(pool.select, torch.arange(len(pool)).split(4)):
        bands, pixel = views.bands(generator.model)
        state = ExpressionState.from_weights(views.expression)
        found = render_bands(generator, generator.mapping(views.z), state, bands)[..., :3]
        hit = views.hit.gather(1, pixel)[..., None]
        colors = torch.zeros(len(views), views.depth.shape[1], 3)
        colors.scatter_(1, pixel[..., None].expand_as(found), found * hit)
        made, true = (v.unflatten(1, square) for v in (colors, views.pixels[..., :3].float()))
        seen = views.hit.unflatten(1, square)[..., None]
        inside = seen[:, 1:, 1:] & seen[:, :-1, 1:] & seen[:, 1:, :-1]
        sums[0] += ((made - true)[:, 1:, 1:].abs() * inside).mean() / inside.float().mean()
        made, true = _differences(made), _differences(true)
        sums[1] += ((made - true).abs().mean(1) * inside).mean() / inside.float().mean()
        sums[2] += (made.square().mean(1) * inside).mean()
        sums[3] += (true.square().mean(1) * inside).mean()
    batches = len(torch.arange(len(pool)).split(4))
    return WindowErrors(
        color=255 * float(sums[0]) / batches,
        edges=255 * float(sums[1]) / batches,
        sharpness=float(sums[2] / sums[3]),
    )


def _differences(images: Tensor) -> Tensor:
    """Differences (V, 2, H - 1, W - 1, 3) to the neighbours above and on the left."""
    here = images[:, 1:, 1:]
    return torch.stack([here - images[:, :-1, 1:], here - images[:, 1:, :-1]], 1)


def side_by_side(generators: list[Generator], heads: int, size: int, path: Path) -> None:
    """Write a PNG with a row of truth and all generators for each head."""
    model = generators[0].model
    rng = torch.Generator().manual_seed(HELD_OUT_SEED + 1)
    expression = torch.zeros(1, len(EXPRESSIONS))
    intrinsics = intrinsics_from_angle(FIELD_OF_VIEW)[None]
    rows = []
    for i, z in enumerate(sample_training_latents(heads, rng)):
        yaw = torch.tensor([_YAWS[i % len(_YAWS)]])
        camera = orbit_camera(yaw, torch.zeros(1), DISTANCE, torch.tensor(TARGET))
        shown = [SyntheticHeads(z[None], expression, model)]
        shown += [TracedHead(generator, z[None], expression) for generator in generators]
        pictures = [render(head, camera, intrinsics, size).rgb[0] for head in shown]
        rows.append(torch.cat(pictures, 1))
        Image.fromarray((torch.cat(rows) * 255).round().byte().numpy()).save(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--after", type=Path, nargs="+", required=True)
    parser.add_argument("--heads", type=int, default=20)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--pool", type=Path, default=Path("runs/held_out"), help="true windows")
    parser.add_argument("--picture", type=Path, required=True)
    args = parser.parse_args()
    model = load_bundled()
    generators = [load_generator(path, model) for path in (args.before, *args.after)]
    fill_pool(args.pool, _VIEW_HEADS, _VIEW_SIZE, HELD_OUT_SEED)
    views = load_views(args.pool, _VIEW_HEADS, _VIEW_SIZE)
    for path, generator in zip((args.before, *args.after), generators, strict=True):
        print(path.name, window_errors(generator, views), flush=True)
        print(path.name, measure(generator, args.heads), flush=True)
    if args.pictures:
        side_by_side(generators, args.pictures, args.size, args.picture)


if __name__ == "__main__":
    main()
