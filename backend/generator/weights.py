"""Weights on disk: safetensors in half precision, with the configuration in the header."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch

from ..head_model import model as head_model
from ..head_model.model import HeadModel
from ..weights_file import WeightsKind
from .config import GeneratorConfig
from .generator import Generator

BUNDLED_WEIGHTS = Path(__file__).with_name("bundled.safetensors")
MODEL_ID = "avatarmmc-bundled-1"
_CONSTANT = ("noise_const", "resample_filter")  # ends of names that every generator has as they are


class WeightsError(ValueError):
    """The weights file is missing, damaged or of another model."""


_KIND = WeightsKind(
    MODEL_ID, "the weights file {name} is missing", "backend.training.generator", WeightsError
)


def save_generator(generator: Generator, path: Path) -> None:
    """Write a generator's weights in half precision, aside and then renamed."""
    state = {k: v for k, v in generator.state_dict().items() if not k.endswith(_CONSTANT)}
    _KIND.write(path, state, {"config": json.dumps(asdict(generator.config))})


def load_generator(path: Path, model: HeadModel, device: str | torch.device = "cpu") -> Generator:
    """Read a generator written by `save_generator`.

    Raises WeightsError that says what is wrong with the file and what to do.
    """
    header, state = _KIND.read(path)
    name = Path(path).name
    generator = Generator(model, GeneratorConfig(**json.loads(header["config"])))
    try:
        result = generator.load_state_dict(state, strict=False)
    except RuntimeError:
        raise _KIND.fault(f"{name} does not fit the model's shapes") from None
    odd = [k for k in result.missing_keys if not k.endswith(_CONSTANT)] + result.unexpected_keys
    if odd:
        raise _KIND.fault(f"{name} does not fit the model ({odd[0]})")
    return generator.to(device).eval().requires_grad_(False)


def load_bundled(device: str | torch.device = "cpu", path: Path = BUNDLED_WEIGHTS) -> Generator:
    """The shipped generator with the shipped head model."""
    return load_generator(path, head_model.load_bundled().to(device), device)


def weights_hash(path: Path = BUNDLED_WEIGHTS) -> str:
    """sha256 of a weights file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
