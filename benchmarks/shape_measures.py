"""Anthropometric measures of a finished head's skin mesh, in mm of the model (322 mm tall).

Each takes a `MeasuredHead` and its `Ruler` and returns one number; landmarks are iBUG's 68.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .measured_head import MeasuredHead, Ruler

Measure = Callable[[MeasuredHead, Ruler], float]
MM = 1e3
UP, FORWARD = np.array([0.0, 0.0, 1.0]), np.array([0.0, -1.0, 0.0])
CHEEKBONE = np.array([0.068, 0.007, -0.054])  # canonical place on the subject's left


def along(parts: dict[str, float], name: str) -> Measure:
    """Measure where the mesh lies along a direction of the head model's identity basis.

    By least squares over all vertices: an attribute of the whole head is no single distance.
    """

    def measure(head: MeasuredHead, ruler: Ruler) -> float:
        direction = ruler.direction(parts)
        return float(ruler.identity(head.skin) @ direction)

    measure.__doc__ = f"Place of the whole mesh from least to most {name}, least squares."
    return measure


def _distance(head: MeasuredHead, first: int, second: int) -> float:
    return float(np.linalg.norm(head.landmarks[first] - head.landmarks[second]) * MM)


def _height(head: MeasuredHead, upper: int, lower: int) -> float:
    return float((head.landmarks[upper] - head.landmarks[lower]) @ UP * MM)


def fullness(head: MeasuredHead, ruler: Ruler) -> float:
    """Width of the lower cheeks plus how far the skin under the chin comes forward."""
    x, y, z = ruler.template.surface_canonical.T
    skin = ruler.template.surface_skin & (y < 0.09)
    cheek = skin & (np.abs(x) > 0.05) & (y > 0.02) & (y < 0.07) & (z > -0.10) & (z < -0.06)
    throat = skin & (np.abs(x) < 0.035) & (z > -0.175) & (z < -0.15)
    width = 2.0 * np.abs(head.skin[cheek, 0]).mean()
    return float((width + (head.skin[throat] @ FORWARD).mean()) * MM)


def face_length(head: MeasuredHead, ruler: Ruler) -> float:
    """Nasion to chin."""
    return _height(head, 27, 8)


def jaw_width(head: MeasuredHead, ruler: Ruler) -> float:
    """Width of the lower jaw beside the chin."""
    return _distance(head, 7, 9)


def chin_height(head: MeasuredHead, ruler: Ruler) -> float:
    """Lower lip to chin."""
    return _height(head, 57, 8)


def cheekbone_width(head: MeasuredHead, ruler: Ruler) -> float:
    """Width across the cheekbones."""
    x, y, z = ruler.template.surface_canonical.T
    near = np.linalg.norm(np.stack([np.abs(x), y, z], axis=1) - CHEEKBONE, axis=1) < 0.012
    return float(2 * np.abs(head.skin[near, 0]).mean() * MM)


def nose_width(head: MeasuredHead, ruler: Ruler) -> float:
    """Width between the wings of the nose."""
    return _distance(head, 31, 35)


def nose_length(head: MeasuredHead, ruler: Ruler) -> float:
    """Nasion to the base of the nose."""
    return _height(head, 27, 33)


def nose_droop(head: MeasuredHead, ruler: Ruler) -> float:
    """How far the nose's tip lies below the middle between nasion and base."""
    return 0.5 * (_height(head, 27, 30) - _height(head, 30, 33))


def mouth_width(head: MeasuredHead, ruler: Ruler) -> float:
    """Width between the corners of the mouth."""
    return _distance(head, 48, 54)


def lip_fullness(head: MeasuredHead, ruler: Ruler) -> float:
    """How far the lips stand before the line from nose to chin, plus half their height."""
    lips = head.landmarks[[51, 57]].mean(axis=0)
    line = head.landmarks[[33, 8]].mean(axis=0)
    height = _height(head, 51, 57) - _height(head, 62, 66)
    return float((lips - line) @ FORWARD * MM) + 0.5 * height


def ear_size(head: MeasuredHead, ruler: Ruler) -> float:
    """Spread of the left ear's vertices about their middle."""
    return float(np.linalg.norm(head.skin[ruler.ear()].std(axis=0)) * MM)


def eye_opening(head: MeasuredHead, ruler: Ruler) -> float:
    """Width plus height of the lid openings, mean of both eyes."""
    width = _distance(head, 36, 39) + _distance(head, 42, 45)
    height = sum(_distance(head, a, b) for a, b in ((37, 41), (38, 40), (43, 47), (44, 46)))
    return 0.5 * (width + 0.5 * height)


def eye_tilt(head: MeasuredHead, ruler: Ruler) -> float:
    """Height of the outer over the inner corners of the eyes, mean of both."""
    return 0.5 * (_height(head, 36, 39) + _height(head, 45, 42))
