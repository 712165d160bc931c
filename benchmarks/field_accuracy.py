"""How close the generator's field is to the synthetic truth, on heads it never saw.

    python -m benchmarks.field_accuracy --heads 100

Distances are for a head scaled to 230 mm.  Truth and generator see the same latent; the generator's
mesh guidance comes from its own read-out.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avatarmmc_blender.backend.generator.field import GeneratedField
from avatarmmc_blender.backend.generator.generator import Generator
from avatarmmc_blender.backend.generator.weights import load_bundled
from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.backend.synthetic.hair_volume import hair_volume
from avatarmmc_blender.backend.synthetic.head import Samples, SyntheticHeads
from avatarmmc_blender.backend.synthetic.labels import LABELS
from avatarmmc_blender.backend.synthetic.latent import sample_latents

HELD_OUT_SEED = 900_000  # no training run draws from this seed
MODEL_HEIGHT_MM = 322.0
QUOTED_HEIGHT_MM = 230.0
TO_QUOTED_MM = 1e3 * QUOTED_HEIGHT_MM / MODEL_HEIGHT_MM
_HANGING_BOX = ((-0.16, -0.05, -0.21), (0.16, 0.30, 0.22))


@dataclass(frozen=True)
class Accuracy:
    """Errors over the held-out heads; distances in mm for a 230 mm head, colours of 255."""

    surface_mean: float
    surface_p95: float
    face_mean: float
    open_jaw_face: float
    blink_face: float
    color: float
    mean_iou: float
    iou: dict[str, float]


def surface_points(heads: SyntheticHeads, count: int, rng: torch.Generator) -> Tensor:
    """Points (N, 3) on the true surface of one head: skin, scalp hair and hanging hair."""
    model = heads.model
    visible = (model.surface_ao[model.surface_faces].mean(1) > 0.10).nonzero()[:, 0]
    corners = heads.surface[0][model.surface_faces[visible]]
    edges = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = torch.linalg.cross(*edges)
    face = torch.multinomial(normal.norm(dim=1), count, True, generator=rng)
    bary = torch.distributions.Dirichlet(torch.ones(3)).sample((count,))
    points = (corners[face] * bary[..., None]).sum(1)
    low, high = torch.tensor(_HANGING_BOX)
    hanging = low + (high - low) * torch.rand(8 * count, 3, generator=rng)
    near = hair_volume(hanging[None], heads.params, heads.measures)[0][0].abs() < 0.01
    points = torch.cat([points, hanging[near][: count // 3]])
    return project(heads, points)


def project(heads: SyntheticHeads, points: Tensor, steps: int = 3) -> Tensor:
    """Newton steps to the true zero level set; points that do not arrive are dropped."""
    h = 2e-4
    # differences at the corners of a tetrahedron give the gradient from four values
    corners = torch.tensor([[1.0, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
    for _ in range(steps):
        around = (points[:, None] + h * corners).reshape(1, -1, 3)
        values = heads.evaluate(around, parts=False).sdf[0].reshape(-1, 4)
        gradient = values @ corners / (4 * h)
        sdf = values.mean(1)
        step = sdf[:, None] * gradient / gradient.square().sum(1, keepdim=True).clamp_min(0.2)
        points = points - step.clamp(-0.02, 0.02)
    done = heads.evaluate(points[None], parts=False).sdf[0].abs() < 5e-5
    return points[done]


def errors_of_head(
    generator: Generator, z: Tensor, expression: Tensor, rng: torch.Generator, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of one head at its true surface: |sdf| mm, colour error, labels true and found, face mask."""
    heads = SyntheticHeads(z, expression, generator.model)
    points = surface_points(heads, count, rng)
    truth: Samples = heads.evaluate(points[None], parts=False)
    field = GeneratedField(generator, generator.mapping(z), expression)
    found = field.sample(points.numpy())
    p = truth.canonical[0].numpy()
    face = (p[:, 1] < 0.01) & (p[:, 2] < 0.06) & (p[:, 2] > -0.13)
    color = 255 * np.abs(found.color - truth.color[0].numpy()).mean(1)
    label = truth.label[0].numpy()
    return np.abs(found.sdf) * TO_QUOTED_MM, color, label, found.labels.argmax(1), face


def measure(generator: Generator, heads: int = 100, count: int = 1000) -> Accuracy:
    """Measure the field on `heads` held-out heads."""
    rng = torch.Generator().manual_seed(HELD_OUT_SEED)
    torch.manual_seed(HELD_OUT_SEED)
    latents = sample_latents(heads, HELD_OUT_SEED)
    neutral = torch.zeros(1, len(EXPRESSIONS))
    rows = [errors_of_head(generator, z[None], neutral, rng, count) for z in latents]
    distance, color, true, found, face = (np.concatenate(column) for column in zip(*rows))
    iou = label_iou(true, found)
    posed = {}
    for name, shapes in {
        "open_jaw_face": ("jawOpen",),
        "blink_face": ("eyeBlinkLeft", "eyeBlinkRight"),
    }.items():
        expression = neutral.clone()
        expression[0, [EXPRESSIONS.index(shape) for shape in shapes]] = 1.0
        some = latents[: max(1, heads // 4)]
        rows = [errors_of_head(generator, z[None], expression, rng, count) for z in some]
        posed[name] = float(np.concatenate([row[0][row[4]] for row in rows]).mean())
    return Accuracy(
        surface_mean=float(distance.mean()),
        surface_p95=float(np.percentile(distance, 95)),
        face_mean=float(distance[face].mean()),
        color=float(color.mean()),
        mean_iou=float(np.mean(list(iou.values()))),
        iou=iou,
        **posed,
    )


def label_iou(true: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Intersection over union of each class that occurs in the truth; beard counts as skin."""
    beard, skin = LABELS.index("beard"), LABELS.index("skin")
    true, found = (np.where(labels == beard, skin, labels) for labels in (true, found))
    out = {}
    for label, name in enumerate(LABELS):
        union = (true == label) | (found == label)
        if (true == label).sum() > 50:
            out[name] = float(((true == label) & (found == label)).sum() / union.sum())
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=100)
    args = parser.parse_args()
    accuracy = measure(load_bundled(), args.heads)
    for name, value in vars(accuracy).items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
