"""Files whose parts hold themselves, multiply, or reach beyond their storage."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import torch

from avatarmmc_blender.backend.checkpoints.expected_shapes import expected_shapes
from tests.checkpoint_files import (
    generator_parts,
    generator_pickle,
    settings,
)
from tests.hostile.case import HostileFile, holding, storage
from tests.pickle_writer import (
    ORDERED_DICT,
    Call,
    Name,
    Raw,
    persistent,
    pickled,
    stream,
)


def structures() -> Iterator[HostileFile]:
    def laughs(make: bytes, levels: int = 60) -> bytes:
        """Each level holds the one before twice; memo index = level."""
        out = b"Nq\x000"
        for level in range(levels):
            again = b"h" + bytes([level])
            out += again + again + make + b"q" + bytes([level + 1]) + b"0"
        return out + b"h" + bytes([levels])

    tuples, lists = laughs(b"\x86"), b"]q\x000"
    for level in range(60):
        pair = b"h" + bytes([level]) + b"h" + bytes([level])
        lists += b"](" + pair + b"eq" + bytes([level + 1]) + b"0"
    lists += b"h\x3c"
    deep = 200_000
    raw = {
        "billion laughs as a key": b"}" + tuples + b"Ns",
        "billion laughs in a set": b"\x8f(" + tuples + b"\x90",
        "billion laughs in a frozen set": b"(" + tuples + b"\x91",
        "list in itself": b"]q\x00h\x00a",
        "dictionary in itself": b"}q\x00X\x01\x00\x00\x00ah\x00s",
        "tuple in itself": b"]q\x00h\x00\x85q\x010h\x00h\x01a0h\x01",
        "object in itself": b"ctraining.triplane\nOSGDecoder\n)\x81q\x00}X\x01\x00\x00\x00ah\x00sb",
        "200000 nested lists": b"]" * deep + b"a" * (deep - 1),
        "30000 nested objects": b"ctraining.triplane\nOSGDecoder\nq\x00Nq\x010"
        + b"h\x00)\x81h\x01bq\x010" * 30_000
        + b"0h\x01",
        "200000 nested tuples": b"N" + b"\x85" * deep,
        "values left over": b"NN",
        "mark left over": b"(N",
        "empty stack": b"0",
        "odd items": b"}(Nu",
        "list as a key": b"}]Ns",
        "key that is a number of 60 bytes": b"}\x8a\x3c" + b"\x7f" * 60 + b"Ns",
    }
    for name, opcodes in raw.items():
        yield HostileFile(name, b"\x80\x04" + opcodes + b".")
    for name, opcodes in {"tuples": tuples, "lists": lists}.items():
        kwargs = settings("eg3d") | {"more": Raw(opcodes)}
        data = generator_pickle("eg3d", kwargs=kwargs)
        yield HostileFile(f"billion laughs of {name} in the settings", data)
    yield HostileFile("billion modules", pickled({"G_ema": _shared_modules()}))
    cycle = generator_parts("eg3d")
    loop = Raw(b"}q\xf0X\x01\x00\x00\x00ah\xf0s")
    cycle.args[0]["state"]["_modules"] |= {"loop": persistent("Part", {"_modules": loop})}
    yield HostileFile("modules in a loop", pickled({"G_ema": cycle}))


def _shared_modules(levels: int = 40) -> Any:
    """Modules that hold the one before twice, below the names of a generator."""
    reconstruct = pickled(Name("torch_utils.persistence", "_reconstruct_persistent_obj"))[2:-1]
    inner = pickled({"_modules": {}, "_parameters": {}, "_buffers": {}})[2:-1]

    def module(state: bytes) -> bytes:
        meta = pickled({"type": "class", "class_name": "A", "module_src": "", "state": Raw(state)})
        return reconstruct + meta[2:-1] + b"\x85R"

    out = module(inner) + b"q\x000"
    for level in range(levels):
        again = Raw(b"h" + bytes([level]))
        names = ("backbone", "superresolution", "decoder") if level == levels - 1 else ("a", "b")
        state = pickled({"_modules": dict.fromkeys(names, again)})[2:-1]
        out += module(state) + b"q" + bytes([level + 1]) + b"0"
    return Raw(out + b"h" + bytes([levels]))


def tensors() -> Iterator[HostileFile]:
    rebuild = Name("torch._utils", "_rebuild_tensor_v2")
    four = storage(stream(torch.ones(4)))
    shapes: dict[str, tuple[Any, ...]] = {
        "expanded tensor": (0, (1 << 39,), (0,)),
        "tensor beyond its storage": (0, (5,), (1,)),
        "tensor that starts beyond": (4, (1,), (1,)),
        "tensor with a negative stride": (3, (4,), (-1,)),
        "tensor with a negative side": (0, (-4,), (1,)),
        "tensor with a negative start": (-1, (4,), (1,)),
        "tensor of 60 dimensions": (0, (1,) * 60, (1,) * 60),
        "tensor of 2**200 elements": (0, (1 << 30,) * 7, (0,) * 7),
        "tensor with a shape of floats": (0, (4.0,), (1,)),
        "empty tensor of huge sides": (0, (0, 1 << 39, 1 << 39), (1, 1, 1)),
        "tensor with too few strides": (0, (2, 2), (1,)),
    }
    for name, (offset, shape, strides) in shapes.items():
        parts = Call(rebuild, (four, offset, shape, strides, False, ORDERED_DICT))
        yield HostileFile(name, holding(parts))
    good = stream(torch.ones(4))
    counts = {"more": 1 << 40, "negative": -1, "fewer": 3}
    for name, count in counts.items():
        data = good[:-24] + struct.pack("<q", count) + good[-16:]
        yield HostileFile(f"storage that announces {name} elements", holding(storage(data)))
    bytes_left = storage(good + b"x")
    yield HostileFile("storage with bytes behind it", holding(bytes_left))
    yield HostileFile("tensor of nothing", holding(Call(rebuild, (None, 0, (), ()))))
    yield HostileFile("tensors of one storage", _multiplied())


def _multiplied() -> bytes:
    """A full-size generator whose large weights are all the same few megabytes of the file."""
    kwargs = settings("eg3d") | {"channel_base": 1 << 15, "channel_max": 512}
    widths = {"backbone.mapping.fc0.weight": (64, 576), "backbone.mapping.fc1.weight": (512, 64)}
    state: dict[str, Any] = {}
    shared = pickled(storage(stream(torch.ones(512 * 512 * 9))))[2:-1] + b"q\xf0"
    for name, shape in expected_shapes("eg3d", kwargs, widths).items():
        count = math.prod(shape)
        if count < 1 << 20:
            state[name] = torch.ones(shape)
            continue
        strides = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
        args = (Raw(shared), 0, shape, strides, False, ORDERED_DICT)
        state[name] = Call(Name("torch._utils", "_rebuild_tensor_v2"), args)
        shared = b"h\xf0"
    return generator_pickle("eg3d", state=state, kwargs=kwargs)
