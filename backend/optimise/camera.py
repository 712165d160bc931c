"""The camera of a cut-out photo, from its 68 landmarks and those of a head."""

from __future__ import annotations

import torch
from torch import Tensor

from .visible import Camera

DISTANCE = 1.2  # metres; how near a portrait was taken hardly shows in landmarks
_JAW_WEIGHT = 0.3  # landmarks 0..16 slide along the outline when the head turns
_ROUNDS = 30


def fit_camera(landmarks: Tensor, points: Tensor, rotation: Tensor | None = None) -> Camera:
    """Camera that sees points (68, 3) of the model frame at landmarks (68, 2) of a square, 0..1.

    rotation (3, 3) from the head's axes to the camera's is where the search starts, the front by
    default.  Turn, focal length and the square's place are found by least squares.
    """
    if landmarks.shape != (68, 2) or points.shape != (68, 3):
        raise ValueError(
            f"expected landmarks (68, 2) and points (68, 3), given {tuple(landmarks.shape)} and "
            f"{tuple(points.shape)}"
        )
    front = points.new_tensor([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    start = front if rotation is None else rotation.detach().to(points)
    middle = points.mean(0)
    weight = torch.ones_like(landmarks)
    weight[:17] = _JAW_WEIGHT
    turn = torch.zeros(3, dtype=points.dtype, device=points.device, requires_grad=True)
    search = torch.optim.LBFGS([turn], max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def residual() -> tuple[Tensor, Tensor, Tensor]:
        own = _rotation(turn) @ start
        seen = (points - middle) @ own.T
        flat = seen[:, :2] / (seen[:, 2:] + DISTANCE)
        focal, shift = _scale_and_shift(flat, landmarks, weight)
        return ((focal * flat + shift - landmarks) * weight), torch.stack([focal, *shift]), own

    def closure() -> Tensor:
        search.zero_grad()
        loss = 1e4 * residual()[0].square().mean()
        loss.backward()
        return loss

    with torch.enable_grad():
        search.step(closure)
    with torch.no_grad():
        _, found, own = residual()
    cam2world = torch.eye(4, dtype=points.dtype, device=points.device)
    cam2world[:3, :3] = own.T
    cam2world[:3, 3] = middle - DISTANCE * own[2]
    intrinsics = torch.eye(3, dtype=points.dtype, device=points.device)
    intrinsics[0, 0] = intrinsics[1, 1] = found[0]
    intrinsics[:2, 2] = found[1:]
    return Camera(cam2world, intrinsics)


def _scale_and_shift(flat: Tensor, wanted: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Factor () and shift (2,) that best bring places (68, 2) to the wanted ones."""
    share = weight.square() / weight[:, :1].square().sum()
    from_middle, to_middle = (share * flat).sum(0), (share * wanted).sum(0)
    a, b = flat - from_middle, wanted - to_middle
    factor = (share * a * b).sum() / (share * a * a).sum().clamp_min(1e-12)
    return factor, to_middle - factor * from_middle


def _rotation(turn: Tensor) -> Tensor:
    """Rotation (3, 3) about a vector (3,) by its length."""
    x, y, z = turn
    none = torch.zeros_like(x)
    skew = torch.stack([none, -z, y, z, none, -x, -y, x, none]).view(3, 3)
    return torch.linalg.matrix_exp(skew)
