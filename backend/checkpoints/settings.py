"""The generator's configuration: completed by the defaults of the 512 models, in sane ranges."""

from __future__ import annotations

import math
from typing import Any

from .errors import CheckpointError, shown
from .released import (
    DEFAULTS,
    FIXED,
    RENDERING_DEFAULTS,
    SUPER_RESOLUTION_CLASS,
    SUPER_RESOLUTIONS,
)

POSITIONAL = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")

# What a release that does not name its super-resolution has, by the image's side.
SUPER_RESOLUTION_OF_SIDE = {128: "2X", 256: "4X", 512: "8XDC"}
FLAGS = ("sr_antialias", "c_gen_conditioning_zero", "white_back")

# Inclusive ranges; far beyond every release and far below what would exhaust a computer.
INTEGERS = {
    "z_dim": (1, 4096),
    "c_dim": (25, 1024),
    "w_dim": (512, 512),  # which the super-resolutions of the public programs are written for
    "img_resolution": (128, 512),
    "img_channels": (3, 3),
    "channel_base": (256, 1 << 17),
    "channel_max": (1, 2048),
    "neural_rendering_resolution": (4, 512),
}
RENDERING_NUMBERS = {
    "depth_resolution": (1, 1024),
    "depth_resolution_importance": (0, 1024),
    "box_warp": (1e-3, 1e3),
    "c_scale": (0, 1e3),
    "decoder_lr_mul": (1e-3, 1e3),
    "avg_camera_radius": (0, 1e3),
}


def complete_settings(
    args: list[Any], kwargs: dict[str, Any], rendering: dict[str, Any], resolution: Any
) -> dict[str, Any]:
    """Return the full configuration from constructor arguments and the module's own attributes.

    `rendering` are the rendering settings as they were when the file was saved; they win over the
    constructor's, as does `resolution`, the raw image's side.  Raises CheckpointError for a value
    outside its range.
    """
    config = {**DEFAULTS, **dict(zip(POSITIONAL, args, strict=False)), **kwargs}
    if not isinstance(config.get("rendering_kwargs", {}), dict):
        raise CheckpointError("has rendering settings that are no dictionary")
    config["rendering_kwargs"] = {
        **RENDERING_DEFAULTS,
        **config.get("rendering_kwargs", {}),
        **rendering,
    }
    side = config.get("img_resolution")
    if type(side) is int and side in SUPER_RESOLUTION_OF_SIDE:
        config["rendering_kwargs"].setdefault(
            "superresolution_module", SUPER_RESOLUTION_CLASS + SUPER_RESOLUTION_OF_SIDE[side]
        )
    pivot = config["rendering_kwargs"]["avg_camera_pivot"]
    if _is_number(pivot):  # the same along every axis
        config["rendering_kwargs"]["avg_camera_pivot"] = [pivot] * 3
    if resolution is not None:
        config["neural_rendering_resolution"] = resolution
    check_settings(config)
    return config


def check_settings(config: dict[str, Any]) -> None:
    """Raise CheckpointError for the first setting that cannot be."""
    for name, (low, high) in INTEGERS.items():
        if type(config.get(name)) is not int or not low <= config[name] <= high:
            raise _out_of_range(name, config.get(name), low, high)
    if config["img_resolution"] not in SUPER_RESOLUTION_OF_SIDE:
        raise CheckpointError(
            f"has img_resolution {config['img_resolution']} where 128, 256 or 512 belongs"
        )
    for name in ("mapping_kwargs", "sr_kwargs", "rendering_kwargs"):
        if not isinstance(config.get(name), dict):
            raise CheckpointError(f"has {shown(config.get(name))} as {name}")
    rendering = config["rendering_kwargs"]
    for name, (low, high) in RENDERING_NUMBERS.items():
        if not _is_number(rendering.get(name)) or not low <= rendering[name] <= high:
            raise _out_of_range(name, rendering.get(name), low, high)
    _check_rays(rendering)
    _check_pivot(rendering["avg_camera_pivot"])
    for name in FLAGS:
        if type(rendering.get(name)) is not bool:
            raise CheckpointError(f"has {name} {shown(rendering.get(name))} where a flag belongs")
    for name, value in FIXED.items():
        if rendering.get(name) != value:
            raise CheckpointError(
                f"renders with {name} {shown(rendering.get(name))}, supported is {value}"
            )
    clamp = config["conv_clamp"]
    if clamp is not None and not (_is_number(clamp) and clamp > 0):
        raise CheckpointError(f"has conv_clamp {shown(clamp)} where a positive number belongs")
    super_resolution_name(config)


def super_resolution_name(config: dict[str, Any]) -> str:
    """Return "8XDC", "8X", "4X" or "2X"."""
    path = config["rendering_kwargs"].get("superresolution_module", "")
    name = str(path).rpartition(".")[2].removeprefix(SUPER_RESOLUTION_CLASS)
    if name not in SUPER_RESOLUTIONS:
        raise CheckpointError(
            f"has the super-resolution {shown(path)}, known are {', '.join(SUPER_RESOLUTIONS)}"
        )
    return name


def _check_rays(rendering: dict[str, Any]) -> None:
    """Rays run from a start to an end, or both are "auto"."""
    start, end = rendering["ray_start"], rendering["ray_end"]
    if start == end == "auto":
        return
    if not (_is_number(start) and _is_number(end) and 0 <= start < end <= 1e4):
        raise CheckpointError(f"has rays from {shown(start)} to {shown(end)}")


def _check_pivot(pivot: Any) -> None:
    sane = isinstance(pivot, list) and len(pivot) == 3
    if not sane or not all(_is_number(value) and abs(value) < 1e3 for value in pivot):
        raise CheckpointError("has an avg_camera_pivot that is no point")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _out_of_range(name: str, value: Any, low: float, high: float) -> CheckpointError:
    wanted = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return CheckpointError(f"has {name} {shown(value)} where {wanted} belongs")
