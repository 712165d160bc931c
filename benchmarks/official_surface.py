"""Time surfaces of a full-size official generator: adaptive, dense, and the public programs' way.

Seconds are this process's own. The public programs ask for a lattice in batches of a million
points and run all networks again for each; their way is worked out from the plain implementation's
time for the planes and for a point.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from avatarmmc_blender.backend.official.field import OfficialField
from avatarmmc_blender.backend.official.next3d import Next3D
from avatarmmc_blender.meshing.surface import extract_surface
from tests import reference_next3d as plain
from tests.reference_surface import dense_surface, dense_values, lattice_axes

BATCH = 1_000_000  # points that the public programs ask for at a time
PLAIN_POINTS = 1 << 17  # by which the plain way's time for a point is measured
WHOLE_LATTICE = 256  # the dense path is timed in full up to here
SLABS = 6  # lattice planes by which it is scaled up beyond
SMOOTH_TEXELS = 7  # what is left of 256 texels a side in the smooth field
HEADING = f"""\
Seconds of one thread for the surface of given planes in the field's own box: by the adaptive path;
by asking every point of the lattice (beyond {WHOLE_LATTICE}³ only {SLABS} of its planes are timed
and scaled up, without marching cubes); and, extrapolated, for the plain implementation if it runs
all networks for every million points as the public programs do. Smooth are the same planes, blurred
to what {SMOOTH_TEXELS} texels a side can hold. A random generator's noise fills the box with
surface, so that little can be left out. The share is that of the lattice's points.

| field | cells | vertices | share asked | adaptive s | dense s | ratio | as published s |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class PlainCost:
    """Seconds of the plain implementation for planes and for one point."""

    planes: float
    point: float

    def published(self, points: int) -> float:
        """Return seconds for so many points if the networks run for every batch."""
        return math.ceil(points / BATCH) * self.planes + points * self.point


class CountedField:
    """A field that counts the points it is asked for."""

    def __init__(self, field: OfficialField) -> None:
        self.field, self.bounds, self.asked = field, field.bounds, 0

    def sdf_lattice(self, axes: tuple[np.ndarray, ...], index: np.ndarray) -> np.ndarray:
        """Pass on and count."""
        self.asked += len(index)
        return self.field.sdf_lattice(axes, index)


def seconds(call: Callable[[], object]) -> tuple[float, object]:
    """Return the processor's seconds of a call, and its value."""
    start = time.process_time()
    value = call()
    return time.process_time() - start, value


def plain_cost(generator: Next3D, ws: Tensor, mesh: Tensor) -> PlainCost:
    """Measure the plain implementation once."""
    planes, own = seconds(lambda: plain.next3d_planes(generator, ws, mesh, "front"))
    points = torch.rand(1, PLAIN_POINTS, 3) - 0.5
    read, _ = seconds(lambda: plain.PlainField(generator, own)(points))
    return PlainCost(planes, read / PLAIN_POINTS)


def smooth(planes: Tensor) -> Tensor:
    """Return planes (1, 3, C, R, R) without detail, of the same spread."""
    small = functional.adaptive_avg_pool2d(planes[0], SMOOTH_TEXELS)
    blurred = functional.interpolate(small, planes.shape[-2:], mode="bicubic")
    spread = planes[0].std(dim=(2, 3), keepdim=True) / blurred.std(dim=(2, 3), keepdim=True)
    return (blurred * spread)[None]


def dense_seconds(field: OfficialField, resolution: int) -> float:
    """Return the processor's seconds of the dense path."""
    if resolution <= WHOLE_LATTICE:
        return seconds(lambda: dense_surface(field, resolution))[0]
    axes = lattice_axes(field, resolution)
    count = len(axes[0])
    chosen = ((np.arange(SLABS) + 0.5) / SLABS * count).astype(int)
    return seconds(lambda: dense_values(field, axes, chosen))[0] * count / SLABS


def row(name: str, field: OfficialField, resolution: int, cost: PlainCost) -> str:
    """Measure one surface and return its line of the table."""
    counted = CountedField(field)
    adaptive, mesh = seconds(lambda: extract_surface(counted, resolution))
    dense = dense_seconds(field, resolution)
    points = math.prod(len(axis) for axis in lattice_axes(field, resolution))
    return (
        f"| {name} | {resolution}³ | {len(mesh.vertices):,} | {counted.asked / points:.1%} "
        f"| {adaptive:.1f} | {dense:.1f} | {dense / adaptive:.1f} "
        f"| {cost.published(points):.0f} |\n"
    )


def surface_tables(
    generator: Next3D, ws: Tensor, mesh: Tensor, resolutions: list[int]
) -> Iterator[str]:
    """Yield the table of surfaces of a generator on a CPU, each time with one row more."""
    cost = plain_cost(generator, ws, mesh)
    planes = generator.planes(generator.prepare(ws), mesh)
    text = HEADING
    fields = {
        name: OfficialField(generator.field(own), generator.config.box_warp)
        for name, own in (("smooth", smooth(planes)), ("random", planes))
    }
    for resolution in resolutions:
        for name, field in fields.items():
            line = row(name, field, resolution, cost)
            print(line, end="", flush=True)
            text += line
            yield text
