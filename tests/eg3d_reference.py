"""Numbers of the public EG3D program at a small random configuration (tests/data/eg3d_tiny.npz).

They were written by the unmodified program on a CPU in float32. planes/s16 are the plane pixels
[4::16, 4::16], planes/crop those from planes/crop_box on.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch

from avatarmmc_blender.backend.generator.stylegan2 import MappingNetwork, SynthesisNetwork
from avatarmmc_blender.backend.generator.triplanes import OSGDecoder
from tests.plane_reading import read_planes

PATH = Path(__file__).parent / "data" / "eg3d_tiny.npz"


@cache
def reference() -> dict[str, torch.Tensor]:
    """Return all stored arrays as tensors."""
    with np.load(PATH) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def load(module: torch.nn.Module, prefix: str) -> torch.nn.Module:
    """Load the part of the stored state whose names begin with `prefix`, strictly."""
    start = f"state/{prefix}."
    state = {k[len(start) :]: v for k, v in reference().items() if k.startswith(start)}
    module.load_state_dict(state)
    return module.eval().requires_grad_(False)


@cache
def mapping() -> MappingNetwork:
    """Return the mapping network: z 64, condition 25, 14 styles of width 512."""
    network = MappingNetwork(64, 512, 14, num_layers=2, c_dim=25, layer_features=64)
    return load(network, "backbone.mapping")


@cache
def synthesis() -> SynthesisNetwork:
    """Return the backbone: three planes of 32 channels at 256^2."""
    return load(SynthesisNetwork(512, 256, 96, 1024, 32), "backbone.synthesis")


@cache
def planes() -> torch.Tensor:
    """Return the planes (1, 3, 32, 256, 256) of the stored latent."""
    latent, label = reference()["z"], reference()["c_conditioning"]
    with torch.no_grad():
        ws = mapping()(latent, label, truncation_psi=0.7, truncation_cutoff=14)
        return synthesis()(ws).reshape(1, 3, 32, 256, 256)


@cache
def decoder() -> OSGDecoder:
    """Return the decoder of 32 features to density and 32 colours."""
    return load(OSGDecoder(), "decoder")


def field(points: torch.Tensor, directions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return colours (B, N, 32) and raw density (B, N, 1) at points (B, N, 3)."""
    features = read_planes(planes(), reference()["plane_axes"], points, box_warp=1.0)
    return decoder()(features)
