"""The loaded models, kept between heads until they are unloaded, and the device they run on.

torch is imported when the first head is asked for, never when Blender starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from . import torch_library
from .errors import AvatarError

if TYPE_CHECKING:
    from .backend.alignment.descent import Descent
    from .backend.answer.answer import AnswerModels
    from .backend.diffusion.model import LatentDiffusion
    from .backend.generator.generator import Generator
    from .backend.perception.network import FaceNetwork
    from .meshing.template import Template


@dataclass(frozen=True)
class LoadedModel:
    """The generator, the template that its heads are fitted with, which weights these are, and the
    device that they are on."""

    generator: Generator
    template: Template
    name: str
    sha256: str
    device: str = "cpu"


def import_torch():
    """Return torch; raise AvatarError if this Python has none."""
    # Threads of OpenMP otherwise spin while they wait, which on a busy computer takes the time of
    # the very threads that they wait for: several times slower heads.  Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    torch_library.preload()
    try:
        import torch
    except ImportError as error:
        raise AvatarError(
            "PyTorch is missing in this Python; install torch 2.6 or later for it "
            "and start again (the README says how)."
        ) from error
    return torch


def available_devices() -> tuple[str, ...]:
    """Return the devices that torch can use here, the processor first."""
    torch = import_torch()
    devices = ["cpu"]
    if torch.cuda.is_available():
        devices.append("cuda")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return tuple(devices)


def choose_device(wanted: str) -> str:
    """Return the device for `wanted`; "auto" takes a CUDA GPU where there is one.

    Raises AvatarError if the device is not there.
    """
    devices = available_devices()
    if wanted == "auto":
        return "cuda" if "cuda" in devices else "cpu"
    if wanted not in devices:
        raise AvatarError(
            f"Device {wanted!r} is not available here; use {' or '.join(devices)}, or auto."
        )
    return wanted


@lru_cache(maxsize=1)
def load_model(device: str) -> LoadedModel:
    """Return the bundled model on `device`, loaded once; raise AvatarError if it is damaged."""
    import_torch()
    with _explained_weights():
        from .backend.generator.weights import MODEL_ID, load_bundled, weights_hash
        from .template import template_from_model

        generator = load_bundled(device)
        sha256 = weights_hash()
    return LoadedModel(generator, template_from_model(generator.model), MODEL_ID, sha256, device)


@lru_cache(maxsize=2)
def load_answer_models(device: str, with_network: bool) -> AnswerModels:
    """Return the networks behind answers on `device`, loaded once; the one that reads faces only
    if asked for.  Raises AvatarError if weights are missing, damaged or of another generator."""
    model = load_model(device)
    with _explained_weights():
        from .backend.answer.answer import AnswerModels

        network = _load_face_network(device) if with_network else None
        return AnswerModels(
            model.generator,
            _load_diffusion(device, model.sha256),
            _load_descent(device, model.sha256),
            network,
        )


@lru_cache(maxsize=1)
def _load_diffusion(device: str, generator_hash: str) -> LatentDiffusion:
    from .backend.diffusion import weights

    return weights.load_diffusion(weights.BUNDLED_WEIGHTS, generator_hash, device)


@lru_cache(maxsize=1)
def _load_descent(device: str, generator_hash: str) -> Descent:
    from .backend.alignment import weights

    return weights.load_descent(weights.BUNDLED_WEIGHTS, generator_hash, device)


@lru_cache(maxsize=1)
def _load_face_network(device: str) -> FaceNetwork:
    from .backend.perception import weights

    return weights.load_face_network(weights.BUNDLED_WEIGHTS, device)


@contextmanager
def _explained_weights() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise AvatarError(
            f"The Python package {error.name!r} is missing; install it for this Python "
            "and start again (the README says how)."
        ) from error
    except (OSError, ValueError) as error:
        raise AvatarError.from_error(error) from error
