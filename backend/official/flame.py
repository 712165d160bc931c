"""FLAME: identities, expressions and poses of its file, and the mesh that guides Next3D.

Lengths in metres, x image-right (the subject's left), y up, z towards the viewer.  Facts of the
published model (Li et al. 2017) and of how DECA and Next3D pose it; no FLAME data is kept here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from ..checkpoints.flame_file import FlameArrays
from ..checkpoints.released import LANDMARKS
from ..head_model.skinning import combine, pose_offsets, rotation_matrices, skin

JOINT_NAMES = ("root", "neck", "jaw", "left_eye", "right_eye")


@dataclass(frozen=True)
class FlameModel:
    """Tensors of a FLAME file and, where a landmark file belongs to it, 68 points on its mesh."""

    v_template: Tensor  # (V,3)
    shapedirs: Tensor  # (V,3,S) per standard deviation
    exprdirs: Tensor  # (V,3,E) per standard deviation
    posedirs: Tensor  # (36,V*3) per element of (R - I) of joints 1..4
    J_regressor: Tensor  # (5,V)
    kintree_table: Tensor  # (2,5) parents over ids, the root's parent is -1
    lbs_weights: Tensor  # (V,5)
    faces: Tensor  # (F,3)
    landmark_vertices: Tensor | None = None  # (68,3) vertex ids of the triangle of each landmark
    landmark_bary: Tensor | None = None  # (68,3)

    @classmethod
    def from_file(
        cls,
        arrays: FlameArrays,
        landmark_faces: np.ndarray | None = None,
        landmark_bary: np.ndarray | None = None,
    ) -> FlameModel:
        """Return the model of a file's arrays; landmarks are faces (68,) and bary (68,3).

        Of the moving contour the row for a head that looks straight ahead belongs in them.
        """
        names = [field.name for field in fields(arrays) if field.name != "variant"]
        values = {name: _tensor(getattr(arrays, name)) for name in names}
        if landmark_faces is None or landmark_bary is None:
            return cls(**values)
        chosen = np.asarray(landmark_faces, np.int64)
        bary = np.asarray(landmark_bary, np.float32)
        if chosen.shape != (LANDMARKS,) or bary.shape != (LANDMARKS, 3):
            raise ValueError(
                f"FLAME landmarks: expected {LANDMARKS} faces and barycentric coordinates, given "
                f"{chosen.shape} and {bary.shape}; use the landmark_embedding.npy of DECA"
            )
        count = len(values["faces"])
        if chosen.min() < 0 or chosen.max() >= count:
            raise ValueError(
                f"FLAME landmarks: expected faces below {count}, given {chosen.max()}; "
                "use the landmark_embedding.npy of this FLAME version"
            )
        vertices = values["faces"][torch.from_numpy(chosen)]
        return cls(**values, landmark_vertices=vertices, landmark_bary=torch.from_numpy(bary))

    def to(self, device: torch.device | str) -> FlameModel:
        """Return the same model with every tensor on a device."""
        tensors = {field.name: getattr(self, field.name) for field in fields(self)}
        moved = {name: tensor.to(device) for name, tensor in tensors.items() if tensor is not None}
        return replace(self, **moved)

    @property
    def parents(self) -> tuple[int, ...]:
        """Parent joint of each joint, -1 for the root."""
        return (-1, *(int(parent) for parent in self.kintree_table[0, 1:]))

    def shaped(self, betas: Tensor, expression: Tensor) -> Tensor:
        """Return rest vertices (B,V,3) of identities (B,<=S) with expressions (B,<=E)."""
        identity = combine(self.shapedirs[..., : _width(betas, "betas", self.shapedirs)], betas)
        width = _width(expression, "expression", self.exprdirs)
        return self.v_template + identity + combine(self.exprdirs[..., :width], expression)

    def forward(self, betas: Tensor, expression: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
        """Return vertices (B,V,3) and joints (B,5,3); pose (B,5,3) is axis-angle per joint.

        As in FLAME the joints follow the expression too.
        """
        vertices = self.shaped(betas, expression)
        joints = torch.einsum("jv,bvc->bjc", self.J_regressor, vertices)
        if pose.shape != joints.shape:
            raise ValueError(
                f"pose: expected shape {tuple(joints.shape)}, given {tuple(pose.shape)}"
            )
        rotations = rotation_matrices(pose)
        vertices = vertices + pose_offsets(self.posedirs, rotations)
        return skin(vertices, joints, rotations, self.parents, self.lbs_weights)

    def landmarks(self, vertices: Tensor) -> Tensor:
        """Return the 68 landmarks (B,68,3) on vertices (B,V,3)."""
        if self.landmark_vertices is None:
            raise ValueError(
                "this FLAME model has no landmarks, which Next3D finds the mouth by; add it with "
                "the file landmark_embedding.npy of DECA beside the FLAME file"
            )
        return (vertices[:, self.landmark_vertices] * self.landmark_bary[..., None]).sum(2)

    def generator_mesh(
        self,
        betas: Tensor,
        expression: Tensor,
        jaw: Tensor | None = None,
        eyes: Tensor | None = None,
    ) -> Tensor:
        """Return what Next3D is guided by: vertices, then landmarks, (B,V+68,3).

        jaw (B,3) and eyes (B,6; left, right) are axis-angle; root and neck stay at rest, since
        for Next3D the head's pose is the camera's.
        """
        batch = len(betas)
        pose = betas.new_zeros(batch, len(JOINT_NAMES), 3)
        if jaw is not None:
            pose[:, 2] = jaw
        if eyes is not None:
            pose[:, 3:] = eyes.reshape(batch, 2, 3)
        vertices, _ = self.forward(betas, expression, pose)
        return torch.cat([vertices, self.landmarks(vertices)], 1)

    def neutral_mesh(self, betas: Tensor | None = None) -> Tensor:
        """Return the guiding mesh (1,V+68,3) of an identity (1,<=S), by default the average."""
        if betas is None:
            betas = self.v_template.new_zeros(1, 1)
        return self.generator_mesh(betas, betas.new_zeros(len(betas), 1))


def _tensor(array: np.ndarray) -> Tensor:
    """Return a float32 or int64 tensor, which shares the memory of an array that is one."""
    kind = np.float32 if array.dtype.kind == "f" else np.int64
    return torch.from_numpy(np.ascontiguousarray(array, kind))


def _width(values: Tensor, name: str, basis: Tensor) -> int:
    """Return how many coefficients are given; raise ValueError if the basis has fewer."""
    if values.ndim != 2 or values.shape[1] > basis.shape[2]:
        raise ValueError(
            f"{name}: expected shape (B,{basis.shape[2]}) or fewer coefficients, "
            f"given {tuple(values.shape)}"
        )
    return values.shape[1]
