"""Random heads of anny: average, principal shape directions and ARKit offsets."""

from __future__ import annotations

from dataclasses import dataclass

import anny
import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

SHAPE_COUNT = 64
HEAD_COUNT = 3000
BATCH = 100
# Root mean square distance of the upper head from the eyes' midpoint, metres.
UPPER_HEAD_RADIUS = 0.1025
# 1 would remove all variance of size.
SIZE_NORMALISATION = 0.8
SKULL_ABOVE = 0.735  # metres in anny's rest pose: bone that no expression moves
UPPER_ABOVE = 0.63
DETAIL_DEVIATION = 0.22
ASYMMETRY = 0.05
DETAIL_REGIONS = ("nose", "mouth", "chin", "eyebrows", "forehead", "head", "neck")
PAIRED_REGIONS = tuple(f"{side}-{name}" for side in "lr" for name in ("cheek", "eye", "ear"))
RIGID_DETAILS = (
    "head-trans-out",
    "head-trans-up",
    "head-trans-forward",
    "neck-trans-out",
    "head-angle-out",
    "mouth-trans-out",
    "nose-trans-out",
)


@dataclass(frozen=True)
class HeadStatistics:
    """Linear statistics of random heads on anny's own vertices (N), metres, eyes at the origin."""

    mean: np.ndarray  # (N,3)
    shapes: np.ndarray  # (64,N,3) per standard deviation
    expressions: np.ndarray  # (52,N,3)
    expression_names: tuple[str, ...]
    quads: np.ndarray  # (M,4)
    component: np.ndarray  # (N,) 0 skin, 1 tongue, 2 left eye, 3 right eye
    scale: float  # from anny's metres to the model's


