"""A Next3D for training: a converted model of the store, or a released file with its FLAME file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..checkpoints.checkpoint import Checkpoint, read_checkpoint
from ..checkpoints.flame_store import check_head_fits, read_head
from ..checkpoints.store import DESCRIPTION, ModelStore
from ..generator.cameras import camera_label, fov_to_intrinsics, look_at_pose
from ..official.flame import FlameModel
from ..official.flame_landmarks import flame_with_landmarks
from ..official.load import load_official
from ..official.next3d import Blending, Next3D

FIELD_OF_VIEW = 18.837


@dataclass(frozen=True)
class Next3DModel:
    """The generator, which planes follow its mesh, its file's hash, and FLAME if there is one."""

    generator: Next3D
    blending: Blending
    sha256: str
    flame: FlameModel | None

    @property
    def device(self) -> torch.device:
        """Where the generator is."""
        return self.generator.plane_axes.device

    def guide(self) -> FlameModel:
        """FLAME with its landmarks, whose meshes guide the generator; ValueError without."""
        if self.flame is None or self.flame.landmark_vertices is None:
            raise ValueError(
                "Next3D paints what a FLAME mesh shows it, and this model has no FLAME file with "
                "landmarks; give --flame, or add the model again with `models add FILE --flame "
                "FLAME`, landmark_embedding.npy of DECA beside the FLAME file"
            )
        return self.flame

    def cameras(self, turn: Tensor) -> Tensor:
        """Labels (B, 25) of cameras turned by (B, 2) radians to the side and up, from the front."""
        config = self.generator.config
        pivot = torch.tensor(config.camera_pivot, dtype=torch.float32)
        horizontal, vertical = (math.pi / 2 + turn.cpu()).unbind(1)
        pose = look_at_pose(horizontal, vertical, pivot, config.camera_radius)
        return camera_label(pose, fov_to_intrinsics(FIELD_OF_VIEW)).to(self.device)

    def expand(self, w: Tensor) -> Tensor:
        """Rows ws (B, R, w_dim) of w (B, w_dim), one style for all of them."""
        rows = self.generator.backbone["mapping"].num_ws
        return w[:, None].expand(-1, rows, -1)


def load_next3d(
    path: Path, flame: Path | None = None, device: torch.device | str = "cpu"
) -> Next3DModel:
    """Read a converted model's folder, or a released file and the FLAME file that belongs to it.

    Raises ValueError that says what was expected.
    """
    path = Path(path)
    if (path / DESCRIPTION).is_file():
        store = ModelStore(path.resolve().parent)
        checkpoint = store.load(path.resolve().name)
        arrays = store.load_flame(path.resolve().name)
        landmarks = store.load_landmarks(path.resolve().name)
    elif path.is_file():
        checkpoint, arrays, landmarks = read_checkpoint(path), None, None
    else:
        raise ValueError(
            f"{path} is neither a converted model's folder nor a released file; convert one with "
            "`python -m avatarmmc_blender models add FILE --flame FLAME` or give the file itself"
        )
    if checkpoint.family != "next3d":
        raise ValueError(
            f"{path.name} is a generator of {checkpoint.family}, expected one of next3d"
        )
    if flame is not None:
        head = read_head(Path(flame))
        check_head_fits(head, checkpoint.family, checkpoint.state, Path(flame).name)
        arrays, landmarks = head.flame, head.landmarks
    model = None if arrays is None else flame_with_landmarks(arrays, landmarks).to(device)
    return _model(checkpoint, model, device)


def _model(
    checkpoint: Checkpoint, flame: FlameModel | None, device: torch.device | str
) -> Next3DModel:
    generator = load_official(checkpoint).to(device)
    blending = checkpoint.source_rule or "front"
    return Next3DModel(generator, blending, checkpoint.provenance["sha256"], flame)
