"""Which attributes the heads of the attribute benchmark get: all at random, all at once.

Some attributes show only together with others (lipstick on feminine faces, a beard's length on a
beard, red on hair that is neither dark nor grey). Each seed therefore has a plan of what its heads
have in common; everything else is drawn anew for each of its heads.
"""

from __future__ import annotations

import numpy as np

from avatarmmc_blender.backend.conditions.table import ATTRIBUTES, BEARDS, HAIR_STYLES

FEMININE, ANY, MASCULINE = (-1.0, -0.35), (-1.0, 1.0), (0.55, 1.0)
STYLE_RANGES = {
    "bald": MASCULINE, "buzz": MASCULINE, "crop": MASCULINE, "side part": MASCULINE,
    "swept back": MASCULINE, "curly": ANY, "afro": ANY, "bob": FEMININE, "long": FEMININE,
    "long wavy": FEMININE, "ponytail": FEMININE, "bun": FEMININE, "receding": MASCULINE,
    "horseshoe": MASCULINE,
}  # fmt: skip
# Every second style, so that neighbours in the list differ in range.
STYLE_ORDER = HAIR_STYLES[::2] + HAIR_STYLES[1::2]
ANCESTRIES = ("ancestry_african", "ancestry_asian", "ancestry_european")
PARTINGS = (-1.0, -0.5, 0.5, 1.0)
EARRINGS = (0.0, 0.25, 0.75, 1.0)
GLASSES = ("none", "round", "none", "square")
HAIR_COLORS = ("lightness", "red", "grey")

Values = dict[str, float | str]


def draw(seed_index: int, head_index: int, rng: np.random.Generator) -> Values:
    """Return the attribute values of one head of one seed; both indices count from 0."""
    values: Values = {
        attribute.name: float(rng.uniform(attribute.minimum, attribute.maximum))
        for attribute in ATTRIBUTES
        if not attribute.choices
    }
    style = STYLE_ORDER[seed_index % len(STYLE_ORDER)]
    values["hair_style"] = style
    values["masculinity"] = float(rng.uniform(*STYLE_RANGES[style]))
    values["parting"] = PARTINGS[(head_index + seed_index) % len(PARTINGS)]
    values["earrings"] = EARRINGS[rng.integers(len(EARRINGS))]
    values["glasses"] = GLASSES[(head_index + seed_index) % len(GLASSES)]
    _one_ancestry(values, seed_index)
    _hair_color(values, seed_index)
    _beard(values, seed_index, head_index)
    if seed_index % 2 == 0:  # freckles show on light skin
        values["skin_tone"] = float(rng.uniform(-1.0, -0.25))
    return values


def _one_ancestry(values: Values, seed_index: int) -> None:
    """Keep one ancestry amount a seed: two full ones contradict each other."""
    kept = ANCESTRIES[seed_index // 2 % len(ANCESTRIES)]
    for name in ANCESTRIES:
        if name != kept:
            del values[name]


def _hair_color(values: Values, seed_index: int) -> None:
    plan = HAIR_COLORS[seed_index % len(HAIR_COLORS)]
    if plan != "red":
        values["hair_red"] = 0.0
    if plan != "grey":
        values["hair_grey"] = 0.0
    if plan == "red":
        values["hair_lightness"] = 0.05
        values["skin_tone"] = -0.5 + 0.5 * values["skin_tone"]
    if plan == "grey":
        values["hair_lightness"] *= 0.3
        values["age"] = 0.5 * values["age"] - 0.5  # age greys hair by itself


def _beard(values: Values, seed_index: int, head_index: int) -> None:
    """Full beards on every second masculine seed, one form after the other on the rest."""
    if STYLE_RANGES[values["hair_style"]] is not MASCULINE:
        values["beard"] = "none"
    elif (seed_index // len(STYLE_ORDER) + seed_index) % 2 == 0:
        values["beard"] = "full"
    else:
        values["beard"] = BEARDS[(head_index + seed_index) % len(BEARDS)]
