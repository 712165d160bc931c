"""Small generator files laid out like releases, with numbers of our own."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.pickle_writer import (
    ORDERED_DICT,
    Name,
    New,
    parameter_parts,
    persistent,
    pickled,
    tensor_parts,
)

SHAPES = Path(__file__).with_name("data") / "official_shapes.json"
BUFFERS = ("noise_const", "resample_filter", "w_avg", "dataset_label_std", "faces", "coords")
SUPER_RESOLUTION = {"next3d": "SuperresolutionHybrid8XDC", "eg3d": "SuperresolutionHybrid4X"}
CLASSES = {
    "decoder": Name("training.triplane", "OSGDecoder"),
    "decoder.net": Name("torch.nn.modules.container", "Sequential"),
    "renderer": Name("training.volumetric_rendering.renderer", "ImportanceRenderer"),
}
PLANE_AXES = {
    "eg3d": [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[0, 0, 1], [1, 0, 0], [0, 1, 0]],
    ],
    "next3d": [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[0, 0, 1], [0, 1, 0], [1, 0, 0]],
    ],
}


def settings(family: str) -> dict[str, Any]:
    """Constructor arguments of the small generators."""
    return {
        "z_dim": 64,
        "c_dim": 25,
        "w_dim": 512,
        "img_resolution": 512 if family == "next3d" else 256,
        "img_channels": 3,
        "sr_num_fp16_res": 4,
        "mapping_kwargs": {"num_layers": 2, "layer_features": 64},
        "rendering_kwargs": {
            "superresolution_module": f"training.superresolution.{SUPER_RESOLUTION[family]}",
            "superresolution_noise_mode": "none",
            "depth_resolution": 48,
            "depth_resolution_importance": 48,
            "ray_start": 2.25,
            "ray_end": 3.3,
            "box_warp": 1,
            "avg_camera_pivot": [0, 0, 0.2],
        },
        "sr_kwargs": {"channel_base": 1024, "channel_max": 32},
        "channel_base": 1024,
        "channel_max": 32,
    }


@cache
def _shapes() -> dict[str, dict[str, list[int]]]:
    return json.loads(SHAPES.read_text())


def tiny_state(family: str) -> dict[str, Tensor]:
    """Return a state dict with the shapes of the public programs and random numbers."""
    generator = torch.Generator().manual_seed(7)
    state = {
        name: torch.randn(shape, generator=generator) * 0.1
        for name, shape in _shapes()[family].items()
    }
    for name in ("faces", "uvfaces", "dense_faces"):
        if name in state:
            state[name] = torch.randint(0, 5023, state[name].shape, generator=generator)
    return state


def tiny_extra(family: str) -> dict[str, Tensor]:
    """Return what releases keep outside the state dict."""
    extra = {"plane_axes": torch.tensor(PLANE_AXES[family], dtype=torch.float32)}
    if family == "next3d":
        extra["uv_face_mask"] = torch.ones(1, 1, 256, 256)
        extra["orth_scale"] = torch.full((1, 1), 5.0)
        extra["orth_shift"] = torch.tensor([[0.0, -0.01, -0.01]])
    return extra


def generator_parts(
    family: str,
    state: dict[str, Any] | None = None,
    extra: dict[str, Tensor] | None = None,
    kwargs: dict[str, Any] | None = None,
    source: str = "# no source\n",
    device: str = "cpu",
) -> Any:
    """Return a generator's record; tensors in `state` may already be parts."""
    kwargs = settings(family) if kwargs is None else kwargs
    extra = tiny_extra(family) if extra is None else extra
    modules: dict[str, dict] = {"": _empty_module(), "renderer": _empty_module()}
    for name, value in (tiny_state(family) if state is None else state).items():
        path, _, leaf = name.rpartition(".")
        module = _module(modules, path)
        kind = "_buffers" if leaf.endswith(BUFFERS) else "_parameters"
        parts = parameter_parts if kind == "_parameters" else tensor_parts
        module[kind][leaf] = parts(value) if isinstance(value, Tensor) else value
    own = {k: tensor_parts(v) for k, v in extra.items() if k != "plane_axes"}
    own |= {"_init_args": (), "_init_kwargs": kwargs, "neural_rendering_resolution": 32}
    own |= {"rendering_kwargs": kwargs.get("rendering_kwargs", {}), "training": False}
    if "plane_axes" in extra:
        modules["renderer"]["plane_axes"] = tensor_parts(extra["plane_axes"], device)
    modules[""] |= own
    return _assembled(modules, "", source)


def generator_pickle(family: str, top: dict[str, Any] | None = None, **changes: Any) -> bytes:
    """Return a released file with a small generator; `changes` go to `generator_parts`."""
    parts = generator_parts(family, **changes)
    return pickled({"training_set_kwargs": {}, "G_ema": parts, "augment_pipe": None, **(top or {})})


def changed_state(family: str, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Return the small state after `change` was done to it."""
    state: dict[str, Any] = dict(tiny_state(family))
    change(state)
    return state


def _module(modules: dict[str, dict], path: str) -> dict:
    if path not in modules:
        modules[path] = _empty_module()
        _module(modules, path.rpartition(".")[0])
    return modules[path]


def _empty_module() -> dict[str, Any]:
    return {
        "training": False,
        "_parameters": {},
        "_buffers": {},
        "_non_persistent_buffers_set": set(),
        "_forward_hooks": ORDERED_DICT,
    }


def _assembled(modules: dict[str, dict], path: str, source: str) -> Any:
    children = {
        other.rpartition(".")[2]: _assembled(modules, other, source)
        for other in modules
        if other and other.rpartition(".")[0] == path
    }
    state = {**modules[path], "_modules": children}
    if path in CLASSES:
        return New(CLASSES[path], (), state)
    return persistent("TriPlaneGenerator" if not path else "Part", state, source)
