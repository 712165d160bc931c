"""Time the official generators against a plain implementation: same process, same weights.

    python -m benchmarks.official_speed [--device cpu] [--repeats 2] [--only memory]

A Next3D of the released size with random weights follows the small reference's head mesh. The
plain way (tests/reference_next3d.py) has a group of a convolution for each sample, inserts zeros,
reads planes one by one and keeps nothing between calls. On a CPU, seconds are the processor's, one
thread, so that other work on the machine does not count; the least of all repeats is told.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from avatarmmc_blender.backend.official.config import OfficialConfig
from avatarmmc_blender.backend.official.next3d import Next3D
from tests import official_reference
from tests import reference_next3d as plain

from .official_compile import compile_line
from .official_memory import memory_table
from .official_surface import surface_tables
from .peak_memory import PeakMemory

RESULTS = Path(__file__).parents[1] / "docs" / "results_official.md"
RAW_SIZE = 128
LATTICE = 64
SHARED_BUFFERS = ["faces", "uvfaces", "raw_uvcoords", "face_uvcoords"] + [
    "uv_face_mask",
    "orth_scale",
    "orth_shift",
    "plane_axes",
]
HEADING = """# Official generators: speed

A Next3D of the released size (172.8 M parameters in the file, {parameters:.1f} M of them ever
run), random weights, float32, on {device}. Written by `python -m benchmarks.official_speed`;
plain is `tests/reference_next3d.py`. Memory is the greatest amount above what is held before.

| what | plain s | here s | ratio | plain MB | here MB | greatest difference |
|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Cost:
    """Seconds and greatest additional memory in MB of one call, and what it returned."""

    seconds: float
    megabytes: float
    value: Tensor


@dataclass(frozen=True)
class Task:
    """What is measured, both ways; their results are compared."""

    name: str
    plain: Callable[[], Tensor]
    here: Callable[[], Tensor]


def full_size(seed: int, device: str) -> Next3D:
    """Return a Next3D of the released size with random weights, noise and the small mesh's UVs."""
    small = official_reference.reference("next3d").generator
    torch.manual_seed(seed)
    config = OfficialConfig(resolution=RAW_SIZE)
    generator = Next3D(config, small.faces.shape[1], small.raw_uvcoords.shape[1])
    for name in SHARED_BUFFERS:
        setattr(generator, name, getattr(small, name).clone())
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.fill_(0.1)
    generator = generator.eval().requires_grad_(False).to(device)
    return generator.to(memory_format=torch.channels_last)


def measure(call: Callable[[], Tensor], device: str, repeats: int) -> Cost:
    """Call once for memory and to warm up, then `repeats` times for time."""
    with PeakMemory(device) as peak:
        value = call()
    best = float("inf")
    clock = time.process_time if device == "cpu" else time.perf_counter
    for _ in range(repeats):
        if device != "cpu":
            torch.cuda.synchronize()
        start = clock()
        call()
        if device != "cpu":
            torch.cuda.synchronize()
        best = min(best, clock() - start)
    return Cost(best, peak.megabytes, value)