class AnnyHead:
    """anny's head with all details, and the normalisation of position and size."""

    def __init__(self) -> None:
        self.model = anny.create_head_model(
            all_phenotypes=True, local_changes="all", facial_actions="all"
        )
        self.quads = self.model.faces.numpy().astype(np.int64)
        self.component = _components(self.quads)
        rest = self._rest({"gender": torch.tensor([0.5]), "age": torch.tensor([0.6])})[0]
        self.upper = (self.component == 0) & (rest[:, 2] > UPPER_ABOVE)

    def _rest(self, phenotype: dict, details: dict | None = None) -> np.ndarray:
        with torch.no_grad():
            result = self.model(
                phenotype_kwargs=phenotype, local_changes_kwargs=details or {}
            )
        return result["rest_vertices"].numpy()

    def rest(self, phenotype: dict, details: dict | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return normalised rest heads (B,N,3) and their scales (B,)."""
        heads = self._rest(phenotype, details)
        scales = np.empty(len(heads))
        for index, head in enumerate(heads):
            eyes = [sphere_fit(head[self.component == part])[0] for part in (2, 3)]
            head = head - 0.5 * (eyes[0] + eyes[1])
            radius = np.sqrt((head[self.upper] ** 2).sum(1).mean())
            scales[index] = (UPPER_HEAD_RADIUS / radius) ** SIZE_NORMALISATION
            heads[index] = head * scales[index]
        return heads, scales


def head_statistics(anny_head: AnnyHead) -> HeadStatistics:
    """Sample heads with fixed seeds and return their average, shape axes and expressions."""
    torch.manual_seed(0)
    batches = [_random_heads(anny_head) for _ in range(HEAD_COUNT // BATCH)]
    heads = np.concatenate([heads for heads, _ in batches])
    scale = float(np.concatenate([scales for _, scales in batches]).mean())
    mean = heads.mean(0)
    shapes = _principal_shapes((heads - mean).reshape(HEAD_COUNT, -1))
    return HeadStatistics(
        mean=mean.astype(np.float32).astype(float),
        shapes=shapes.reshape(SHAPE_COUNT, -1, 3),
        expressions=_expressions(anny_head) * scale,
        expression_names=tuple(anny_head.model.facial_action_labels),
        quads=anny_head.quads,
        component=anny_head.component,
        scale=scale,
    )


def detail_names(model: torch.nn.Module) -> list[str]:
    """Return anny's local changes that belong to the face, without rigid shifts of the head."""
    chosen = []
    for label in model.local_change_labels:
        in_face = label.split("-")[0] in DETAIL_REGIONS or label.startswith(PAIRED_REGIONS)
        if in_face and label not in RIGID_DETAILS:
            chosen.append(label)
    return chosen


def base_name(label: str) -> str:
    """Return a local change's name without its side."""
    return label[2:] if label[:2] in ("l-", "r-") else label


def sphere_fit(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Return centre and radius of the least-squares sphere through points (N,3)."""
    design = np.c_[2 * points, np.ones(len(points))]
    solution = np.linalg.lstsq(design, (points**2).sum(1), rcond=None)[0]
    centre = solution[:3]
    return centre, float(np.sqrt(solution[3] + centre @ centre))


def rigid_transform(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rotation R and shift t with target ~ source @ R + t (Kabsch 1976)."""
    source_centre, target_centre = source.mean(0), target.mean(0)
    covariance = (source - source_centre).T @ (target - target_centre)
    left, _, right = np.linalg.svd(covariance)
    handedness = np.sign(np.linalg.det(left @ right))
    rotation = left @ np.diag([1.0, 1.0, handedness]) @ right
    return rotation, target_centre - source_centre @ rotation


def _components(quads: np.ndarray) -> np.ndarray:
    count = int(quads.max()) + 1
    edges = np.concatenate([quads[:, [corner, (corner + 1) % 4]] for corner in range(4)])
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def _random_heads(anny_head: AnnyHead) -> tuple[np.ndarray, np.ndarray]:
    """Return one batch of random heads and their scales."""
    model = anny_head.model

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(BATCH) * (high - low) + low

    phenotype = {label: torch.full((BATCH,), 0.5) for label in model.phenotype_labels}
    phenotype["gender"] = torch.sigmoid(torch.randn(BATCH) * 2.0)
    phenotype["age"] = uniform(0.52, 0.92)
    phenotype["muscle"] = uniform(0.25, 0.8)
    phenotype["weight"] = uniform(0.25, 0.85)
    phenotype["height"] = uniform(0.4, 0.6)
    phenotype["proportions"] = uniform(0.5, 1.0)
    ancestry = torch.distributions.Dirichlet(torch.full((3,), 0.6)).sample((BATCH,))
    phenotype["african"], phenotype["asian"], phenotype["caucasian"] = ancestry.T
    return anny_head.rest(phenotype, _random_details(detail_names(model)))


def _random_details(labels: list[str]) -> dict[str, torch.Tensor]:
    shared: dict[str, torch.Tensor] = {}
    for label in labels:
        if base_name(label) not in shared:
            shared[base_name(label)] = torch.randn(BATCH)
    details = {}
    for label in labels:
        base = base_name(label)
        deviation = DETAIL_DEVIATION * (0.6 if base.startswith("neck") else 1.0)
        amount = shared[base] * deviation
        if base != label:
            amount = amount + ASYMMETRY * torch.randn(BATCH)
        details[label] = amount.clamp(-0.8, 0.8)
    return details


def _principal_shapes(offsets: np.ndarray) -> np.ndarray:
    """Return the first principal axes (64,N*3) of offsets (H,N*3), scaled to unit variance."""
    count = len(offsets)
    eigenvalues, eigenvectors = np.linalg.eigh(offsets @ offsets.T / count)
    leading = eigenvectors[:, ::-1][:, :SHAPE_COUNT]
    deviations = np.sqrt(eigenvalues[::-1][:SHAPE_COUNT])
    axes = offsets.T @ leading / deviations / np.sqrt(count)
    coefficients = offsets @ axes @ np.linalg.inv(axes.T @ axes)
    return (axes * coefficients.std(0)).T


def _expressions(anny_head: AnnyHead) -> np.ndarray:
    """Return ARKit offsets (52,N,3) in anny's metres with the skull held still.

    anny's jawOpen tilts the head, so each expression is aligned rigidly on the skull first.
    """
    model = anny_head.model
    with torch.no_grad():
        neutral = model(facial_actions={})["vertices"][0].numpy()
        rest = model()["rest_vertices"][0].numpy()
    skull = (anny_head.component == 0) & (rest[:, 2] > SKULL_ABOVE)

    def aligned(vertices: np.ndarray) -> np.ndarray:
        rotation, shift = rigid_transform(vertices[skull], rest[skull])
        return vertices @ rotation + shift

    base = aligned(neutral)
    offsets = []
    for name in model.facial_action_labels:
        with torch.no_grad():
            moved = model(facial_actions={name: torch.tensor([1.0])})["vertices"][0].numpy()
        offsets.append(aligned(moved) - base)
    return np.stack(offsets)
