"""Marching cubes without compiled code: closed, oriented, and the surface of the compiled one."""

import numpy as np
import pytest

from avatarmmc_blender.meshing import marching_cubes as module


def sphere(size: int, radius: float) -> np.ndarray:
    axis = np.linspace(-1.0, 1.0, size)
    return np.sqrt(sum(np.square(np.meshgrid(axis, axis, axis, indexing="ij")))) - radius


def noise(size: int) -> np.ndarray:
    volume = np.ones((size,) * 3)
    volume[1:-1, 1:-1, 1:-1] = np.random.default_rng(3).normal(size=(size - 2,) * 3)
    return volume


def directed_edges(triangles: np.ndarray) -> np.ndarray:
    return np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])


def signed_volume(vertices: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = np.moveaxis(vertices[triangles], 1, 0)
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


@pytest.mark.parametrize("volume", [sphere(20, 0.7), noise(14)], ids=["sphere", "noise"])
def test_every_edge_is_used_once_in_each_direction(volume):
    _, triangles = module.marching_cubes_numpy(volume, 0.0)
    edges = directed_edges(triangles)
    forward, forward_counts = np.unique(edges, axis=0, return_counts=True)
    backward, backward_counts = np.unique(edges[:, ::-1], axis=0, return_counts=True)
    assert np.array_equal(forward, backward)
    assert np.array_equal(forward_counts, backward_counts)


def test_sphere_has_its_volume_and_faces_the_smaller_values():
    vertices, triangles = module.marching_cubes_numpy(-sphere(41, 0.7), 0.0)
    volume = signed_volume((vertices - 20.0) / 20.0, triangles)
    assert volume == pytest.approx(4.0 / 3.0 * np.pi * 0.7**3, rel=5e-3)


def test_agrees_with_the_compiled_version():
    mcubes = pytest.importorskip("mcubes")
    for volume in (sphere(24, 0.6), noise(12)):
        vertices, triangles = module.marching_cubes_numpy(volume, 0.1)
        reference, reference_triangles = mcubes.marching_cubes(volume, 0.1)
        ours = vertices[np.lexsort(np.round(vertices, 6).T)]
        theirs = reference[np.lexsort(np.round(reference, 6).T)]
        assert np.allclose(ours, theirs, atol=1e-6)
        assert signed_volume(vertices, triangles) == pytest.approx(
            signed_volume(reference, reference_triangles), rel=0.02
        )


def test_a_flat_array_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        module.marching_cubes_numpy(np.zeros((1, 5, 5)), 0.0)
