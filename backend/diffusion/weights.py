"""Denoiser weights on disk: safetensors in half precision, statistics of the latents in full."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..conditions.celeba import CELEBA_ATTRIBUTES
from ..conditions.table import ATTRIBUTES
from ..encoders.visual import VisualEncoder
from ..latent.style_space import StyleLayer, StyleSpace
from ..latent.w_space import WSpace
from .denoiser import DenoiserConfig
from .model import LatentDiffusion

BUNDLED_WEIGHTS = Path(__file__).with_name("bundled.safetensors")
MODEL_ID = "avatarmmc-diffusion-1"
_TABLES = {"bundled": ATTRIBUTES, "celeba": CELEBA_ATTRIBUTES}
_REMEDY = "reinstall the add-on or train new weights with `python -m backend.training.diffusion`"


class DiffusionWeightsError(ValueError):
    """The weights file is missing, damaged, or belongs to another generator."""


def save_diffusion(model: LatentDiffusion, path: Path, generator_hash: str, step: int) -> None:
    """Write a model, aside and then renamed; `generator_hash` names the generator it was made for.

    Weights are rounded to half precision, statistics of the latents are not.
    """
    tensors = {}
    for name, value in model.state_dict().items():
        kept = torch.float32 if name.startswith("space.") else torch.float16
        tensors[name] = value.detach().to("cpu", kept).contiguous()
    header = {
        "model": MODEL_ID,
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
    aside = Path(path).with_suffix(".tmp")
    save_file(tensors, aside, metadata=header)
    aside.replace(path)


def load_diffusion(
    path: Path, generator_hash: str | None = None, device: str | torch.device = "cpu"
) -> LatentDiffusion:
    """Read a model written by `save_diffusion`; `generator_hash`, if given, must be the file's.

    Raises DiffusionWeightsError that says what is wrong with the file and what to do.
    """
    name = Path(path).name
    if not Path(path).is_file():
        raise DiffusionWeightsError(f"the weights file {name} is missing: {_REMEDY}")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise DiffusionWeightsError(f"{name} is damaged ({error}): {_REMEDY}") from None
    found = header.get("model", "an unknown model")
    if found != MODEL_ID:
        raise DiffusionWeightsError(f"{name} holds {found}, expected {MODEL_ID}: {_REMEDY}")
    made_for = header.get("generator", "")
    if generator_hash not in (None, made_for):
        raise DiffusionWeightsError(
            f"{name} was trained for generator {made_for[:12] or 'unknown'}, "
            f"the one in use is {generator_hash[:12]}: {_REMEDY}"
        )
    try:
        model = _build(header)
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise DiffusionWeightsError(f"{name} does not say its sizes: {_REMEDY}") from None
    bad = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if bad:
        raise DiffusionWeightsError(f"{name} has values that are not finite in {bad[0]}: {_REMEDY}")
    try:
        model.load_state_dict(state)
    except RuntimeError:
        raise DiffusionWeightsError(f"{name} does not fit the model's shapes: {_REMEDY}") from None
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
