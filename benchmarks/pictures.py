"""The pictures of the documentation, rendered from exported and re-imported GLB files.

    python -m benchmarks.pictures [heads] [expressions] [attributes] [truth]

heads: 12 consecutive seeds, front and three-quarter; expressions: six of them; attributes: each
attribute from low to high on one head; truth: synthetic heads that the generator never saw beside
what it makes of their latents, traced by one renderer.  Heads are kept in out/pictures and made
anew only when the weights change.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from avatarmmc_blender.backend.conditions.table import ATTRIBUTES, Attribute
from avatarmmc_blender.backend.generator.weights import load_bundled
from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS as ARKIT_NAMES
from avatarmmc_blender.backend.synthetic.latent import sample_latents
from avatarmmc_blender.expressions import preset_weights
from avatarmmc_blender.preview import View
from avatarmmc_blender.settings import GenerateSettings

from .contact_sheet import contact_sheet
from .head_files import CACHE, FRONT, THREE_QUARTER, head_file, render_file
from .traced_heads import render_both

logger = logging.getLogger(__name__)

PICTURES = Path("docs") / "pictures"
SEEDS = range(1, 13)
EXPRESSION_SEEDS = SEEDS[:6]
EXPRESSIONS = {
    "neutral": {},
    "smile": preset_weights("smile"),
    "jaw open": {"jawOpen": 1.0},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "look left": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
}
ATTRIBUTE_SEED = 4
# Strips show about 140 small heads, so each is made and drawn with less.
ATTRIBUTE_SETTINGS = GenerateSettings(seed=ATTRIBUTE_SEED, resolution=144, texture=256)
ATTRIBUTE_SIZE, ATTRIBUTE_SAMPLES = (208, 260), 8
TRUTH_SEED = 910_000  # no training run draws from this seed
TRUTH_YAWS = (0.0, 0.6, -0.6, 0.3, 0.9, -0.3)
TRUTH_SIZE = 320
# What hides an attribute on the head of the strips is taken away for its own strip.
COMPANIONS = {
    "beard_length": {"beard": "full"},
    "beard": {"masculinity": 0.8},
    "sideburns": {"masculinity": 0.8, "hair_style": "crop"},
    "hair_curl": {"hair_style": "long wavy"},
    "hair_length": {"hair_style": "long"},
    "parting": {"hair_style": "side part"},
}


def draw_heads() -> None:
    """Write heads.jpg: every seed from the front and from the side."""
    pictures, captions = [], []
    for seed in SEEDS:
        for name, view in (("front", FRONT), ("side", THREE_QUARTER)):
            pictures.append(_shot(GenerateSettings(seed=seed), f"seed-{seed}-{name}", view))
            captions.append(f"seed {seed}" if name == "front" else "")
    contact_sheet(pictures, 6, PICTURES / "heads.jpg", captions, cell_height=300)


def draw_expressions() -> None:
    """Write expressions.jpg: a row of expressions for each of six heads."""
    pictures = [
        _shot(GenerateSettings(seed=seed), f"seed-{seed}-{name}", FRONT, weights)
        for seed in EXPRESSION_SEEDS
        for name, weights in EXPRESSIONS.items()
    ]
    captions = list(EXPRESSIONS) * len(EXPRESSION_SEEDS)
    contact_sheet(pictures, len(EXPRESSIONS), PICTURES / "expressions.jpg", captions, 300)


def draw_attributes() -> None:
    """Write one strip from low to high for every attribute, gathered by group."""
    for group in dict.fromkeys(attribute.group for attribute in ATTRIBUTES):
        sliders = [a for a in ATTRIBUTES if a.group == group and not a.choices]
        shots = [_attribute_shot(a, value) for a in sliders for value in _three_values(a)]
        captions = [f"{a.name} {value:g}" for a in sliders for value in _three_values(a)]
        name = f"attributes_{group.lower()}.jpg"
        if shots:
            contact_sheet(shots, 6, PICTURES / name, captions, cell_height=240)
    for attribute in ATTRIBUTES:
        if attribute.choices:
            shots = [_attribute_shot(attribute, choice) for choice in attribute.choices]
            name = f"attribute_{attribute.name}.jpg"
            contact_sheet(shots, min(7, len(shots)), PICTURES / name, attribute.choices, 240)


def draw_truth() -> None:
    """Write truth.jpg: six unseen synthetic heads, each with the generator's beside it."""
    generator = load_bundled()
    latents = sample_latents(len(TRUTH_YAWS), TRUTH_SEED)
    neutral = torch.zeros(1, len(ARKIT_NAMES))
    pictures, captions = [], []
    for index, yaw in enumerate(TRUTH_YAWS):
        logger.info("tracing head %d", index)
        both = render_both(generator, latents[index : index + 1], neutral, yaw, TRUTH_SIZE)
        for name, images in zip(("truth", "generator"), both, strict=True):
            path = CACHE / f"truth-{index}-{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((255 * images.rgb[0]).round().byte().numpy()).save(path)
            pictures.append(path)
            captions.append(name)
    contact_sheet(pictures, 4, PICTURES / "truth.jpg", captions)


def _three_values(attribute: Attribute) -> tuple[float, float, float]:
    low, high = attribute.minimum, attribute.maximum
    return low, (low + high) / 2.0, high


def _attribute_shot(attribute: Attribute, value: float | str) -> Path:
    attributes = {**COMPANIONS.get(attribute.name, {}), attribute.name: value}
    settings = replace(ATTRIBUTE_SETTINGS, attributes=attributes)
    glb = head_file(settings)
    path = CACHE / glb.stem / f"{attribute.name}-{value}.png".replace(" ", "_")
    if not path.exists():
        logger.info("rendering %s %s", attribute.name, value)
        render_file(glb, [(View(azimuth=20.0), path)], None, ATTRIBUTE_SIZE, ATTRIBUTE_SAMPLES)
    return path


def _shot(
    settings: GenerateSettings, name: str, view: View, expression: dict[str, float] | None = None
) -> Path:
    """Return the picture of a head, rendered unless one of this very file is there."""
    glb = head_file(settings)
    path = CACHE / glb.stem / f"{name.replace(' ', '_')}.png"
    if not path.exists():
        logger.info("rendering %s", name)
        render_file(glb, [(view, path)], expression)
    return path


SHEETS = {
    "heads": draw_heads,
    "expressions": draw_expressions,
    "attributes": draw_attributes,
    "truth": draw_truth,
}


def main() -> None:
    """Draw the sheets named on the command line, or all of them."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sheets", nargs="*", metavar="sheet", help=", ".join(SHEETS))
    wanted = parser.parse_args().sheets or list(SHEETS)
    for name in wanted:
        if name not in SHEETS:
            parser.error(f"{name} is no sheet; choose from {', '.join(SHEETS)}")
        SHEETS[name]()


if __name__ == "__main__":
    main()