def models_inputs(generator: Next3D, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return a camera (1, 25), a head mesh (1, 5091, 3) and style rows of a random latent."""
    inputs = official_reference.reference("next3d").inputs
    camera, mesh = inputs["c_camera"].to(device), inputs["v"].to(device)
    z = torch.randn(1, generator.config.z_dim, device=device)
    return camera, mesh, generator.mapping(z, camera, 0.7, 14)


def tasks(generator: Next3D, device: str) -> list[Task]:
    """Return everything that is measured."""
    camera, mesh, ws = models_inputs(generator, device)
    identity = generator.prepare(ws)
    planes = generator.planes(identity, mesh)
    raw = generator.render(planes, camera)
    line = torch.linspace(-0.5, 0.5, LATTICE, device=device)
    axes = (line, line, line)
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(1, -1, 3)

    def plain_planes(rule: str = "front") -> Tensor:
        return plain.next3d_planes(generator, ws, mesh, rule)

    def plain_density(own: Tensor) -> Tensor:
        return plain.PlainField(generator, own)(grid)[1].reshape(LATTICE, LATTICE, LATTICE)

    def plain_image() -> Tensor:
        own = plain.render(generator, plain_planes(), camera, RAW_SIZE)
        return plain.super_resolve(generator.superresolution, own.features, ws)

    def image(own: Tensor) -> Tensor:
        return generator.super_resolve(generator.render(own, camera), ws)

    def density() -> Tensor:
        return generator.field(planes).lattice(axes).everywhere()

    return [
        Task(
            "planes of a new identity",
            plain_planes,
            lambda: generator.planes(generator.prepare(ws), mesh),
        ),
        Task("planes of a new expression", plain_planes, lambda: generator.planes(identity, mesh)),
        Task(
            "the same, all planes moving",
            lambda: plain_planes("all"),
            lambda: generator.planes(identity, mesh, "all"),
        ),
        Task(
            f"raw render {RAW_SIZE}² of given planes",
            lambda: plain.render(generator, planes, camera, RAW_SIZE).image,
            lambda: generator.render(planes, camera).image,
        ),
        Task(
            "super-resolution to 512²",
            lambda: plain.super_resolve(generator.superresolution, raw.features, ws),
            lambda: generator.super_resolve(raw, ws),
        ),
        Task(
            "512² image of a new identity",
            plain_image,
            lambda: image(generator.planes(generator.prepare(ws), mesh)),
        ),
        Task(
            "512² image of a new expression",
            plain_image,
            lambda: image(generator.planes(identity, mesh)),
        ),
        Task(f"density on {LATTICE}³ of given planes", lambda: plain_density(planes), density),
        Task(
            f"density on {LATTICE}³, networks run for every call as published",
            lambda: plain_density(plain_planes()),
            density,
        ),
    ]


def row(task: Task, device: str, repeats: int) -> str:
    """Measure a task both ways and return its line of the table."""
    ours = measure(task.here, device, repeats)
    theirs = measure(task.plain, device, repeats)
    difference = float((ours.value - theirs.value).abs().max())
    return (
        f"| {task.name} | {theirs.seconds:.2f} | {ours.seconds:.2f} "
        f"| {theirs.seconds / ours.seconds:.2f} | {theirs.megabytes:.0f} "
        f"| {ours.megabytes:.0f} | {difference:.1e} |"
    )


def table(generator: Next3D, device: str, repeats: int) -> str:
    """Measure all tasks, printing their lines."""
    parameters = sum(p.numel() for p in generator.parameters()) / 1e6
    name = "one CPU thread" if device == "cpu" else torch.cuda.get_device_name()
    text = HEADING.format(parameters=parameters, device=name)
    print(text, end="")
    for task in tasks(generator, device):
        line = row(task, device, repeats)
        print(line, flush=True)
        text += line + "\n"
    return text


def write_section(path: Path, title: str, text: str) -> None:
    """Put a section of the results in place of its last version; "" is what stands first."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    first, *others = old.split("\n## ")
    sections = {"": first} | {part.partition("\n")[0]: part for part in others}
    sections[title] = f"{title}\n\n{text}" if title else text
    joined = "\n\n## ".join(part.strip() for part in sections.values())
    path.write_text(joined + "\n", encoding="utf-8")


def main() -> None:
    """Print what is measured and write it to the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--repeats", type=int, default=2)
    sections = ["calls", "memory", "surfaces", "compile"]
    parser.add_argument("--only", choices=sections, help="leave the rest")
    parser.add_argument("--surfaces", type=int, nargs="+", default=[256, 512], help="cells a side")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    device, repeats, only = arguments.device, arguments.repeats, arguments.only
    torch.set_num_threads(1)
    with torch.no_grad():
        generator = full_size(arguments.seed, device)
        if only in (None, "calls"):
            write_section(arguments.results, "", table(generator, device, repeats))
        camera, mesh, ws = models_inputs(generator, device)
        if only in (None, "memory"):
            text = memory_table(generator, ws, mesh, camera, device)
            print(text)
            write_section(arguments.results, f"Memory ({device.upper()})", text)
        if only in (None, "surfaces") and device == "cpu":
            for text in surface_tables(generator, ws, mesh, arguments.surfaces):
                write_section(arguments.results, "Surfaces", text)
        if only in (None, "compile") and device == "cpu":
            text = compile_line(generator, ws, mesh, camera, repeats)
            print(text)
            write_section(arguments.results, "torch.compile", text)


if __name__ == "__main__":
    main()
