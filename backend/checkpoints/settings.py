"""The generator's configuration: names, defaults (those of the 512 models) and sane ranges."""

from __future__ import annotations

import math
from typing import Any

from .errors import CheckpointError, shown

POSITIONAL = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")

DEFAULTS: dict[str, Any] = {
    "z_dim": 512,
    "c_dim": 25,
    "w_dim": 512,
    "img_resolution": 512,
    "img_channels": 3,
    "channel_base": 32768,
    "channel_max": 512,
    "num_fp16_res": 0,
    "conv_clamp": None,
    "sr_num_fp16_res": 4,
    "fused_modconv_default": "inference_only",
    "mapping_kwargs": {"num_layers": 2},
    "sr_kwargs": {},
    "neural_rendering_resolution": 64,
}

RENDERING_DEFAULTS: dict[str, Any] = {
    "superresolution_noise_mode": "none",
    "sr_antialias": True,
    "decoder_lr_mul": 1,
    "c_scale": 1,
    "c_gen_conditioning_zero": False,
    "disparity_space_sampling": False,
    "clamp_mode": "softplus",
    "white_back": False,
    "depth_resolution": 48,
    "depth_resolution_importance": 48,
    "ray_start": 2.25,
    "ray_end": 3.3,
    "box_warp": 1,
    "avg_camera_radius": 2.7,
    "avg_camera_pivot": [0, 0, 0.2],
}

SUPER_RESOLUTIONS = {128: "2X", 256: "4X", 512: "8XDC"}

# Inclusive ranges; far beyond every release and far below what would exhaust a computer.
INTEGERS = {
    "z_dim": (1, 4096),
    "c_dim": (0, 1024),
    "w_dim": (1, 4096),
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
    if resolution is not None:
        config["neural_rendering_resolution"] = resolution
    check_settings(config)
    return config


def check_settings(config: dict[str, Any]) -> None:
    """Raise CheckpointError for the first setting that cannot be."""
    for name, (low, high) in INTEGERS.items():
        if type(config.get(name)) is not int or not low <= config[name] <= high:
            raise _out_of_range(name, config.get(name), low, high)
    if config["img_resolution"] not in SUPER_RESOLUTIONS:
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


def super_resolution_name(config: dict[str, Any]) -> str:
    """Return "8XDC", "8X", "4X" or "2X"."""
    path = config["rendering_kwargs"].get("superresolution_module")
    if path is None:
        return SUPER_RESOLUTIONS[config["img_resolution"]]
    name = str(path).rpartition(".")[2].removeprefix("SuperresolutionHybrid")
    if name not in ("8XDC", "8X", "4X", "2X"):
        raise CheckpointError(f"has the unknown super-resolution {shown(path)}")
    return name


def _check_rays(rendering: dict[str, Any]) -> None:
    """Rays run from a start to an end, or both are "auto"."""
    start, end = rendering["ray_start"], rendering["ray_end"]
    if start == end == "auto":
        return
    if not (_is_number(start) and _is_number(end) and 0 <= start < end <= 1e4):
        raise CheckpointError(f"has rays from {shown(start)} to {shown(end)}")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _out_of_range(name: str, value: Any, low: float, high: float) -> CheckpointError:
    return CheckpointError(f"has {name} {shown(value)} where {low:g} to {high:g} belongs")
