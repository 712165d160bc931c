"""The slow twin of the surface extraction: marching cubes on every point of the lattice."""

import numpy as np

from avatarmmc_blender.meshing.field import Field
from avatarmmc_blender.meshing.marching_cubes import marching_cubes
from avatarmmc_blender.meshing.surface import Mesh
from avatarmmc_blender.meshing.topology import largest_component

CHUNK = 1 << 18


def lattice_axes(field: Field, resolution: int) -> list[np.ndarray]:
    """Return the lattice coordinates along x, y and z; the longest side has `resolution` cells."""
    extent = field.bounds[1] - field.bounds[0]
    cells = np.maximum(np.rint(resolution * extent / extent.max()), 1).astype(int)
    return [
        low + (high - low) / count * np.arange(count + 1)
        for low, high, count in zip(*field.bounds, cells, strict=True)
    ]


def dense_values(field: Field, axes: list[np.ndarray], slabs: np.ndarray) -> np.ndarray:
    """Return distances (len(slabs), ny, nz) on the lattice planes x = axes[0][slabs]."""
    values = np.empty((len(slabs), len(axes[1]), len(axes[2])), np.float32)
    plane = np.stack(np.meshgrid(axes[1], axes[2], indexing="ij"), axis=-1).reshape(-1, 2)
    for row, slab in enumerate(slabs):
        points = np.insert(plane, 0, axes[0][slab], axis=1)
        chunks = [points[i : i + CHUNK] for i in range(0, len(points), CHUNK)]
        distances = np.concatenate([field.sdf(chunk) for chunk in chunks])
        values[row] = distances.reshape(values.shape[1:])
    return values


def dense_surface(field: Field, resolution: int) -> Mesh:
    """Return the largest component of the surface, evaluating the whole lattice."""
    axes = lattice_axes(field, resolution)
    values = dense_values(field, axes, np.arange(len(axes[0])))
    vertices, faces = marching_cubes(values, 0.0)
    vertices, faces = largest_component(vertices, faces[:, ::-1])
    step = np.array([axis[1] - axis[0] for axis in axes])
    positions = vertices * step + [axis[0] for axis in axes]
    return Mesh(positions.astype(np.float32), faces.astype(np.int32))
