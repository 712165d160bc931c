"""FLAME as plain arrays in the model frame: what fitting, baking and rigging need of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .geometry import smoothstep, vertex_normals

LEFT_EYE, RIGHT_EYE = 3, 4  # columns of the skin weights
JAW = 2
FACE_DEPTH = 0.03  # m in front of the jaw's hinge over which the face begins
HAIRLINE = (0.045, 0.075)  # m above the eyes: all face .. all scalp


@dataclass(frozen=True, eq=False)
class FlameTemplate:
    """A FLAME head at rest with the ways it can change; metres, x the subject's left, z up.

    V vertices, F triangles; the coefficients of shapes and expressions are unit Gaussian.
    """

    rest: np.ndarray  # (V, 3) average head
    shapes: np.ndarray  # (S, V, 3)
    expressions: np.ndarray  # (E, V, 3)
    correctives: np.ndarray  # (4, 3, 3, V, 3) per element of R - I of neck, jaw, eyes
    faces: np.ndarray  # (F, 3)
    uvs: np.ndarray  # (F, 3, 2) of every corner, v upwards
    joint_regressor: np.ndarray  # (5, V)
    weights: np.ndarray  # (V, 5), rows sum to one

    @cached_property
    def eye(self) -> np.ndarray:
        """Which eyeball a vertex (V,) belongs to: LEFT_EYE, RIGHT_EYE or 0 for neither."""
        strongest = self.weights.argmax(axis=1)
        return np.where(strongest >= LEFT_EYE, strongest, 0)

    @cached_property
    def face(self) -> np.ndarray:
        """0..1 (V,) where a head shows skin rather than hair, and not on the eyeballs."""
        joints = self.joint_regressor @ self.rest
        forward = smoothstep(joints[JAW, 1] - self.rest[:, 1], 0.0, FACE_DEPTH)
        height = self.rest[:, 2] - joints[LEFT_EYE:, 2].mean()
        return forward * (1.0 - smoothstep(height, *HAIRLINE)) * (self.eye == 0)

    @cached_property
    def rest_normals(self) -> np.ndarray:
        """Unit normals (V, 3) of the average head."""
        return vertex_normals(self.rest, self.faces)


def cylindrical_uvs(rest: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return corner coordinates (F, 3, 2) of a head unrolled about its vertical axis.

    For models whose file brings no layout.  The cut runs down the back; triangles across it are
    continued on the right, so that none spans the picture.
    """
    centre = (rest.min(axis=0) + rest.max(axis=0)) / 2.0
    corners = rest[faces] - centre
    turn = np.arctan2(corners[..., 0], -corners[..., 1]) / (2.0 * np.pi) + 0.5
    across = np.ptp(turn, axis=1) > 0.5
    turn[across] += (turn[across] < 0.5).astype(float)
    height = (corners[..., 2] - corners[..., 2].min()) / max(np.ptp(corners[..., 2]), 1e-9)
    turn = (turn - turn.min()) / max(np.ptp(turn), 1e-9)
    return 0.01 + 0.98 * np.stack([turn, height], axis=-1)
