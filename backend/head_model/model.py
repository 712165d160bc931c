"""The head model: arrays of the bundled file and batched linear blend skinning."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .arkit import EXPRESSIONS
from .skinning import combine, pose_offsets, rotation_matrices, skin

JOINT_NAMES = ("root", "neck", "jaw", "left_eye", "right_eye")
PART_SKIN, PART_TONGUE, PART_LEFT_EYE, PART_RIGHT_EYE, PART_UPPER_TEETH, PART_LOWER_TEETH = range(6)
BUNDLED_PATH = Path(__file__).with_name("bundled.npz")


@dataclass(frozen=True)
class HeadModel:
    """Tensors of the head model; lengths in metres, x = subject's left, -y = forward, z = up.

    V vertices, F quads, T texture coordinates; the guide surface (Catmull-Clark level 1 of
    skin and tongue, neck capped, watertight) has W vertices.
    """

    v_template: Tensor  # (V,3) average head, eyes enlarged, lips closed
    canonical: Tensor  # (V,3) average head before that; painted features are functions of it
    shapedirs: Tensor  # (V,3,64) per standard deviation
    exprdirs: Tensor  # (V,3,52) per unit of each ARKit shape
    posedirs: Tensor  # (36,V*3) per element of (R - I) of joints 1..4
    J_regressor: Tensor  # (5,V), rows sum to one
    kintree_table: Tensor  # (2,5) parents over ids, root's parent is -1
    lbs_weights: Tensor  # (V,5)
    faces: Tensor  # (F,4)
    uvs: Tensor  # (T,2), v up
    uv_faces: Tensor  # (F,4)
    part: Tensor  # (V,) int8, see PART_*
    landmarks: Tensor  # (68,) vertex ids, iBUG order
    lid_vertices: Tensor  # (L,) vertices whose blink depends on the identity
    lid_expression: Tensor  # (L,) the blink each of them follows
    lid_correctives: Tensor  # (L,3,64) per unit of blink and of shape
    subdivision_indices: Tensor  # (2,nnz) rows (surface) and columns (model)
    subdivision_values: Tensor  # (nnz,)
    surface_faces: Tensor  # (S,3)
    surface_canonical: Tensor  # (W,3)
    surface_ao: Tensor  # (W,) ambient occlusion, 1 = open
    surface_tongue: Tensor  # (W,) 1 on the tongue
    surface_uv_faces: Tensor  # (S,3), rows of -1 on the neck cap, which has no texture
    surface_uvs: Tensor  # (U,2)
    masks: dict[str, Tensor]  # (V,) in 0..1
    rims: dict[str, Tensor]  # vertex ids along each rim
    directions: dict[str, Tensor]  # (64,) semantic directions of shape

    joint_names = JOINT_NAMES
    expression_names = EXPRESSIONS

    def to(self, device: torch.device | str) -> HeadModel:
        """Return the same model with every tensor on a device."""
        moved = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, dict):
                moved[field.name] = {name: tensor.to(device) for name, tensor in value.items()}
            else:
                moved[field.name] = value.to(device)
        return replace(self, **moved)

    @property
    def device(self) -> torch.device:
        """Device that holds the tensors."""
        return self.v_template.device

    @property
    def parents(self) -> tuple[int, ...]:
        """Parent joint of each joint, -1 for the root."""
        return tuple(int(parent) for parent in self.kintree_table[0])

    def shaped(self, betas: Tensor) -> Tensor:
        """Return vertices (B,V,3) of identities (B,64) at rest."""
        _expect(betas, "betas", self.shapedirs.shape[2])
        return self.v_template + combine(self.shapedirs, betas)

    def expressed(self, betas: Tensor, expression: Tensor) -> Tensor:
        """Return vertices (B,V,3) of identities (B,64) with ARKit amounts (B,52), bones at rest.

        Linear in the expression for each identity; only the blinks depend on the identity, so
        that lids close whatever the height of the opening.
        """
        _expect(expression, "expression", self.exprdirs.shape[2])
        vertices = self.shaped(betas) + combine(self.exprdirs, expression)
        amount = expression[:, self.lid_expression]
        correction = combine(self.lid_correctives, betas) * amount[..., None]
        return vertices.index_add(1, self.lid_vertices, correction)

    def expression_offsets(self, betas: Tensor) -> Tensor:
        """Return the offsets (B,52,V,3) of every ARKit shape at amount 1 on identities (B,64)."""
        _expect(betas, "betas", self.shapedirs.shape[2])
        offsets = self.exprdirs.permute(2, 0, 1).repeat(len(betas), 1, 1, 1)
        correction = combine(self.lid_correctives, betas)
        for index in self.lid_expression.unique().tolist():
            chosen = self.lid_expression == index
            offsets[:, index, self.lid_vertices[chosen]] += correction[:, chosen]
        return offsets

    def joints(self, vertices: Tensor) -> Tensor:
        """Return joint centres (B,5,3) of rest identities (B,V,3)."""
        return torch.einsum("jv,bvc->bjc", self.J_regressor, vertices)

    def forward(
        self, betas: Tensor, expression: Tensor, pose: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return vertices (B,V,3) and joints (B,5,3) of posed heads.

        betas (B,64), expression (B,52), pose (B,5,3) axis-angle per joint or None for rest.
        Linear blend skinning with pose correctives as in SMPL (Loper et al. 2015) and FLAME
        (Li et al. 2017); joints depend on the identity alone.
        """
        vertices = self.expressed(betas, expression)
        joints = self.joints(self.shaped(betas))
        if pose is None:
            return vertices, joints
        if pose.shape != joints.shape:
            raise ValueError(
                f"pose: expected shape {tuple(joints.shape)}, given {tuple(pose.shape)}"
            )
        rotations = rotation_matrices(pose)
        vertices = vertices + pose_offsets(self.posedirs, rotations)
        return skin(vertices, joints, rotations, self.parents, self.lbs_weights)

    def subdivide(self, vertices: Tensor) -> Tensor:
        """Return guide surface points (B,W,3) of model vertices (B,V,3)."""
        batch, count, _ = vertices.shape
        columns = vertices.permute(1, 0, 2).reshape(count, batch * 3)
        surface = torch.sparse.mm(self._subdivision, columns)
        return surface.view(-1, batch, 3).permute(1, 0, 2).contiguous()

    @cached_property
    def _subdivision(self) -> Tensor:
        size = (len(self.surface_canonical), len(self.v_template))
        # kept for all later calls, some of which need gradients: no inference tensor
        with torch.inference_mode(False):
            matrix = torch.sparse_coo_tensor(
                self.subdivision_indices, self.subdivision_values, size, check_invariants=False
            )
            return matrix.coalesce()

    def eyeballs(self, vertices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return centre (B,2,3), radius (B,2) and unit gaze (B,2,3) of the left and right eye."""
        centres, radii, gazes = [], [], []
        for side, part in (("left", PART_LEFT_EYE), ("right", PART_RIGHT_EYE)):
            ball = vertices[:, self.part == part]
            centre = ball.mean(1)
            pupil = vertices[:, self.rims[f"{side}_pupil"]].mean(1)
            centres.append(centre)
            radii.append((ball - centre[:, None]).norm(dim=-1).mean(1))
            gazes.append(torch.nn.functional.normalize(pupil - centre, dim=-1))
        return torch.stack(centres, 1), torch.stack(radii, 1), torch.stack(gazes, 1)


def load_bundled(path: Path | str = BUNDLED_PATH) -> HeadModel:
    """Return the head model read from the bundled npz file, on the CPU in float32.

    Raises ValueError when the file is missing or lacks an array.
    """
    if not Path(path).is_file():
        raise ValueError(f"head model: file {path} not found; reinstall the add-on")
    with np.load(path) as archive:
        arrays = {name: _tensor(archive[name]) for name in archive.files}
    values: dict[str, Tensor | dict[str, Tensor]] = {}
    for field in fields(HeadModel):
        if field.name in ("masks", "rims", "directions"):
            prefix = field.name + "/"
            values[field.name] = {
                name[len(prefix) :]: array
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
        elif field.name in arrays:
            values[field.name] = arrays[field.name]
        else:
            raise ValueError(f"head model: {path} lacks the array {field.name}")
    return HeadModel(**values)


def _tensor(array: np.ndarray) -> Tensor:
    """Return indices as int64, part codes as int8, everything else as float32."""
    if array.dtype == np.int8:
        return torch.from_numpy(array)
    if np.issubdtype(array.dtype, np.integer):
        return torch.from_numpy(array.astype(np.int64))
    return torch.from_numpy(array.astype(np.float32))


def _expect(value: Tensor, name: str, size: int) -> None:
    """Raise ValueError unless value has shape (B,size)."""
    if value.ndim != 2 or value.shape[1] != size:
        raise ValueError(f"{name}: expected shape (B,{size}), given {tuple(value.shape)}")
