"""The tensors of a Next3D or EG3D generator and their shapes, from its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .released import (
    CAMERA_NUMBERS,
    CONDITIONAL,
    PLANE_CHANNELS,
    PLANE_RESOLUTION,
    SUPER_RESOLUTIONS,
    Encoder,
    Shape,
)
from .settings import super_resolution_name


def expected_shapes(
    family: str, config: dict[str, Any], found: dict[str, tuple[int, ...]]
) -> dict[str, Shape]:
    """Return name → shape; None stands for a side that is free.

    `found` gives the widths of the mapping networks, which the configuration only partly tells.
    """
    shapes: dict[str, Shape] = {}
    if family == "next3d":
        shapes |= _topology(found)
        for name in ("texture_backbone", *CONDITIONAL):
            shapes |= _network(name, PLANE_CHANNELS, config, found)
        for name, encoder in CONDITIONAL.items():
            shapes |= _encoder(f"{name}.synthesis.", encoder, config)
    shapes |= _network("backbone", 3 * PLANE_CHANNELS, config, found)
    shapes |= _super_resolution(super_resolution_name(config), config["w_dim"])
    shapes |= {
        "decoder.net.0.weight": (64, PLANE_CHANNELS),
        "decoder.net.0.bias": (64,),
        "decoder.net.2.weight": (1 + PLANE_CHANNELS, 64),
        "decoder.net.2.bias": (1 + PLANE_CHANNELS,),
    }
    return shapes


def channels(resolution: int, config: dict[str, Any]) -> int:
    """Channels of a backbone at a resolution."""
    return min(config["channel_base"] // resolution, config["channel_max"])


def _topology(found: dict[str, tuple[int, ...]]) -> dict[str, Shape]:
    faces = found.get("faces", (1, None, 3))
    count = faces[1] if len(faces) == 3 else None
    return {
        "faces": (1, count, 3),
        "uvfaces": (1, count, 3),
        "raw_uvcoords": (1, None, 2),
        "face_uvcoords": (1, count, 3, 3),
    }


def _network(
    name: str, planes: int, config: dict[str, Any], found: dict[str, tuple[int, ...]]
) -> dict[str, Shape]:
    shapes = _mapping(f"{name}.mapping.", config, found)
    resolution = 4
    while resolution <= PLANE_RESOLUTION:
        shapes |= _backbone_block(f"{name}.synthesis.b{resolution}.", resolution, planes, config)
        resolution *= 2
    return shapes


def _mapping(
    prefix: str, config: dict[str, Any], found: dict[str, tuple[int, ...]]
) -> dict[str, Shape]:
    """z and the embedded camera through dense layers, whose inner widths are taken as found."""
    w_dim = config["w_dim"]
    # Labels may carry expression codes behind the camera's 25 numbers; they are not embedded.
    cameras = found.get(f"{prefix}embed.weight", ())[-1:] == (CAMERA_NUMBERS,)
    shapes: dict[str, Shape] = {
        f"{prefix}w_avg": (w_dim,),
        f"{prefix}embed.weight": (w_dim, CAMERA_NUMBERS if cameras else config["c_dim"]),
        f"{prefix}embed.bias": (w_dim,),
    }
    layers = sum(name.startswith(f"{prefix}fc") and name.endswith(".weight") for name in found)
    width: int | None = config["z_dim"] + w_dim
    for layer in range(max(layers, 1)):
        last = layer == max(layers, 1) - 1
        output = w_dim if last else _first_side(found, f"{prefix}fc{layer}.weight")
        shapes[f"{prefix}fc{layer}.weight"] = (output, width)
        shapes[f"{prefix}fc{layer}.bias"] = (output,)
        width = output
    return shapes


def _first_side(found: dict[str, tuple[int, ...]], name: str) -> int | None:
    shape = found.get(name, ())
    return shape[0] if shape else None


def _backbone_block(
    prefix: str, resolution: int, planes: int, config: dict[str, Any]
) -> dict[str, Shape]:
    width = channels(resolution, config)
    w_dim = config["w_dim"]
    shapes = dict(_layer(f"{prefix}conv1.", width, width, resolution, w_dim))
    shapes |= _to_rgb(f"{prefix}torgb.", width, planes, w_dim)
    shapes[f"{prefix}resample_filter"] = (4, 4)
    if resolution == 4:
        shapes[f"{prefix}const"] = (width, 4, 4)
    else:
        before = channels(resolution // 2, config)
        shapes |= _layer(f"{prefix}conv0.", before, width, resolution, w_dim)
    return shapes


def _encoder(prefix: str, sizes: Encoder, config: dict[str, Any]) -> dict[str, Shape]:
    """The conditional networks' encoder and the layers that fuse its maps into the blocks."""
    shapes: dict[str, Shape] = {}
    level, resolution = 0, sizes.side
    while resolution > sizes.smallest:
        here, below = channels(resolution, config), channels(resolution // 2, config)
        level_prefix = f"{prefix}encoder.{level}."
        shapes |= {
            f"{level_prefix}resample_filter": (4, 4),
            f"{level_prefix}fromrgb.weight": (here, PLANE_CHANNELS, 1, 1),
            f"{level_prefix}fromrgb.resample_filter": (4, 4),
        }
        shapes |= _plain_convolution(f"{level_prefix}conv1.", here, here)
        shapes |= _plain_convolution(f"{level_prefix}conv2.", here, below)
        level, resolution = level + 1, resolution // 2
    index, resolution = 0, sizes.smallest
    while resolution <= sizes.side:
        width = channels(resolution, config)
        inputs = width if index == 0 else 2 * width
        shapes |= _plain_convolution(f"{prefix}fusion.{index}.", inputs, width)
        index, resolution = index + 1, resolution * 2
    return shapes


def _super_resolution(name: str, w_dim: int) -> dict[str, Shape]:
    kind = SUPER_RESOLUTIONS[name]
    shapes: dict[str, Shape] = {}
    if name != "8XDC":
        shapes["superresolution.resample_filter"] = (4, 4)
    before = PLANE_CHANNELS
    for block, (width, side) in enumerate(zip(kind.widths, kind.sides, strict=True)):
        prefix = f"superresolution.block{block}."
        shapes[f"{prefix}resample_filter"] = (4, 4)
        shapes |= _layer(f"{prefix}conv0.", before, width, side, w_dim)
        shapes |= _layer(f"{prefix}conv1.", width, width, side, w_dim)
        shapes |= _to_rgb(f"{prefix}torgb.", width, 3, w_dim)
        before = width
    return shapes


def _layer(
    prefix: str, inputs: int, outputs: int, side: int, w_dim: int
) -> Iterator[tuple[str, Shape]]:
    """A modulated 3x3 convolution with noise."""
    yield f"{prefix}weight", (outputs, inputs, 3, 3)
    yield f"{prefix}bias", (outputs,)
    yield f"{prefix}affine.weight", (inputs, w_dim)
    yield f"{prefix}affine.bias", (inputs,)
    yield f"{prefix}noise_const", (side, side)
    yield f"{prefix}noise_strength", ()
    yield f"{prefix}resample_filter", (4, 4)


def _to_rgb(prefix: str, inputs: int, outputs: int, w_dim: int) -> dict[str, Shape]:
    return {
        f"{prefix}weight": (outputs, inputs, 1, 1),
        f"{prefix}bias": (outputs,),
        f"{prefix}affine.weight": (inputs, w_dim),
        f"{prefix}affine.bias": (inputs,),
    }


def _plain_convolution(prefix: str, inputs: int, outputs: int) -> dict[str, Shape]:
    return {
        f"{prefix}weight": (outputs, inputs, 3, 3),
        f"{prefix}bias": (outputs,),
        f"{prefix}resample_filter": (4, 4),
    }
