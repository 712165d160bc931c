"""Do attributes do what they say?  Set on heads of held-out seeds, measured on finished heads.

    python -m benchmarks.attribute_agreement [--seeds 28] [--variations 4]

Every seed is made several times with all attributes at random (see attribute_design). For each
attribute something is measured on the finished meshes and textures alone, and correlated with the
value that was set. *Agreement* is the correlation on the heads of one seed with the other
attributes that show in the same measure held equal: the partial correlation given the seed and
those attributes. *Plain* is Pearson's correlation over all heads as they are. Choices count by the
share of heads whose choice is recognised from the heads of the other seeds (linear
discriminant).
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from avatarmmc_blender.backend.conditions.attributes import apply_attributes
from avatarmmc_blender.backend.conditions.table import SHAPE_MAP
from avatarmmc_blender.backend.synthetic.latent import sample_latents
from avatarmmc_blender.bundled_pipeline import make_field
from avatarmmc_blender.models import LoadedModel, load_model

from . import hair_measures as hair
from . import paint_measures as paint
from . import shape_measures as shape
from .attribute_design import Values, draw
from .correlation import correlation, partial_correlation, recognised
from .field_accuracy import HELD_OUT_SEED
from .measured_head import MeasuredHead, Ruler, finish_head

logger = logging.getLogger(__name__)

TRUNCATION = 0.9  # the product's default
AIM = 0.85

Measure = Callable[[MeasuredHead, Ruler], float]
Condition = Callable[[Values], bool]
_FACE = tuple(SHAPE_MAP)
_TONES = ("skin_tone", "skin_undertone", "skin_redness")


@dataclass(frozen=True)
class Check:
    """How one attribute is measured: on which heads, and which other attributes also show."""

    name: str
    measure: Measure
    held: Sequence[str] = ()
    where: Condition = lambda values: True


@dataclass(frozen=True)
class Choice:
    """How one choice is recognised: from which features of the finished head."""

    name: str
    features: Callable[[MeasuredHead, Ruler], list[float]]
    where: Condition = lambda values: True


@dataclass(frozen=True)
class Agreement:
    """Result for one attribute; plain is NaN for choices, whose agreement is an accuracy."""

    name: str
    measured: str
    agreement: float
    plain: float
    heads: int


def _feminine(values: Values) -> bool:
    return values["masculinity"] <= -0.35


def _styled(*styles: str) -> Condition:
    return lambda values: values["hair_style"] in styles


def _whole_head(name: str) -> Check:
    """An attribute of the whole head, measured apart from all others."""
    measure = shape.along(SHAPE_MAP[name][0], name.replace("_", " "))
    return Check(name, measure, _FACE, lambda values: name in values)


_VOLUMINOUS = _styled("crop", "side part", "swept back", "curly", "afro")
_LONG = _styled("bob", "long", "long wavy")
_WITH_HAIRLINE = _styled(
    "buzz", "crop", "side part", "swept back", "receding", "ponytail", "bun", "curly"
)

CHECKS: tuple[Check, ...] = (
    *(
        _whole_head(name)
        for name in SHAPE_MAP
        if name in ("masculinity", "age") or name.startswith("ancestry")
    ),
    Check("weight", shape.fullness, _FACE),
    Check("face_length", shape.face_length, _FACE),
    Check("jaw_width", shape.jaw_width, _FACE),
    Check("chin_height", shape.chin_height, _FACE),
    Check("cheekbones", shape.cheekbone_width, _FACE),
    Check("nose_width", shape.nose_width, _FACE),
    Check("nose_length", shape.nose_length, _FACE),
    Check("nose_profile", shape.nose_droop, _FACE),
    Check("mouth_width", shape.mouth_width, _FACE),
    Check("lip_fullness", shape.lip_fullness, _FACE),
    Check("ear_size", shape.ear_size, _FACE),
    Check("skin_tone", paint.darkness, ("freckles",)),
    Check("skin_undertone", paint.warmth, _TONES),
    Check("skin_redness", paint.redness, _TONES),
    Check(
        "freckles",
        paint.freckle_contrast,
        ("skin_tone", "age"),
        lambda values: values["skin_tone"] < -0.2,
    ),
    Check("lipstick", paint.lip_redness, _TONES, _feminine),
    Check("eye_shadow", paint.lid_darkness, ("skin_tone", "eye_size", "masculinity"), _feminine),
    Check("blush", paint.cheek_blush, _TONES, _feminine),
    Check("hair_volume", hair.volume, ("masculinity",), _VOLUMINOUS),
    Check("hair_length", hair.length, ("face_length",), _LONG),
    Check("hairline", hair.hairline, ("hair_volume",), _WITH_HAIRLINE),
    Check("hair_curl", hair.waviness, ("hair_length",), _styled("long", "long wavy")),
    Check("parting", hair.parting, (), _styled("side part")),
    Check(
        "hair_lightness",
        hair.lightness,
        ("skin_tone", "age"),
        lambda v: v["hair_style"] not in ("bald", "buzz") and v["hair_red"] + v["hair_grey"] == 0,
    ),
    Check(
        "hair_red",
        hair.redness,
        ("skin_tone", "age"),
        lambda v: v["hair_style"] != "bald" and v["hair_lightness"] == 0.05,
    ),
    Check(
        "hair_grey",
        hair.greyness,
        ("skin_tone", "hair_lightness"),
        lambda v: v["hair_style"] != "bald" and v["hair_grey"] > 0,
    ),
    Check("beard_length", hair.beard_length, (), lambda values: values["beard"] == "full"),
    Check(
        "sideburns",
        hair.sideburns,
        (),
        lambda v: v["hair_style"] in ("ponytail", "bun", "curly", "afro") and v["beard"] == "none",
    ),
    Check("eye_size", shape.eye_opening, _FACE),
    Check("eye_tilt", shape.eye_tilt, _FACE),
    Check("iris_hue", paint.iris_blueness, ("skin_tone",)),
    Check("brow_thickness", paint.brow_area, ("brow_arch", "brow_slope", "masculinity")),
    Check("brow_arch", paint.brow_arch, ("brow_thickness", "brow_slope", "masculinity")),
    Check("brow_slope", paint.brow_slope, ("brow_thickness", "brow_arch", "masculinity")),
    Check("earrings", hair.has_earrings, (), _feminine),
)
CHOICES: tuple[Choice, ...] = (
    Choice("hair_style", hair.style_features),
    Choice("beard", hair.beard_features, lambda values: values["masculinity"] >= 0.55),
    Choice("glasses", hair.glasses_features),
)


@dataclass(frozen=True)
class _Record:
    seed: int
    values: Values
    measured: dict[str, float | list[float]]


def measure(
    model: LoadedModel, seeds: int = 28, variations: int = 4, make_one=None
) -> list[Agreement]:
    """Return the agreement of every attribute over seeds x variations finished heads.

    make_one(latent (104,)) returns the field of a head; by default the generator's.
    """
    ruler = Ruler(model)
    records = []
    make_one = make_one or (lambda latent: make_field(latent, model, "cpu"))
    for seed in range(seeds):
        z = sample_latents(1, HELD_OUT_SEED + seed, TRUNCATION)[0]
        for variation in range(variations):
            rng = np.random.default_rng((HELD_OUT_SEED, seed, variation))
            values = draw(seed, variation, rng)
            latent = apply_attributes(z, values, model.generator.model)
            try:
                with torch.inference_mode():
                    head = finish_head(make_one(latent.numpy()), ruler)
            except ValueError as error:
                logger.warning("seed %d gives no head: %s", HELD_OUT_SEED + seed, error)
                continue
            records.append(_Record(seed, values, _measured(head, ruler)))
    checked = [_agreement(check, records) for check in CHECKS]
    return checked + [_accuracy(choice, records) for choice in CHOICES]


def _measured(head: MeasuredHead, ruler: Ruler) -> dict[str, float | list[float]]:
    found = {check.name: check.measure(head, ruler) for check in CHECKS}
    return found | {choice.name: choice.features(head, ruler) for choice in CHOICES}


def _agreement(check: Check, records: Sequence[_Record]) -> Agreement:
    """Correlate set and measured values where the check holds."""
    used = [r for r in records if check.where(r.values) and np.isfinite(r.measured[check.name])]
    value = np.array([record.values[check.name] for record in used])
    found = np.array([record.measured[check.name] for record in used])
    held = [name for name in check.held if name != check.name]
    others = np.array([[record.values.get(name, 0.0) for name in held] for record in used])
    others = others.reshape(len(used), len(held))
    seed = np.array([record.seed for record in used])
    description = (check.measure.__doc__ or check.measure.__name__).split(".")[0]
    return Agreement(
        check.name,
        description,
        partial_correlation(value, found, others, seed),
        correlation(value, found),
        len(used),
    )


def _accuracy(choice: Choice, records: Sequence[_Record]) -> Agreement:
    """Share of heads whose choice the nearest centroid of other seeds' heads tells."""
    used = [record for record in records if choice.where(record.values)]
    right = recognised(
        np.array([record.measured[choice.name] for record in used]),
        np.array([record.values[choice.name] for record in used]),
        np.array([record.seed for record in used]),
    )
    share = float(right.mean()) if len(right) else float("nan")
    description = "recognised from the finished head"
    return Agreement(choice.name, description, share, float("nan"), len(right))


def table(agreements: Sequence[Agreement]) -> str:
    """Return the results as a Markdown table."""
    rows = [
        "| attribute | measured | heads | agreement | plain | held? |",
        "|---|---|--:|--:|--:|---|",
    ]
    for item in agreements:
        plain = "" if np.isnan(item.plain) else f"{item.plain:.2f}"
        held = "yes" if item.agreement >= AIM else "no"
        rows.append(
            f"| {item.name} | {item.measured} | {item.heads} | {item.agreement:.2f} | {plain} "
            f"| {held} |"
        )
    return "\n".join(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=28)
    parser.add_argument("--variations", type=int, default=4)
    arguments = parser.parse_args()
    agreements = measure(load_model("cpu"), arguments.seeds, arguments.variations)
    print(table(agreements))
    print(f"mean {np.nanmean([item.agreement for item in agreements]):.3f}")


if __name__ == "__main__":
    main()
