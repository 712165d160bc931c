"""Colours as the bytes of a picture."""

import numpy as np


def to_bytes(color: np.ndarray) -> np.ndarray:
    """Return colours or normals in 0..1, of any shape, as uint8."""
    return (np.clip(color, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
