"""A synthetic head as a meshing field: stands in for the generator's field in tests."""

from __future__ import annotations

import numpy as np
import torch

from avatarmmc_blender.backend.conditions.attributes import apply_attributes
from avatarmmc_blender.backend.synthetic.head import SyntheticHeads
from avatarmmc_blender.backend.synthetic.labels import LABELS
from avatarmmc_blender.backend.synthetic.latent import sample_latents
from avatarmmc_blender.meshing.field import FieldSample
from avatarmmc_blender.meshing.geometry import vertex_normals
from avatarmmc_blender.meshing.surface import Mesh


class SyntheticField:
    """The closed-form head of a latent (104,) at neutral, behind the Field protocol."""

    bounds = np.array([[-0.235, -0.16, -0.235], [0.235, 0.31, 0.235]])

    def __init__(self, latent, model, expression=None):
        latent = torch.as_tensor(latent, dtype=torch.float32)[None]
        if expression is None:
            expression = torch.zeros(1, 52)
        self.heads = SyntheticHeads(latent, expression, model)
        self.part_values = self.heads.part_values

    @classmethod
    def of_seed(cls, seed, model, **attributes):
        """The head of `seed`, drawn a little towards the average, with some attributes set."""
        return cls(apply_attributes(sample_latents(1, seed, 0.8)[0], attributes, model), model)

    def shrink_wrap(self, rounds=3):
        """A closed mesh near the field's surface: the guide surface moved along its normals.

        Much faster than marching cubes; holds only for hair that does not hang free.
        """
        vertices = self.heads.surface[0].numpy().astype(np.float64)
        faces = self.heads.model.surface_faces.numpy()
        normals = vertex_normals(vertices, faces)
        for _ in range(rounds):
            vertices = vertices - self.sdf(vertices)[:, None] * normals
        return Mesh(vertices.astype(np.float32), faces.astype(np.int32))

    def sdf(self, points):
        return self._evaluate(points).sdf[0].numpy()

    def sample(self, points):
        samples = self._evaluate(points)
        labels = torch.nn.functional.one_hot(samples.label[0], len(LABELS))
        return FieldSample(
            sdf=samples.sdf[0].numpy(),
            color=samples.color[0].numpy(),
            labels=labels.float().numpy(),
            canonical=samples.canonical[0].numpy(),
        )

    def sample_guide(self, triangle, bary):
        """Values at points of the guide surface itself, where no search is needed."""
        model = self.heads.model
        corners = model.surface_faces[torch.as_tensor(triangle)]
        weights = torch.as_tensor(bary, dtype=torch.float32)

        def interpolate(values):
            shape = (*weights.shape, *[1] * (values.ndim - 1))
            return (values[corners] * weights.reshape(shape)).sum(1)[None]

        canonical = interpolate(model.surface_canonical)
        samples = self.heads.guided(
            canonical,
            torch.zeros(canonical.shape[:2]),
            interpolate(self.heads.surface[0]),
            interpolate(model.surface_ao),
            interpolate(model.surface_tongue),
        )
        labels = torch.nn.functional.one_hot(samples.label[0], len(LABELS))
        return FieldSample(
            sdf=samples.sdf[0].numpy(),
            color=samples.color[0].numpy(),
            labels=labels.float().numpy(),
            canonical=canonical[0].numpy(),
        )

    def _evaluate(self, points):
        points = torch.as_tensor(np.ascontiguousarray(points), dtype=torch.float32)[None]
        with torch.no_grad():
            return self.heads.evaluate(points, parts=False)
