"""Ambient occlusion of the average guide surface by ray casting."""

from __future__ import annotations

import numpy as np
import trimesh
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh

RAYS = 192
REACH = 0.06  # metres; farther surfaces do not darken
LIFT = 4e-4  # metres; keeps rays off their own triangle


def ambient_occlusion(
    vertices: np.ndarray, triangles: np.ndarray, eyes: list[tuple[np.ndarray, float]]
) -> np.ndarray:
    """Return the open share (W,) of each vertex' cosine-weighted hemisphere, eyeballs included."""
    rng = np.random.default_rng(0)
    normals = trimesh.Trimesh(vertices, triangles, process=False).vertex_normals
    scene = rtcore_scene.EmbreeScene()
    ball = trimesh.creation.icosphere(3)
    soup = [vertices[triangles]]
    soup += [(ball.vertices * radius + centre)[ball.faces] for centre, radius in eyes]
    TriangleMesh(scene, np.concatenate(soup).astype(np.float32))
    origins = (vertices + normals * LIFT).astype(np.float32)
    open_count = np.zeros(len(vertices))
    for _ in range(RAYS):
        direction = rng.normal(size=vertices.shape)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        direction += normals  # a unit vector plus the normal is cosine-weighted
        direction /= np.linalg.norm(direction, axis=1, keepdims=True) + 1e-9
        hit = scene.run(origins, direction.astype(np.float32), output=True)
        open_count += (hit["primID"] < 0) | (hit["tfar"] > REACH)
    return open_count / RAYS
