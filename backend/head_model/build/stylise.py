"""Changes of the average head that make it look awake: larger eyes and lids, a hint of a smile."""

from __future__ import annotations

import numpy as np

EYE_GAIN = 0.20
# Distance from the eyeball's front, metres: full gain inside, none outside.
GAIN_INNER, GAIN_OUTER = 0.019, 0.046
RESTING_EXPRESSION = {
    "eyeWideLeft": 0.34,
    "eyeWideRight": 0.34,
    "jawOpen": -0.05,
    "mouthSmileLeft": 0.06,
    "mouthSmileRight": 0.06,
}


def smoothstep(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the cubic step from 0 at low to 1 at high."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def eye_scaling(mean: np.ndarray, eyes: list[tuple[np.ndarray, np.ndarray, float]]) -> tuple:
    """Return offsets (N,3) and gains (N,) that enlarge eyes and lids about the eyeballs' fronts.

    eyes: (vertex ids, centre, radius) of each eyeball. Scaling about the front keeps the lids'
    depth; an eyeball scales as a whole and the other eye does not move it.
    """
    gain = np.zeros(len(mean))
    offset = np.zeros_like(mean)
    eyeball_vertices = np.concatenate([ids for ids, _, _ in eyes])
    for ids, centre, radius in eyes:
        front = centre - np.array([0.0, radius, 0.0])
        distance = np.linalg.norm(mean - front, axis=1)
        weight = 1 - smoothstep(distance, GAIN_INNER, GAIN_OUTER)
        weight[eyeball_vertices] = 0
        weight[ids] = 1
        gain = np.maximum(gain, weight)
        offset += EYE_GAIN * weight[:, None] * (mean - front)
    return offset, gain


def stylised(mean, shapes, expressions, names, eyes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean (N,3), shapes (K,N,3), expressions (52,N,3) with enlarged, awake eyes.

    The bases are scaled by the same local factor, so the model stays linear.
    """
    offset, gain = eye_scaling(mean, eyes)
    factor = (1 + EYE_GAIN * gain)[None, :, None]
    shapes = shapes * factor
    expressions = expressions * factor
    mean = mean + offset
    for name, amount in RESTING_EXPRESSION.items():
        mean = mean + amount * expressions[names.index(name)]
    return mean, shapes, expressions
