"""Denoiser weights on disk: safetensors in half precision, statistics of the latents in full."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple
from pathlib import Path

import torch

from ..conditions.celeba import CELEBA_ATTRIBUTES
from ..conditions.table import ATTRIBUTES
from ..encoders.visual import VisualEncoder
from ..latent.style_space import StyleLayer, StyleSpace
from ..latent.w_space import WSpace
from ..weights_file import WeightsKind
from .denoiser import DenoiserConfig
from .model import LatentDiffusion

BUNDLED_WEIGHTS = Path(__file__).with_name("bundled.safetensors")
MODEL_ID = "avatarmmc-diffusion-1"
_TABLES = {"bundled": ATTRIBUTES, "celeba": CELEBA_ATTRIBUTES}


class DiffusionWeightsError(ValueError):
    """The weights file is missing, damaged, or belongs to another generator."""


_KIND = WeightsKind(
    MODEL_ID,
    "the weights file {name} is missing",
    "backend.training.diffusion",
    DiffusionWeightsError,
)


def save_diffusion(model: LatentDiffusion, path: Path, generator_hash: str, step: int) -> None:
    """Write a model, aside and then renamed; `generator_hash` names the generator it was made for.

    Weights are rounded to half precision, statistics of the latents are not.
    """
    header = {
        "config": json.dumps(asdict(model.config)),
        "generator": generator_hash,
        "step": str(step),
        "visual": json.dumps(model.visual is not None),
        "attributes": next(k for k, v in _TABLES.items() if v == model.attributes.table),
    }
    if isinstance(model.space, StyleSpace):
        header["layers"] = json.dumps([astuple(layer) for layer in model.space.layers])
    else:
        header["num_ws"] = str(model.space.num_ws)
    _KIND.write(path, model.state_dict(), header, lambda name: name.startswith("space."))


def load_diffusion(
    path: Path, generator_hash: str | None = None, device: str | torch.device = "cpu"
) -> LatentDiffusion:
    """Read a model written by `save_diffusion`; `generator_hash`, if given, must be the file's.

    Raises DiffusionWeightsError that says what is wrong with the file and what to do.
    """
    header, state = _KIND.read(path)
    name, made_for = Path(path).name, header.get("generator", "")
    if generator_hash not in (None, made_for):
        raise _KIND.fault(
            f"{name} was trained for generator {made_for[:12] or 'unknown'}, "
            f"the one in use is {generator_hash[:12]}"
        )
    try:
        model = _build(header)
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise _KIND.fault(f"{name} does not say its sizes") from None
    try:
        model.load_state_dict(state)
    except RuntimeError:
        raise _KIND.fault(f"{name} does not fit the model's shapes") from None
    return model.to(device).eval().requires_grad_(False)


def _build(header: dict[str, str]) -> LatentDiffusion:
    sizes = json.loads(header["config"])
    config = DenoiserConfig(**{**sizes, "multipliers": tuple(sizes["multipliers"])})
    if "layers" in header:
        space = StyleSpace([StyleLayer(*layer) for layer in json.loads(header["layers"])])
    else:
        space = WSpace(int(header["num_ws"]), config.rows * config.row_width)
    visual = None
    if json.loads(header["visual"]):
        visual = VisualEncoder(config.context_width, config.rows * config.row_width)
    return LatentDiffusion(space, config, visual, _TABLES[header.get("attributes", "bundled")])
