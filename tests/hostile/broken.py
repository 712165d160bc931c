"""Files that are no generator, or were one before the download broke off."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from tests.checkpoint_files import (
    changed_state,
    generator_parts,
    generator_pickle,
    settings,
    tiny_extra,
)
from tests.hostile.case import HostileFile
from tests.pickle_writer import (
    Name,
    New,
    array_parts,
    parameter_parts,
    persistent,
    pickled,
    tensor_parts,
)


def generators() -> Iterator[HostileFile]:
    """Files that are read to the end and then turn out to be no generator."""
    decoder = "decoder.net.0.weight"

    def replaced(name: str, value: Any) -> dict[str, Any]:
        return changed_state("eg3d", lambda state: state.__setitem__(name, value))

    states = {
        "wrong shape": replaced(decoder, torch.zeros(64, 33)),
        "missing tensor": changed_state("eg3d", lambda state: state.pop(decoder)),
        "strange tensor": replaced("backbone.surprise", torch.zeros(2)),
        "NaN": replaced(decoder, torch.full((64, 32), torch.nan)),
        "infinity": replaced("decoder.net.0.bias", torch.full((64,), torch.inf)),
        "integers for weights": replaced(decoder, torch.zeros(64, 32, dtype=torch.int8)),
        "text for weights": replaced(decoder, "zeros"),
        "array for weights": replaced(decoder, array_parts(np.zeros((64, 32), np.float32))),
    }
    for name, state in states.items():
        yield HostileFile(name, generator_pickle("eg3d", state=state))
    rendering = {
        "depth_resolution": 10**9,
        "box_warp": float("nan"),
        "ray_start": float("inf"),
        "ray_end": -1,
        "avg_camera_pivot": "here",
        "clamp_mode": "relu",
        "superresolution_module": "os.system",
        "sr_antialias": "yes",
    }
    for name, value in rendering.items():
        kwargs = settings("eg3d")
        kwargs["rendering_kwargs"] |= {name: value}
        yield HostileFile(f"setting {name}", generator_pickle("eg3d", kwargs=kwargs))
    for name, value in {"channel_base": 10**12, "img_resolution": 1 << 30, "w_dim": "x"}.items():
        kwargs = settings("eg3d") | {name: value}
        yield HostileFile(f"setting {name}", generator_pickle("eg3d", kwargs=kwargs))
    outside = torch.full((1, 9935, 3), 6000)
    state = changed_state("next3d", lambda s: s.__setitem__("faces", outside))
    yield HostileFile("faces that point outside", generator_pickle("next3d", state=state))
    flat = {"plane_axes": torch.zeros(3, 3, 3)}
    yield HostileFile("axes that span nothing", generator_pickle("eg3d", extra=flat))
    yield HostileFile("missing axes", generator_pickle("eg3d", extra={}))
    no_mask = {k: v for k, v in tiny_extra("next3d").items() if k != "uv_face_mask"}
    yield HostileFile("missing mask", generator_pickle("next3d", extra=no_mask))
    stylegan = persistent("Generator", {"_modules": {"mapping": None, "synthesis": None}})
    flat_modules = {"mapping": persistent("M", {}), "synthesis": persistent("S", {})}
    yield HostileFile("StyleGAN", pickled({"G_ema": persistent("G", {"_modules": flat_modules})}))
    yield HostileFile("generator of nothing", pickled({"G_ema": stylegan}))
    yield HostileFile("no averaged generator", pickled({"G": generator_parts("eg3d")}))
    yield HostileFile("averaged generator None", pickled({"G_ema": None}))
    yield HostileFile("number for a generator", pickled({"G_ema": 3}))
    yield HostileFile("a list", pickled([1, 2]))
    yield HostileFile("a tensor", pickled(parameter_parts(torch.ones(3))))
    yield HostileFile("module without state", pickled({"G_ema": New(Name("training.x", "G"))}))
    yield HostileFile("a state dict", pickled({"decoder": tensor_parts(torch.ones(3))}))
    template = {"v_template": array_parts(np.zeros((5023, 3)), True)}
    yield HostileFile("FLAME for a generator", pickled(template, 2, python2=True))


def cut_and_foreign() -> Iterator[HostileFile]:
    whole = generator_pickle("eg3d")
    for part in (1, 2, 100, 5000, len(whole) // 3, len(whole) // 2, len(whole) - 1):
        yield HostileFile(f"cut off at {part} bytes", whole[:part])
    yield HostileFile("cut off where a dot is", whole[: whole.rindex(b".", 0, len(whole) // 2) + 1])
    half = len(whole) // 2
    yield HostileFile("second half zeros", whole[:half] + bytes(len(whole) - half))
    yield HostileFile("hole of zeros", whole[:half] + bytes(16384) + whole[half + 16384 :])
    yield HostileFile("bytes behind the end", whole + b"more.")
    yield HostileFile("twice in a row", whole + whole)
    yield HostileFile("line ends changed", whole.replace(b"\n", b"\r\n"))
    yield HostileFile("empty", b"")
    yield HostileFile("part of a download", whole, suffix=".crdownload")
    yield HostileFile("web page", b"<!DOCTYPE html><html>Sign in.</html>.")
    yield HostileFile("LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:1.")
    yield HostileFile("gzip", b"\x1f\x8b\x08" + bytes(100) + b".")
    yield HostileFile("text", b"Next3D checkpoint.")
    yield HostileFile("zeros", bytes(1 << 20))
    yield HostileFile("noise", np.random.default_rng(0).bytes(1 << 20) + b".")
    archive = io.BytesIO()
    torch.save({"state": torch.ones(4)}, archive)
    yield HostileFile("PyTorch archive", archive.getvalue())
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", bytes(256 << 20))
    yield HostileFile("PyTorch archive, a bomb", bomb.getvalue())
    yield HostileFile("safetensors", struct.pack("<Q", 60) + b'{"a":{"dtype":"F32"}}' + b" " * 60)
    yield HostileFile("OBJ mesh", b"# a head\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
