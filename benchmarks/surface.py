"""Time the adaptive surface extraction against the dense reference, in one process on one field.

    python -m benchmarks.surface [--resolution 512] [--slabs 8] [--seed 0]

The dense reference evaluates every lattice point with `field.sdf`. Where that would take hours,
`slabs` lattice planes spread evenly over the box are evaluated and their time is scaled up.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from scipy.spatial import cKDTree

from avatarmmc_blender.meshing.field import Field
from avatarmmc_blender.meshing.surface import Mesh, extract_surface
from tests.reference_surface import dense_surface, dense_values, lattice_axes


def measure(field: Field, resolution: int = 512, slabs: int | None = None) -> dict[str, float]:
    """Return seconds of both ways on `field`, their ratio and how far the surfaces differ.

    With `slabs` the dense time is that of so many lattice planes times their share, without its
    marching cubes, and the surfaces are not compared.
    """
    field.sdf(np.asarray(field.bounds, float).mean(axis=0, keepdims=True))
    start = time.perf_counter()
    mesh = extract_surface(field, resolution)
    adaptive_seconds = time.perf_counter() - start

    result = {"resolution": resolution, "vertices": len(mesh.vertices), "faces": len(mesh.faces)}
    if slabs is None:
        start = time.perf_counter()
        reference = dense_surface(field, resolution)
        dense_seconds = time.perf_counter() - start
        result["evaluated_share"] = 1.0
        result["difference_voxels"] = difference(mesh, reference, field, resolution)
    else:
        axes = lattice_axes(field, resolution)
        count = len(axes[0])
        chosen = np.unique(((np.arange(slabs) + 0.5) / slabs * count).astype(int))
        start = time.perf_counter()
        dense_values(field, axes, chosen)
        dense_seconds = (time.perf_counter() - start) * count / len(chosen)
        result["evaluated_share"] = len(chosen) / count
    return result | {
        "adaptive_seconds": adaptive_seconds,
        "dense_seconds": dense_seconds,
        "ratio": dense_seconds / adaptive_seconds,
    }


def difference(mesh: Mesh, reference: Mesh, field: Field, resolution: int) -> float:
    """Return the greatest distance between vertices of two meshes and the other, in voxels."""
    there, _ = cKDTree(reference.vertices).query(mesh.vertices)
    back, _ = cKDTree(mesh.vertices).query(reference.vertices)
    voxel = float(np.ptp(field.bounds, axis=0).max() / resolution)
    return float(max(there.max(), back.max()) / voxel)


def bundled_field(seed: int) -> Field:
    """Return the field of the bundled generator's head for a seed."""
    from avatarmmc_blender.backend.generator.field import GeneratedField
    from avatarmmc_blender.backend.generator.weights import load_bundled
    from avatarmmc_blender.backend.synthetic.latent import sample_latents

    generator = load_bundled()
    return GeneratedField(generator, generator.mapping(sample_latents(1, seed)))


def main() -> None:
    """Print the measurement of the bundled generator as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=512)
    parser.add_argument("--slabs", type=int, help="evaluate only so many planes of the reference")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    field = bundled_field(arguments.seed)
    print(json.dumps(measure(field, arguments.resolution, arguments.slabs), indent=2))


if __name__ == "__main__":
    main()
