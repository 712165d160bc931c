"""Heads made as the product makes them, without Blender, ready to be measured.

Only what a finished head consists of is kept: fitted skin, albedo, hair, eyes and accessories.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from avatarmmc_blender.meshing import labels
from avatarmmc_blender.meshing.anchors import AccessoryAnchors
from avatarmmc_blender.meshing.bake import bake_albedo
from avatarmmc_blender.meshing.earrings import build_earrings
from avatarmmc_blender.meshing.fit import fit_template
from avatarmmc_blender.meshing.geometry import NearestOnMesh, vertex_normals
from avatarmmc_blender.meshing.glasses import build_glasses
from avatarmmc_blender.meshing.hair_surface import HairSurface, extract_hair, sample_surface
from avatarmmc_blender.meshing.iris_texture import paint_eye
from avatarmmc_blender.meshing.part_values import PartValues
from avatarmmc_blender.meshing.rigged_head import Part
from avatarmmc_blender.meshing.surface import extract_surface
from avatarmmc_blender.meshing.template import Template
from avatarmmc_blender.meshing.texel_map import texel_map
from avatarmmc_blender.models import LoadedModel

RESOLUTION = 96
TEXTURE = 384
EYE_TEXTURE = 128


@dataclass(frozen=True)
class MeasuredHead:
    """One finished head: meshes in metres (model frame), colours sRGB 0..1.

    skin (W, 3) is the fitted guide surface and landmarks (68, 3) lie on it; texel_color (N, 3) are
    the albedo's texels at the canonical places `Ruler.texel_place`; hair and beard are closed
    meshes with the height of each vertex over the skin, or None where they are only paint.
    """

    skin: np.ndarray
    landmarks: np.ndarray
    texel_color: np.ndarray
    hair: HairSurface | None
    beard: HairSurface | None
    eye_image: np.ndarray
    glasses: Part | None
    earrings: Part | None


class Ruler:
    """What measuring needs to know of the template: landmarks, zones and shape patterns."""

    def __init__(self, model: LoadedModel, texture: int = TEXTURE) -> None:
        self.template: Template = model.template
        self.directions = {
            name: value.double().cpu().numpy()
            for name, value in model.generator.model.directions.items()
        }
        cage = self.template.cage_vertices
        self.landmarks = np.searchsorted(cage, model.generator.model.landmarks.cpu().numpy())
        texels = texel_map(self.template, self.template.surface_uvs, texture)
        skin = self.template.surface_region[texels.triangle] == self.template.REGION_SKIN
        self.texels = texels.texel[skin]
        place = texels.interpolate(self.template.surface_canonical, self.template.surface_faces)
        self.texel_place = place[skin]
        self.texture = texture

    def direction(self, parts: dict[str, float]) -> np.ndarray:
        """Weighted sum of semantic directions (S,), unit length."""
        total = sum(weight * self.directions[name] for name, weight in parts.items())
        return total / np.linalg.norm(total)

    def identity(self, skin: np.ndarray) -> np.ndarray:
        """Least-squares coordinates (S,) of a mesh (W, 3) in the identity basis."""
        moved = (skin - self.template.surface_rest).ravel()
        return self._identity_solver @ moved

    @cached_property
    def _identity_solver(self) -> np.ndarray:
        shapes = self.template.surface_shapes
        return np.linalg.pinv(shapes.reshape(-1, shapes.shape[-1]))

    def ear(self) -> np.ndarray:
        """Guide vertices (W,) bool of the left ear."""
        mask = self.template.masks_on_surface("ears") > 0.5
        return mask & (self.template.surface_canonical[:, 0] > 0)


def finish_head(field, ruler: Ruler, resolution: int = RESOLUTION) -> MeasuredHead:
    """Return the finished head of a field; raises ValueError where the pipeline would."""
    template = ruler.template
    surface = extract_surface(field, resolution)
    cage = fit_template(field, surface, template).vertices
    skin = template.surface(cage)
    image = bake_albedo(field, skin, template, ruler.texture).image
    head_distance = NearestOnMesh(skin, template.surface_faces).signed_distance
    vertices = np.asarray(surface.vertices, np.float64)
    normals = vertex_normals(vertices, surface.faces)
    samples = sample_surface(field, vertices, normals)
    hair, beard = (
        extract_hair(vertices, normals, samples, label, head_distance)
        for label in (labels.HAIR, labels.BEARD)
    )
    values = PartValues.of(field.part_values)
    anchors = AccessoryAnchors.of(template, cage)
    return MeasuredHead(
        skin=skin,
        landmarks=skin[ruler.landmarks],
        texel_color=image.reshape(-1, 3)[ruler.texels] / 255.0,
        hair=hair,
        beard=beard,
        eye_image=paint_eye(values.iris, values.iris_radius, EYE_TEXTURE) / 255.0,
        glasses=build_glasses(values, anchors, head_distance),
        earrings=build_earrings(values, anchors, head_distance),
    )
