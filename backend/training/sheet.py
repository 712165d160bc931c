"""Sample sheets: what the generator makes of a few fixed latents, drawn while it trains."""

from pathlib import Path

import torch
from PIL import Image

from ..generator.cameras import portrait_camera
from ..generator.generator import Generator
from ..generator.images import render_images
from ..head_model.arkit import EXPRESSIONS
from ..synthetic.latent import sample_latents

SHEET_SEED = 700_000
_YAW = 0.4
_BACKGROUND = 0.55


@torch.no_grad()
def write_sheet(generator: Generator, path: Path, heads: int = 6, size: int = 96) -> None:
    """Write a PNG: colour above and labels below of `heads` fixed latents, side by side."""
    device = generator.model.device
    ws = generator.mapping(sample_latents(heads, SHEET_SEED).to(device))
    expression = torch.zeros(heads, len(EXPRESSIONS), device=device)
    cam2world, intrinsics = portrait_camera(torch.full((heads,), _YAW, device=device))
    intrinsics = intrinsics.expand(heads, 3, 3)
    images = render_images(generator, ws, expression, cam2world, intrinsics, size)
    colors = images.color + (1 - images.weight) * _BACKGROUND
    classes = images.labels.argmax(1, keepdim=True) / images.labels.shape[1] * images.weight
    rows = [colors, classes.expand_as(colors)]
    sheet = torch.cat([torch.cat(list(row), 2) for row in rows], 1)
    pixels = (sheet.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
