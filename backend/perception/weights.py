"""Weights of the face network on disk: safetensors in half precision."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .network import FaceNetwork

BUNDLED_WEIGHTS = Path(__file__).with_name("bundled.safetensors")
MODEL_ID = "avatarmmc-faces-1"


class FaceWeightsError(ValueError):
    """The face network's weights are missing, damaged or of another model."""


def save_face_network(network: FaceNetwork, path: Path) -> None:
    """Write weights in half precision, aside and then renamed."""
    state = network.state_dict()
    tensors = {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in state.items()}
    aside = Path(path).with_suffix(".tmp")
    save_file(tensors, aside, metadata={"model": MODEL_ID})
    aside.replace(path)


def load_face_network(
    path: Path = BUNDLED_WEIGHTS, device: str | torch.device = "cpu"
) -> FaceNetwork:
    """The face network of a file, ready to read photos.

    Raises FaceWeightsError that says what is wrong with the file and what to do.
    """
    name = Path(path).name
    remedy = (
        "reinstall the add-on or train new weights with `python -m backend.training.perception`"
    )
    if not Path(path).is_file():
        raise FaceWeightsError(f"the face network's weights {name} are missing: {remedy}")
    try:
        with safe_open(path, framework="pt") as file:
            model = (file.metadata() or {}).get("model", "an unknown model")
            state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FaceWeightsError(f"{name} is damaged ({error}): {remedy}") from None
    if model != MODEL_ID:
        raise FaceWeightsError(f"{name} holds {model}, expected {MODEL_ID}: {remedy}")
    bad = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if bad:
        raise FaceWeightsError(f"{name} has values that are not finite in {bad[0]}: {remedy}")
    network = FaceNetwork()
    try:
        network.load_state_dict(state)
    except RuntimeError:
        raise FaceWeightsError(f"{name} does not fit the network's shapes: {remedy}") from None
    return network.to(device).eval().requires_grad_(False)
