"""Weights of the face network on disk: safetensors in half precision."""

from __future__ import annotations

from pathlib import Path

import torch

from ..weights_file import WeightsKind
from .network import FaceNetwork

BUNDLED_WEIGHTS = Path(__file__).with_name("bundled.safetensors")
MODEL_ID = "avatarmmc-faces-1"


class FaceWeightsError(ValueError):
    """The face network's weights are missing, damaged or of another model."""


_KIND = WeightsKind(
    MODEL_ID,
    "the face network's weights {name} are missing",
    "backend.training.perception",
    FaceWeightsError,
)


def save_face_network(network: FaceNetwork, path: Path) -> None:
    """Write weights in half precision, aside and then renamed."""
    _KIND.write(path, network.state_dict())


def load_face_network(
    path: Path = BUNDLED_WEIGHTS, device: str | torch.device = "cpu"
) -> FaceNetwork:
    """The face network of a file, ready to read photos.

    Raises FaceWeightsError that says what is wrong with the file and what to do.
    """
    _, state = _KIND.read(path)
    network = FaceNetwork()
    try:
        network.load_state_dict(state)
    except RuntimeError:
        raise _KIND.fault(f"{Path(path).name} does not fit the network's shapes") from None
    return network.to(device).eval().requires_grad_(False)
