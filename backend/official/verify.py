"""Comparison with reference outputs of the public programs: a folder of arrays, a line a tensor.

A folder holds next3d_* or eg3d_* files: config.json, inputs.npz, state.npz, nonstate.npz and
outputs.npz. An output X is stored whole, or as pieces of it: X/s8 is X[..., 4::8, 4::8], X/crop
what X/crop_box (y0, y1, x0, x1) cuts out, X/chan_stats mean, deviation, least and greatest of each
channel, X/probe a weighted sum over all of X.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..checkpoints.checkpoint import Checkpoint
from .load import load_official
from .verify_stages import INPUTS, Stage, eg3d_stages, next3d_stages

# What a kind of tensor may differ by, in its own units. The raw image is in -1..1.
TOLERANCES = {
    "exact": 0.0,
    "styles": 1e-5,
    "coordinates": 1e-6,
    "seen": 1e-4,
    "planes": 1e-4,
    "sigma": 1e-3,
    "rgb": 1e-3,
    "samples": 2e-3,
    "raw": 2e-3,
    "image": 5e-3,
}
_PIECE = r"(?:[/_](s\d+|crop\d*|chan_stats|shape|probe))?"
_ARRAYS = ("inputs", "state", "nonstate", "outputs")
_STEP = 0.7548776662466927
_PHASE = 0.3


@dataclass(frozen=True)
class Comparison:
    """The greatest difference of one stored tensor; of an exact kind, how many values differ."""

    name: str
    kind: str
    max_error: float
    tolerance: float
    passed: bool

    def line(self) -> str:
        """Return the comparison as a line of text, failures marked."""
        mark = "ok  " if self.passed else "FAIL"
        return f"{mark} {self.name:40s} {self.kind:12s} {self.max_error:9.2e} <= {self.tolerance:g}"


def verify_folder(path: str | Path) -> list[Comparison]:
    """Compare everything a folder of reference outputs holds; see the module's docstring."""
    return list(compare_folder(path))


def compare_folder(path: str | Path) -> Iterator[Comparison]:
    """Yield the comparisons of a folder one by one, as they are made."""
    reference = Reference.read(Path(path))
    stages = next3d_stages if reference.family == "next3d" else eg3d_stages
    seen = set()
    with torch.no_grad():
        for stage in stages(reference):
            for comparison in compare_stage(reference.outputs, stage):
                seen.add(comparison.name)
                yield comparison
    for name in reference.outputs:
        if not (name in seen or name in INPUTS or name.endswith("_box")):
            yield Comparison(name, "unknown", math.inf, 0.0, passed=False)


@dataclass(frozen=True)
class Reference:
    """A folder of reference outputs, with the generator its state belongs to."""

    family: str
    config: dict
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    generator: torch.nn.Module

    @classmethod
    def read(cls, folder: Path) -> "Reference":
        """Read a folder and load its generator."""
        families = [f for f in ("next3d", "eg3d") if (folder / f"{f}_config.json").is_file()]
        if len(families) != 1:
            raise ValueError(
                f"{folder} is expected to hold next3d_config.json or eg3d_config.json and the "
                f"arrays beside it, found {len(families)} of them; give a folder of reference "
                "outputs"
            )
        prefix = str(folder / families[0])
        missing = [name for name in _ARRAYS if not Path(f"{prefix}_{name}.npz").is_file()]
        if missing:
            raise ValueError(
                f"{folder} is expected to hold {families[0]}_{missing[0]}.npz beside its "
                "configuration and does not; give a complete folder of reference outputs"
            )
        config = json.loads(Path(f"{prefix}_config.json").read_text())
        checkpoint = Checkpoint(
            family=families[0],
            config=config["kwargs"],
            state=_tensors(f"{prefix}_state.npz"),
            source_rule=None,
            provenance={},
            extra=_tensors(f"{prefix}_nonstate.npz"),
        )
        generator = load_official(checkpoint)
        inputs, outputs = _tensors(f"{prefix}_inputs.npz"), _tensors(f"{prefix}_outputs.npz")
        return cls(families[0], config, inputs, outputs, generator)


def _tensors(path: str) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def compare_stage(outputs: dict[str, Tensor], stage: Stage) -> Iterator[Comparison]:
    """Compare a tensor with all that is stored of it."""
    for name, expected in outputs.items():
        match = re.fullmatch(re.escape(stage.name) + _PIECE, name)
        if match:
            yield _compare(name, stage, match[1] or "", expected, outputs.get(f"{name}_box"))


def _piece(value: Tensor, piece: str, box: Tensor | None) -> Tensor:
    """Cut the named piece out of a tensor."""
    if piece.startswith("s") and piece[1:].isdigit():
        step = int(piece[1:])
        return value[..., step // 2 :: step, step // 2 :: step]
    if piece.startswith("crop"):
        y0, y1, x0, x1 = box.tolist()
        return value[..., y0:y1, x0:x1]
    if piece == "chan_stats":
        flat = value.double().flatten(-2)
        deviation = flat.std(dim=-1, correction=0)
        return torch.stack([flat.mean(dim=-1), deviation, flat.amin(-1), flat.amax(-1)], dim=-1)
    if piece == "shape":
        return torch.tensor(value.shape)
    return probe(value) if piece == "probe" else value


def probe(value: Tensor) -> Tensor:
    """Return [sum of x cos(a i + b), sum of |x|] over all values."""
    flat = value.double().flatten()
    places = torch.arange(len(flat), dtype=torch.float64)
    return torch.stack([flat @ torch.cos(_STEP * places + _PHASE), flat.abs().sum()])


def _compare(
    name: str, stage: Stage, piece: str, expected: Tensor, box: Tensor | None
) -> Comparison:
    kind, tolerance = stage.kind, TOLERANCES[stage.kind]
    given = _piece(stage.value, piece, box)
    if piece == "probe":
        given = given[: expected.numel()]
    if piece == "shape":
        kind, tolerance = "exact", 0.0
    if given.numel() != expected.numel():
        return Comparison(name, kind, math.inf, tolerance, passed=False)
    difference = (given.reshape(expected.shape).double() - expected.double()).abs()
    if kind == "exact":
        error = float((difference != 0.0).sum())
    else:
        # a probe adds up all values; per value it cannot differ more than they do
        error = float(difference.max()) / (stage.value.numel() if piece == "probe" else 1)
    return Comparison(name, kind, error, tolerance, error <= tolerance)
