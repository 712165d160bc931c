"""Attaches the teeth: upper row to the skull, lower row to the jaw, both to the identity."""

from __future__ import annotations

import numpy as np

from .sample import rigid_transform

JAW_EXPRESSIONS = ("jawOpen", "jawLeft", "jawRight", "jawForward")
MOUTH_CENTRE = np.array([0.0, -0.010, -0.083])
MOUTH_RADIUS = 0.040


def identity_offsets(teeth: np.ndarray, mean: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Return offsets (K,N,3) of teeth (N,3): per shape axis the affine map of the mouth region.

    mean (V,3) and shapes (K,V,3) of skin and tongue.
    """
    near = np.linalg.norm(mean - MOUTH_CENTRE, axis=1) < MOUTH_RADIUS
    design = np.c_[mean[near], np.ones(near.sum())]
    solve = np.linalg.pinv(design)
    homogeneous = np.c_[teeth, np.ones(len(teeth))]
    return np.stack([homogeneous @ (solve @ shape[near]) for shape in shapes])


def jaw_offsets(teeth, chin, expressions, names) -> np.ndarray:
    """Return offsets (52,N,3) of lower teeth: rigid with the chin under the four jaw shapes.

    chin (C,3) and expressions (52,C,3) are skin that moves with the jaw bone alone.
    """
    offsets = np.zeros((len(names), *teeth.shape))
    for name in JAW_EXPRESSIONS:
        index = names.index(name)
        rotation, shift = rigid_transform(chin, chin + expressions[index])
        offsets[index] = teeth @ rotation + shift - teeth
    return offsets
