"""The tensors of a Next3D or EG3D generator and their shapes, from its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .settings import super_resolution_name

Shape = tuple[int | None, ...]

PLANE_RESOLUTION = 256
PLANE_CHANNELS = 32
SUPER_RESOLUTION_W = 512
FLAME_VERTICES = 5023

# Conditional networks of Next3D: side of the input, of the smallest encoded map.
CONDITIONAL = {"mouth_backbone": (64, 4), "neural_blending": (256, 32)}

# Super-resolution by class: channels of both blocks, side of both blocks' output.
SUPER_RESOLUTION = {
    "8XDC": ((256, 128), (256, 512)),
    "8X": ((128, 64), (256, 512)),
    "4X": ((128, 64), (128, 256)),
    "2X": ((128, 64), (64, 128)),
}


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
        for name, (side, smallest) in CONDITIONAL.items():
            shapes |= _encoder(f"{name}.synthesis.", side, smallest, config)
    shapes |= _network("backbone", 3 * PLANE_CHANNELS, config, found)
    shapes |= _super_resolution(super_resolution_name(config))
    shapes |= {
        "decoder.net.0.weight": (64, PLANE_CHANNELS),
        "decoder.net.0.bias": (64,),
        "decoder.net.2.weight": (1 + PLANE_CHANNELS, 64),
        "decoder.net.2.bias": (1 + PLANE_CHANNELS,),
    }
    return shapes


# Present in some releases and not in others; nothing is computed with them.
OPTIONAL: dict[str, Shape] = {
    "dataset_label_std": (None,),
    "dense_faces": (1, None, 3),
    "uvcoords": (1, None, 3),
    "face_uvcoords": (1, None, 3, 3),
}


def channels(resolution: int, config: dict[str, Any]) -> int:
    """Channels of a backbone at a resolution."""
    return min(config["channel_base"] // resolution, config["channel_max"])


def _topology(found: dict[str, tuple[int, ...]]) -> dict[str, Shape]:
    faces = found.get("faces", (1, None, 3))
    count = faces[1] if len(faces) == 3 else None
    return {"faces": (1, count, 3), "uvfaces": (1, count, 3), "raw_uvcoords": (1, None, 2)}


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
    shapes: dict[str, Shape] = {f"{prefix}w_avg": (config["w_dim"],)}
    width = config["z_dim"]
    if config["c_dim"] > 0:
        embedded = _first_side(found, f"{prefix}embed.weight")
        # Labels may carry expression codes behind the camera's 25 numbers; they are not embedded.
        cameras = found.get(f"{prefix}embed.weight", (0, 0))[-1:]
        inputs = 25 if cameras == (25,) else config["c_dim"]
        shapes[f"{prefix}embed.weight"] = (embedded, inputs)
        shapes[f"{prefix}embed.bias"] = (embedded,)
        width += embedded or 0
    layers = sum(name.startswith(f"{prefix}fc") and name.endswith(".weight") for name in found)
    for layer in range(max(layers, 1)):
        last = layer == max(layers, 1) - 1
        output = config["w_dim"] if last else _first_side(found, f"{prefix}fc{layer}.weight")
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


def _encoder(prefix: str, side: int, smallest: int, config: dict[str, Any]) -> dict[str, Shape]:
    """The conditional networks' encoder and the layers that fuse its maps into the blocks."""
    shapes: dict[str, Shape] = {}
    level, resolution = 0, side
    while resolution > smallest:
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
    index, resolution = 0, smallest
    while resolution <= side:
        width = channels(resolution, config)
        inputs = width if index == 0 else 2 * width
        shapes |= _plain_convolution(f"{prefix}fusion.{index}.", inputs, width)
        index, resolution = index + 1, resolution * 2
    return shapes


def _super_resolution(name: str) -> dict[str, Shape]:
    widths, sides = SUPER_RESOLUTION[name]
    shapes: dict[str, Shape] = {}
    if name != "8XDC":
        shapes["superresolution.resample_filter"] = (4, 4)
    before = PLANE_CHANNELS
    for block, (width, side) in enumerate(zip(widths, sides, strict=True)):
        prefix = f"superresolution.block{block}."
        shapes[f"{prefix}resample_filter"] = (4, 4)
        shapes |= _layer(f"{prefix}conv0.", before, width, side, SUPER_RESOLUTION_W)
        shapes |= _layer(f"{prefix}conv1.", width, width, side, SUPER_RESOLUTION_W)
        shapes |= _to_rgb(f"{prefix}torgb.", width, 3, SUPER_RESOLUTION_W)
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
