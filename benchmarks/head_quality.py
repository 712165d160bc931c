"""How good finished heads are: fit, closed lids and lips, closed hair, sound rig.

    python -m benchmarks.head_quality [--heads 100]

Lengths and areas are for a head scaled to 230 mm, on heads of held-out seeds.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.backend.synthetic.latent import sample_latents
from avatarmmc_blender.bundled_pipeline import make_field
from avatarmmc_blender.meshing import labels
from avatarmmc_blender.meshing.eyes import build_eyes
from avatarmmc_blender.meshing.fit import fit_template
from avatarmmc_blender.meshing.geometry import as_triangles
from avatarmmc_blender.meshing.head_part import build_head_part
from avatarmmc_blender.meshing.part_values import PartValues
from avatarmmc_blender.meshing.rigged_head import Part, RiggedHead
from avatarmmc_blender.meshing.surface import extract_surface
from avatarmmc_blender.meshing.teeth import build_teeth
from avatarmmc_blender.meshing.template import Template
from avatarmmc_blender.meshing.topology import open_edge_count
from avatarmmc_blender.meshing.transfer import transfer_expressions
from avatarmmc_blender.models import LoadedModel, load_model
from avatarmmc_blender.pipeline import generate
from avatarmmc_blender.settings import GenerateSettings

from .depth_buffer import Window, turned, visible_triangles
from .field_accuracy import HELD_OUT_SEED, TO_QUOTED_MM

logger = logging.getLogger(__name__)

TRUNCATION = 1.0
RESOLUTION = 128
PIXEL = 0.0003  # m
YAWS = (0.0, np.radians(35.0), np.radians(-35.0))
EYE_HALF, MOUTH_HALF = (0.026, 0.020), (0.050, 0.030)
BLINK = ("eyeBlinkLeft", "eyeBlinkRight")
BARE, OPEN = 0.85, 0.15  # least label probability and openness of visible skin


@dataclass(frozen=True)
class Quality:
    """Means over heads; distances in mm, areas in mm2 of the picture plane at 230 mm.

    Areas are the largest over the views from the front and 35 degrees to both sides.
    """

    heads: int
    fit_mean: float
    fit_p95: float
    eyeball_at_blink: float
    eyeball_at_blink_worst: float
    eyeball_at_rest: float
    mouth_at_rest: float
    mouth_at_rest_worst: float
    complete_heads: int
    hair_parts: int
    open_hair_parts: int
    weight_error: float
    heads_with_all_keys: int


@dataclass(frozen=True)
class _Views:
    distance: np.ndarray
    eyeball_at_blink: float
    eyeball_at_rest: float
    mouth_at_rest: float


def measure(model: LoadedModel, heads: int = 100, complete: int | None = None) -> Quality:
    """Measure `heads` fitted heads, and `complete` (a tenth of them) with hair and textures."""
    interior = interior_faces(model.template)
    views = []
    for seed in range(HELD_OUT_SEED, HELD_OUT_SEED + heads):
        latent = sample_latents(1, seed, TRUNCATION)[0].numpy()
        try:
            views.append(_view(make_field(latent, model, "cpu"), model.template, interior))
        except ValueError as error:
            logger.warning("seed %d gives no head: %s", seed, error)
    distance = np.concatenate([view.distance for view in views])
    blink = [view.eyeball_at_blink for view in views]
    mouth = [view.mouth_at_rest for view in views]
    complete = max(1, heads // 10) if complete is None else complete
    finished = [
        generate(GenerateSettings(HELD_OUT_SEED + k, resolution=RESOLUTION, texture=128))[0].rigged
        for k in range(complete)
    ]
    hair = [part for head in finished for part in head.parts if part.name in ("Hair", "Beard")]
    return Quality(
        heads=len(views),
        fit_mean=float(distance.mean()),
        fit_p95=float(np.percentile(distance, 95)),
        eyeball_at_blink=float(np.mean(blink)),
        eyeball_at_blink_worst=float(np.max(blink)),
        eyeball_at_rest=float(np.mean([view.eyeball_at_rest for view in views])),
        mouth_at_rest=float(np.mean(mouth)),
        mouth_at_rest_worst=float(np.max(mouth)),
        complete_heads=len(finished),
        hair_parts=len(hair),
        open_hair_parts=sum(open_edge_count(part.faces, len(part.vertices)) > 0 for part in hair),
        weight_error=max(_weight_error(head) for head in finished),
        heads_with_all_keys=sum(
            tuple(head.parts[0].shape_keys) == tuple(EXPRESSIONS) for head in finished
        ),
    )


def _weight_error(head: RiggedHead) -> float:
    return max(float(np.abs(part.weights.sum(axis=1) - 1.0).max()) for part in head.parts)


def _view(field, template: Template, interior: np.ndarray) -> _Views:
    """Fit one head and look at its eyes and mouth."""
    surface = extract_surface(field, RESOLUTION)
    fitted = fit_template(field, surface, template)
    expressions = transfer_expressions(template, fitted.betas)
    blank = np.zeros((8, 8, 3), np.uint8)
    values = PartValues.of(field.part_values)
    head = build_head_part(template, fitted.vertices, expressions, blank)
    eyes = build_eyes(template, fitted.vertices, expressions, values.iris, values.iris_radius, 8)
    teeth = build_teeth(template, fitted.vertices, expressions)
    parts = [head, eyes] + ([teeth] if teeth is not None else [])
    return _Views(
        distance=skin_distance(field, template, fitted.vertices),
        eyeball_at_blink=eyeball_area(parts, BLINK),
        eyeball_at_rest=eyeball_area(parts, ()),
        mouth_at_rest=mouth_area(parts, interior, template),
    )


def skin_distance(field, template: Template, cage: np.ndarray) -> np.ndarray:
    """Distance (M,) in mm from the fitted template's visible skin vertices to the field."""
    guide = template.surface(cage)
    sample = field.sample(guide)
    bare = sample.labels[:, labels.BARE_SKIN].sum(axis=1) > BARE
    visible = bare & template.surface_skin & (template.surface_ao > OPEN)
    return np.abs(sample.sdf[visible]) * TO_QUOTED_MM


