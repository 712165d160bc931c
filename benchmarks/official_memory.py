"""What a full-size Next3D in the product's precision needs of a GPU's memory.

Where CUDA is, the allocator tells. Elsewhere the same calls run on the processor, in pieces as
large as a GPU's, and what they hold at most beside the weights is added to the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
from torch import Tensor

from avatarmmc_blender.backend.generator import plane_field
from avatarmmc_blender.backend.official import generator as official
from avatarmmc_blender.backend.official.next3d import Next3D

from .peak_memory import PeakMemory

AIM_MB = 4000
RAW_SIZE = 128
POINTS_A_SIDE = 64
CUDA_TEXT = """Full size, super-resolution in half precision as the add-on has it on CUDA, measured
on {name} as the most that PyTorch had allocated; its allocator took {reserved:.0f} MB of
the device.

"""
CPU_TEXT = """Full size, super-resolution in half precision as the add-on has it on CUDA. No GPU was
there: the same calls ran on a processor in pieces as large as a GPU's, and to the bytes of the
weights the greatest additional memory of the process is added. A GPU's libraries (cuDNN's working
space, the CUDA context) come on top.

"""
TABLE = """| what | weights MB | working MB | sum MB | aim MB |
|---|---|---|---|---|
"""


def memory_table(generator: Next3D, ws: Tensor, mesh: Tensor, camera: Tensor, device: str) -> str:
    """Return the section's text: a line for each call of one head and its picture."""
    weights = sum(t.nbytes for t in (*generator.parameters(), *generator.buffers())) / 1e6
    rows, kept = [], {}
    with torch.inference_mode(), half_precision(generator), pieces_of_a_gpu(device):
        for name, call in calls(generator, ws, mesh, camera).items():
            held = sum(value.nbytes for value in kept.values()) / 1e6
            with PeakMemory(device) as peak:
                kept[name] = call(*kept.values())
            rows.append((name, weights, held + peak.megabytes))
    greatest = max(working for _, _, working in rows)
    lines = [
        f"| {name} | {weights:.0f} | {working:.0f} | {weights + working:.0f} | {AIM_MB} |\n"
        for name, weights, working in [*rows, ("greatest", weights, greatest)]
    ]
    return _introduction(device) + TABLE + "".join(lines)


def calls(
    generator: Next3D, ws: Tensor, mesh: Tensor, camera: Tensor
) -> dict[str, Callable[..., Tensor]]:
    """Return the calls by name; each gets what those before it returned."""
    line = torch.linspace(-0.5, 0.5, POINTS_A_SIDE, device=ws.device)
    grid = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1).reshape(1, -1, 3)

    def image(planes: Tensor, density: Tensor) -> Tensor:
        return generator.super_resolve(generator.render(planes, camera, RAW_SIZE), ws)

    return {
        "planes of a new identity": lambda: generator.planes(generator.prepare(ws), mesh),
        f"density of {POINTS_A_SIDE}³ points": lambda planes: generator.field(planes).density(grid),
        "512² image": image,
    }


@contextmanager
def half_precision(generator: Next3D) -> Iterator[None]:
    """Super-resolution in half precision meanwhile."""
    before, generator.half_precision = generator.half_precision, True
    try:
        yield
    finally:
        generator.half_precision = before


@contextmanager
def pieces_of_a_gpu(device: str) -> Iterator[None]:
    """Give the processor pieces as large as a GPU's."""
    with ExitStack() as stack:
        if device == "cpu":
            for pieces, size in (
                (official.RAYS_AT_A_TIME, official.RAYS_AT_A_TIME_ELSEWHERE),
                (plane_field.POINTS_AT_A_TIME, plane_field.POINTS_AT_A_TIME_ELSEWHERE),
            ):
                stack.enter_context(patch.dict(pieces, {"cpu": size}))
        yield


def _introduction(device: str) -> str:
    if device == "cpu":
        return CPU_TEXT
    reserved = torch.cuda.max_memory_reserved() / 1e6
    return CUDA_TEXT.format(name=torch.cuda.get_device_name(), reserved=reserved)
