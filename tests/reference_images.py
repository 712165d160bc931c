"""Exact images of a generated head, slowly: its field and its parts sphere-traced ray by ray."""

from __future__ import annotations

import numpy as np
import torch

from avatarmmc_blender.backend.generator.cameras import orbit_camera
from avatarmmc_blender.backend.generator.field import GeneratedField
from avatarmmc_blender.backend.parts.anchors import PartAnchors
from avatarmmc_blender.backend.parts.compose import part_distance, sample_parts
from avatarmmc_blender.backend.synthetic.images import camera_rays
from avatarmmc_blender.backend.synthetic.labels import official_labels

CENTRE, REACH = (0.0, 0.075, 0.0), 0.32
STEPS, HIT = 96, 0.0003


def front_camera(yaw: float, distance: float = 1.5) -> torch.Tensor:
    """A camera (4, 4) around the middle of the head."""
    where = torch.tensor([yaw]), torch.tensor([0.05])
    return orbit_camera(*where, distance, torch.tensor([0.0, 0.06, 0.0]))[0]


def exact_image(generator, ws, expression, cam2world, intrinsics, size):
    """Colour (S, S, 3) and label (S, S) at the middles of the pixels, zero where nothing is."""
    field = GeneratedField(generator, ws, expression)
    anchors = PartAnchors.from_vertices(generator.model, field.vertices)
    origin, direction = camera_rays(cam2world[None], intrinsics[None], size)
    origin, direction = origin[0], direction[0]

    def distances(points):
        skin = torch.from_numpy(field.sdf(points.numpy()))
        return skin, part_distance(points[None], anchors, field.part_values)[0]

    along = ((origin.new_tensor(CENTRE) - origin) * direction).sum(-1)
    depth, found = along - REACH, torch.zeros(len(along), dtype=torch.bool)
    running = torch.arange(len(along))
    for _ in range(STEPS):
        skin, parts = distances(origin[running] + depth[running, None] * direction[running])
        nearest = torch.minimum(skin, parts)
        found[running[nearest < HIT]] = True
        depth[running] += 0.7 * nearest.clamp_min(HIT)
        running = running[(nearest >= HIT) & (depth[running] < along[running] + REACH)]
    hit = found.nonzero()[:, 0]
    points = origin[hit] + depth[hit, None] * direction[hit]
    sample = field.sample(points.numpy().astype(np.float32))
    lids = field.closest(points)[0].abs()[None]
    parts = sample_parts(points[None], anchors, field.part_values, lids)
    on_part = parts.sdf[0] < torch.from_numpy(sample.sdf)
    color, label = torch.zeros(size * size, 3), torch.zeros(size * size, dtype=torch.int64)
    own = torch.from_numpy(sample.color)
    color[hit] = torch.where(on_part[:, None], parts.color[0], own)
    own = torch.from_numpy(sample.labels).argmax(-1)
    label[hit] = official_labels(torch.where(on_part, parts.label[0], own))
    return color.view(size, size, 3), label.view(size, size)
