"""Whether torch.compile pays for the official generators: frames of a reenactment, both ways.

A frame here is what a new expression costs: planes for the mesh and super-resolution.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from avatarmmc_blender.backend.official.next3d import Next3D

FRAMES = 100  # over which the time for compiling is told

# What a frame runs: rasterising and volume rendering are no networks.
NETWORKS = ("mouth_backbone", "neural_blending")


def compile_networks(generator: Next3D) -> None:
    """Compile the networks that a frame runs, in place."""
    for name in NETWORKS:
        synthesis = getattr(generator, name)["synthesis"]
        synthesis.forward = torch.compile(synthesis.forward, dynamic=False)
    own = generator.superresolution
    own.forward = torch.compile(own.forward, dynamic=False)


def least_seconds(call: Callable[[], Tensor], repeats: int) -> float:
    """Return the processor's least seconds of a call."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best


def compile_line(generator: Next3D, ws: Tensor, mesh: Tensor, camera: Tensor, repeats: int) -> str:
    """Measure a frame before and after compiling; compiles the generator's networks in place."""
    identity = generator.prepare(ws)
    raw = generator.render(generator.planes(identity, mesh), camera)

    def frame() -> Tensor:
        generator.planes(identity, mesh)
        return generator.super_resolve(raw, ws)

    expected = frame()
    eager = least_seconds(frame, repeats)
    compile_networks(generator)
    wall = time.perf_counter()
    try:
        difference = float((frame() - expected).abs().max())
    except Exception as error:  # whatever a compiler lacks
        return f"Compiling failed ({type(error).__name__}): {eager:.2f} s a frame without.\n"
    warm_up = time.perf_counter() - wall
    compiled = least_seconds(frame, repeats)
    return (
        f"Planes of a new expression and super-resolution: {eager:.2f} s as they are, "
        f"{compiled:.2f} s compiled, ratio {eager / compiled:.2f}, difference {difference:.1e}. "
        f"Compiling took {warm_up:.0f} s by the clock; over {FRAMES} frames it saves "
        f"{FRAMES * (eager - compiled):.0f} s.\n"
    )
