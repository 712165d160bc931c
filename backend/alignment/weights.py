"""Learned steps of alignment on disk: safetensors in half precision."""

from __future__ import annotations

from pathlib import Path

import torch

from ..weights_file import WeightsKind
from .descent import Descent

BUNDLED_WEIGHTS = Path(__file__).with_name("bundled.safetensors")
MODEL_ID = "avatarmmc-alignment-1"


class AlignmentWeightsError(ValueError):
    """The learned steps are missing, damaged or of another generator."""


_KIND = WeightsKind(
    MODEL_ID,
    "the learned steps {name} that bring heads into line with label maps are missing",
    "backend.training.alignment",
    AlignmentWeightsError,
)


def save_descent(descent: Descent, path: Path, generator_hash: str) -> None:
    """Write learned steps in half precision, aside and then renamed."""
    state = {name: value.float() for name, value in vars(descent).items()}
    _KIND.write(path, state, {"generator": generator_hash}, exact=lambda name: name != "slopes")


def load_descent(
    path: Path = BUNDLED_WEIGHTS,
    generator_hash: str | None = None,
    device: str | torch.device = "cpu",
) -> Descent:
    """Learned steps of a file; raises AlignmentWeightsError that says what is wrong with it.

    generator_hash: of the generator's weights that they have to be learned on, if not None.
    """
    header, state = _KIND.read(path)
    if generator_hash is not None and header.get("generator") != generator_hash:
        raise _KIND.fault(f"{Path(path).name} was learned on another generator")
    try:
        descent = Descent(**{**state, "used": state["used"] > 0.5})
    except (KeyError, TypeError):
        raise _KIND.fault(f"{Path(path).name} lacks some of what it should hold") from None
    if not descent.fits():
        raise _KIND.fault(f"{Path(path).name} does not fit the features' number")
    return descent.to(device)
