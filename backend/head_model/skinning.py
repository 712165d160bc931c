"""Linear blend skinning with pose correctives, for every model of FLAME's file schema.

As in SMPL (Loper et al. 2015) and FLAME (Li et al. 2017); batched, in torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def combine(basis: Tensor, coefficients: Tensor) -> Tensor:
    """Return sum over k of basis (V,3,K) times coefficients (B,K) as (B,V,3)."""
    count, _, size = basis.shape
    return (coefficients @ basis.reshape(count * 3, size).T).view(-1, count, 3)


def rotation_matrices(axis_angle: Tensor) -> Tensor:
    """Return rotations (...,3,3) of axis-angle vectors (...,3), radians (Rodrigues' formula)."""
    angle = axis_angle.norm(dim=-1, keepdim=True)
    axis = axis_angle / angle.clamp_min(1e-12)
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1)
    cross = cross.view(*axis.shape[:-1], 3, 3)
    sine = angle.sin()[..., None]
    versine = 1 - angle.cos()[..., None]
    identity = torch.eye(3, dtype=axis.dtype, device=axis.device)
    return identity + sine * cross + versine * (cross @ cross)


def pose_offsets(posedirs: Tensor, rotations: Tensor) -> Tensor:
    """Return corrective offsets (B,V,3) of posedirs (36,V*3) for joint rotations (B,5,3,3).

    A corrective is weighed by one element of R - I of one joint but the root, row by row.
    """
    identity = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
    features = (rotations[:, 1:] - identity).flatten(1)
    return (features @ posedirs).view(len(rotations), -1, 3)


def skin(
    vertices: Tensor,
    joints: Tensor,
    rotations: Tensor,
    parents: Sequence[int],
    weights: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return vertices (B,V,3) and joints (B,J,3) turned by joint rotations (B,J,3,3).

    parents (J,) has -1 for the root, which comes first; weights (V,J) have rows that sum to one.
    """
    world_rotations, world_joints = [], []
    for joint, parent in enumerate(parents):
        if parent < 0:
            world_rotations.append(rotations[:, joint])
            world_joints.append(joints[:, joint])
            continue
        offset = joints[:, joint] - joints[:, parent]
        turned = torch.einsum("bij,bj->bi", world_rotations[parent], offset)
        world_rotations.append(world_rotations[parent] @ rotations[:, joint])
        world_joints.append(world_joints[parent] + turned)
    turn = torch.stack(world_rotations, 1)
    posed_joints = torch.stack(world_joints, 1)
    shift = posed_joints - torch.einsum("bjik,bjk->bji", turn, joints)
    blended_turn = torch.einsum("vj,bjik->bvik", weights, turn)
    blended_shift = torch.einsum("vj,bji->bvi", weights, shift)
    posed = torch.einsum("bvik,bvk->bvi", blended_turn, vertices) + blended_shift
    return posed, posed_joints
