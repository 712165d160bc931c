"""Weights on disk: safetensors in half precision, with the configuration in the header."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..head_model import model as head_model
from ..head_model.model import HeadModel
from .config import GeneratorConfig
from .generator import Generator

BUNDLED_WEIGHTS = Path(__file__).with_name("bundled.safetensors")
MODEL_ID = "avatarmmc-bundled-1"


class WeightsError(ValueError):
    """The weights file is missing, damaged or of another model."""


def save_generator(generator: Generator, path: Path) -> None:
    """Write a generator's weights in half precision, aside and then renamed."""
    tensors = {
        name: value.detach().to("cpu", torch.float16).contiguous()
        for name, value in generator.state_dict().items()
        if not name.endswith(("noise_const", "resample_filter"))
    }
    header = {"model": MODEL_ID, "config": json.dumps(asdict(generator.config))}
    aside = Path(path).with_suffix(".tmp")
    save_file(tensors, aside, metadata=header)
    aside.replace(path)


def load_generator(path: Path, model: HeadModel, device: str | torch.device = "cpu") -> Generator:
    """Read a generator written by `save_generator`.

    Raises WeightsError that says what is wrong with the file and what to do.
    """
    remedy = "reinstall the add-on or train new weights with `python -m backend.training.generator`"
    if not Path(path).is_file():
        raise WeightsError(f"the weights file {Path(path).name} is missing: {remedy}")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{Path(path).name} is damaged ({error}): {remedy}") from None
    if header.get("model") != MODEL_ID:
        raise WeightsError(
            f"{Path(path).name} holds {header.get('model', 'an unknown model')}, "
            f"expected {MODEL_ID}: {remedy}"
        )
    generator = Generator(model, GeneratorConfig(**json.loads(header["config"])))
    _load_checked(generator, state, Path(path).name, remedy)
    return generator.to(device).eval().requires_grad_(False)


def _load_checked(generator: Generator, state: dict, name: str, remedy: str) -> None:
    bad = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if bad:
        raise WeightsError(f"{name} has values that are not finite in {bad[0]}: {remedy}")
    try:
        result = generator.load_state_dict(state, strict=False)
    except RuntimeError:
        raise WeightsError(f"{name} does not fit the model's shapes: {remedy}") from None
    missing = [k for k in result.missing_keys if not k.endswith(("noise_const", "resample_filter"))]
    if missing or result.unexpected_keys:
        odd = (missing + list(result.unexpected_keys))[0]
        raise WeightsError(f"{name} does not fit the model ({odd}): {remedy}")


def load_bundled(device: str | torch.device = "cpu", path: Path = BUNDLED_WEIGHTS) -> Generator:
    """The shipped generator with the shipped head model."""
    return load_generator(path, head_model.load_bundled().to(device), device)


def weights_hash(path: Path = BUNDLED_WEIGHTS) -> str:
    """sha256 of a weights file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
