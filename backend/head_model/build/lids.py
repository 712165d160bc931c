"""A blink that covers the whole eyeball: lids closed on every identity and kept off the ball."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .closing import LIDS, RimClosing, edge_graph
from .stylise import smoothstep

# Amount of the blink -> clearance of the lid from the eyeball, metres.
CLEARANCES = {0.5: 0.0002, 0.75: 0.0003, 1.0: 0.0004}
CORNEA_HEIGHT = 0.0011
CORNEA_ANGLE = np.radians(24.0)
LID_TRAVEL = 0.0008  # metres; vertices that move less in a blink are not lids
SMOOTHING_ROUNDS = 6


@dataclass(frozen=True)
class Eye:
    """One eye of the average head: eyeball, lid margins (corner to corner) and lid skin."""

    centre: np.ndarray
    radius: float
    gaze: np.ndarray
    upper: np.ndarray  # vertex ids of the upper margin
    lower: np.ndarray
    outside: np.ndarray  # (N,) bool: outer skin from the margins on


def blink(
    mean: np.ndarray, shapes: np.ndarray, offset: np.ndarray, quads: np.ndarray,
    surface_rows: sparse.csr_matrix, eye: Eye,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mended blink offset (N,3) and its identity correctives (K,N,3).

    The correctives, times amount and shape coefficients, undo the identity's own height of the
    lid opening, which a blink that is linear in the amount alone would leave open or fold.
    """
    closing = RimClosing(mean, mean + offset, quads, surface_rows, eye.upper, eye.lower, LIDS)
    offset = closing.close(mean + offset) - mean
    offset = keep_off(mean, offset, quads, eye)
    correctives = closing.close(shapes, overlap=False) - shapes
    return offset, correctives


def keep_off(mean: np.ndarray, offset: np.ndarray, quads: np.ndarray, eye: Eye) -> np.ndarray:
    """Return the offset with lids pushed radially out of eyeball and cornea along the way.

    A vertex on a straight path between two points of a sphere passes under it, most at half way.
    """
    lid = eye.outside & (np.linalg.norm(offset, axis=1) > LID_TRAVEL)
    lid &= (mean - eye.centre) @ eye.gaze > 0
    needed = np.zeros(len(mean))
    outward = np.zeros_like(mean)
    for amount, clearance in CLEARANCES.items():
        arm = mean + amount * offset - eye.centre
        length = np.linalg.norm(arm, axis=1)
        direction = arm / length[:, None]
        cosine = direction @ eye.gaze
        cornea = CORNEA_HEIGHT * smoothstep(cosine, np.cos(CORNEA_ANGLE), 1.0)
        missing = (eye.radius + cornea + clearance - length) / amount
        worse = lid & (missing > needed)
        needed[worse] = missing[worse]
        outward[worse] = direction[worse]
    return offset + _spread(needed[:, None] * outward, mean, quads)


def _spread(push: np.ndarray, mean: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Return the push with a smooth skirt: neighbours follow, no vertex gets less than it needs."""
    graph = edge_graph(mean, quads)
    graph.data[:] = 1
    average = sparse.diags(1 / np.asarray(graph.sum(1)).ravel().clip(1)) @ graph
    result = push.copy()
    needed = np.linalg.norm(push, axis=1)
    for _ in range(SMOOTHING_ROUNDS):
        result = 0.5 * result + 0.5 * (average @ result)
        short = np.linalg.norm(result, axis=1) < needed
        result[short] = push[short]
    return result