def interior_faces(template: Template) -> np.ndarray:
    """Faces (F,) bool of the part "Head" that line the mouth, tongue included.

    Told by the texture layout, which sets the mouth's lining apart.
    """
    textured = template.surface_uv_faces[:, 0] >= 0
    tree = cKDTree(template.surface_uvs[textured].mean(axis=1))
    quads = template.uvs[template.uv_faces[template.skin_face_ids]].mean(axis=1)
    region = template.surface_region[textured][tree.query(quads)[1]]
    return np.isin(region, (template.REGION_MOUTH, template.REGION_TONGUE))


def _seen(parts: list[Part], keys: tuple[str, ...], yaw: float, centre, half) -> np.ndarray:
    """Index of the part and its triangle (P, 2) seen at each pixel that shows anything."""
    points, triangles, owners = [], [], []
    count = 0
    for index, part in enumerate(parts):
        moved = part.vertices.astype(np.float64)
        for key in keys:
            moved = moved + part.shape_keys.get(key, 0.0)
        own = as_triangles(part.faces)
        points.append(turned(moved, yaw))
        triangles.append(own + count)
        owners.append(np.stack([np.full(len(own), index), np.arange(len(own))], axis=1))
        count += len(moved)
    window = Window(tuple(turned(centre[None], yaw)[0, :2]), half, PIXEL)
    seen = visible_triangles(np.concatenate(points), np.concatenate(triangles), window)
    return np.concatenate(owners)[seen[seen >= 0]]


def _square_mm(pixels: int) -> float:
    return float(pixels * (PIXEL * TO_QUOTED_MM) ** 2)


def eyeball_area(parts: list[Part], keys: tuple[str, ...]) -> float:
    """Visible area (mm2) of both eyeballs with shape keys at 1; the largest over the views."""
    eyes = parts[1]
    half = len(eyes.vertices) // 2
    centres = (eyes.vertices[:half].mean(axis=0), eyes.vertices[half:].mean(axis=0))
    areas = []
    for yaw in YAWS:
        seen = [_seen(parts, keys, yaw, centre, EYE_HALF) for centre in centres]
        areas.append(_square_mm(sum(int((owner[:, 0] == 1).sum()) for owner in seen)))
    return max(areas)


def mouth_area(parts: list[Part], interior: np.ndarray, template: Template) -> float:
    """Visible area (mm2) of teeth and mouth lining at rest; the largest over the views."""
    head = parts[0]
    inside = np.concatenate([interior, interior])  # quads are split into two halves
    rows = np.searchsorted(template.cage_vertices, template.rims["mouth_upper"])
    centre = head.vertices[rows].mean(axis=0)
    areas = []
    for yaw in YAWS:
        owner, triangle = _seen(parts, (), yaw, centre, MOUTH_HALF).T
        lining = (owner == 0) & inside[np.where(owner == 0, triangle, 0)]
        areas.append(_square_mm(int((lining | (owner == 2)).sum())))
    return max(areas)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", type=int, default=100)
    arguments = parser.parse_args()
    for name, value in vars(measure(load_model("cpu"), arguments.heads)).items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
