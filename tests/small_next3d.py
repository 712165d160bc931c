"""A small Next3D as a released file, with a FLAME-shaped file of its mesh: all numbers are ours.

The generator's numbers are the references'.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tests.checkpoint_files import generator_pickle, tiny_state
from tests.flame_sample import flame_arrays

GOLDEN = Path(__file__).with_name("data") / "next3d_tiny"


def tensors(name: str) -> dict[str, torch.Tensor]:
    """Return one of the files of reference arrays."""
    with np.load(GOLDEN / f"next3d_{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def write_next3d(folder: Path) -> None:
    """Write next3d.pkl, generic_model.npz and landmark_embedding.npz."""
    state = tiny_state("next3d") | tensors("state")
    extra = tensors("nonstate")
    extra.pop("neural_rendering_resolution", None)
    (folder / "next3d.pkl").write_bytes(generator_pickle("next3d", state=state, extra=extra))
    mesh, faces = tensors("inputs")["v"][0].numpy(), state["faces"][0].numpy()
    _write_flame(folder, mesh, faces)


def _write_flame(folder: Path, mesh: np.ndarray, faces: np.ndarray) -> None:
    arrays = flame_arrays(mesh[:5023], faces, shapes=8, expressions=4)
    values = {name: getattr(arrays, name) for name in arrays.__dataclass_fields__}
    np.savez(folder / "generic_model.npz", **values)
    centres = mesh[:5023][faces].mean(1)
    nearest = np.linalg.norm(centres[None] - mesh[5023:, None], axis=-1).argmin(1)
    thirds = np.full((68, 3), 1 / 3, np.float32)
    embedding = {
        "static_lmk_faces_idx": nearest[17:],
        "static_lmk_bary_coords": thirds[17:],
        "dynamic_lmk_faces_idx": np.tile(nearest[:17], (79, 1)),
        "dynamic_lmk_bary_coords": np.tile(thirds[:17], (79, 1, 1)),
    }
    np.savez(folder / "landmark_embedding.npz", **embedding)
