"""Files of an attacker, and files broken on the way: each must end in one sentence.

Each case is a file name, its bytes and which reader gets it.  Code in a file would create the
canary file; what a file costs to read is measured by `hostile_driver.py`.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avatarmmc_blender.backend.checkpoints.expected_shapes import expected_shapes
from tests.checkpoint_files import (
    changed_state,
    generator_parts,
    generator_pickle,
    settings,
    tiny_extra,
)
from tests.flame_files import flame_values, landmark_values, npz
from tests.pickle_writer import (
    ORDERED_DICT,
    Call,
    Name,
    New,
    Raw,
    array_parts,
    parameter_parts,
    persistent,
    pickled,
    stream,
    tensor_parts,
)

# More opcodes than a file may have.
MASS = 1_300_000


@dataclass(frozen=True)
class HostileFile:
    """One case; `reader` is checkpoint, flame or landmarks."""

    name: str
    data: bytes
    reader: str = "checkpoint"
    suffix: str = ".pkl"


def hostile_files(canary: Path) -> Iterator[HostileFile]:
    """Return all cases; `canary` is what their code would write."""
    yield from _named_functions(canary)
    yield from _executing_opcodes(canary)
    yield from _code_in_streams(canary)
    yield from _announcements()
    yield from _multiplications()
    yield from _structures()
    yield from _tensors()
    yield from _generators()
    yield from _cut_and_foreign()
    yield from _flame(canary)
    yield from _archives(canary)


def _holding(payload: Any) -> bytes:
    """A file that looks like a release and holds `payload` beside a generator of no parts."""
    return pickled({"payload": payload, "G_ema": persistent("TriPlaneGenerator", {})})


def _named_functions(canary: Path) -> Iterator[HostileFile]:
    """Everything known to run code when it is called by a pickle."""
    code = f"open({str(canary)!r}, 'w').close()"
    shell = f"touch {canary}"
    calls = {
        "os.system": (shell,),
        "posix.system": (shell,),
        "nt.system": (shell,),
        "subprocess.Popen": (["touch", str(canary)],),
        "subprocess.check_output": (["touch", str(canary)],),
        "builtins.eval": (code,),
        "builtins.exec": (code,),
        "builtins.open": (str(canary), "w"),
        "builtins.getattr": (Name("os", "system"), "__call__"),
        "builtins.__import__": ("antigravity",),
        "__builtin__.eval": (code,),
        "importlib.import_module": ("antigravity",),
        "runpy.run_path": (str(canary),),
        "runpy._run_code": (code, {}),
        "timeit.timeit": (code,),
        "cProfile.run": (code,),
        "pdb.run": (code,),
        "code.interact": (),
        "functools.partial": (Name("os", "system"), shell),
        "functools.reduce": (Name("os", "system"), [shell]),
        "operator.methodcaller": ("system", shell),
        "operator.attrgetter": ("system",),
        "marshal.loads": (b"N",),
        "pickle.loads": (pickled(Call(Name("os", "system"), (shell,))),),
        "_pickle.loads": (b"N.",),
        "types.FunctionType": (None, {}),
        "types.CodeType": (),
        "ctypes.CDLL": ("libc.so.6",),
        "shutil.rmtree": (str(canary.parent / "nothing"),),
        "pathlib.Path": (str(canary),),
        "socket.create_connection": (("localhost", 9),),
        "webbrowser.open": ("file:///",),
        "codecs.decode": (b"x", "zlib"),
        "copyreg.add_extension": ("os", "system", 1),
        "pip.main": (["--version"],),
        "numpy.load": (str(canary),),
        "numpy.f2py.crackfortran.myeval": (code,),
        "numpy.testing._private.utils.runstring": (code, {}),
        "torch.load": (str(canary),),
        "torch.hub.load": ("a/b", "c"),
        "torch.jit.load": (str(canary),),
        "torch.utils.collect_env.run": (shell,),
        "torch.storage.UntypedStorage.from_file": (str(canary), True, 10),
        "torch._utils._rebuild_device_tensor_from_numpy": (),
        "torch.serialization.load": (str(canary),),
    }
    for path, args in calls.items():
        module, _, name = path.rpartition(".")
        yield HostileFile(f"call {path}", _holding(Call(Name(module, name), args)))


def _executing_opcodes(canary: Path) -> Iterator[HostileFile]:
    shell = f"touch {canary}".encode()
    argument = b"X" + struct.pack("<I", len(shell)) + shell
    system = Name("os", "system")
    raw = {
        "GLOBAL in protocol 0": b"cos\nsystem\n(V" + shell + b"\ntR",
        "INST": b"(V" + shell + b"\nios\nsystem\n",
        "OBJ": b"(cos\nsystem\n" + argument + b"o",
        "NEWOBJ": b"csubprocess\nPopen\n" + argument + b"\x85\x81",
        "NEWOBJ_EX": b"csubprocess\nPopen\n" + argument + b"\x85}\x92",
        "NEWOBJ_EX of an allowed class": b"ctraining.triplane\nOSGDecoder\n)}\x92",
        "EXT1": b"\x82\x01" + argument + b"\x85R",
        "EXT2": b"\x83\x01\x00" + argument + b"\x85R",
        "EXT4": b"\x84\x01\x00\x00\x00" + argument + b"\x85R",
        "PERSID": b"P" + shell + b"\n",
        "BINPERSID": argument + b"Q",
        "NEXT_BUFFER": b"\x97",
        "READONLY_BUFFER": argument + b"\x98",
        "dotted STACK_GLOBAL": b"\x8c\x10torch_utils.misc\x8c\x09os.system\x93"
        + argument
        + b"\x85R",
        "STACK_GLOBAL of no text": b"K\x01K\x02\x93",
        "module with a newline": b"X\x03\x00\x00\x00o\nsX\x06\x00\x00\x00system\x93",
        "REDUCE of a dictionary": b"}" + argument + b"\x85R",
        "REDUCE with a list": b"ccollections\nOrderedDict\n]R",
        "BUILD on a name": b"ctraining.triplane\nOSGDecoder\n}X\x08\x00\x00\x00__call__K\x01sb",
        "BUILD on a list": b"]}b",
        "SETITEM on an object": b"ctraining.triplane\nOSGDecoder\n)\x81" + argument + b"K\x01s",
        "APPEND to a name": b"ctraining.triplane\nOSGDecoder\n" + argument + b"a",
        "unknown opcode": b"\xff",
    }
    for name, opcodes in raw.items():
        yield HostileFile(name, _holding(Raw(opcodes)))
    parts = {
        "_reconstructor of os.system": Call(
            Name("copyreg", "_reconstructor"), (system, system, None)
        ),
        "array of class os.system": Call(
            Name("numpy.core.multiarray", "_reconstruct"), (system, (0,), b"b")
        ),
        "object scalar with a pickle": Call(
            Name("numpy.core.multiarray", "scalar"),
            (Call(Name("numpy", "dtype"), ("O8", 0, 1)), pickled(Call(system, (shell.decode(),)))),
        ),
        "bytes by a packed codec": Call(Name("_codecs", "encode"), ("x", "zip")),
        "a function made persistent": Call(
            Name("torch_utils.persistence", "_reconstruct_persistent_obj"),
            ({"type": "func", "module_src": f"import os; os.system({shell!r})"},),
        ),
    }
    for name, value in parts.items():
        yield HostileFile(name, _holding(value))


def _code_in_streams(canary: Path) -> Iterator[HostileFile]:
    """Streams nested in tensors, with code in each of their five pickles."""
    attack = pickled(Call(Name("os", "system"), (f"touch {canary}",)), protocol=2)
    good = stream(torch.ones(4))
    parts = _split_stream(good)
    for place in range(5):
        data = b"".join([*parts[:place], attack, *parts[place + 1 :]])
        yield HostileFile(f"code in part {place} of a tensor", _holding(_storage(data)))
    archive = io.BytesIO()
    torch.save(torch.ones(4), archive)
    yield HostileFile("zip archive in a tensor", _holding(_storage(archive.getvalue())))
    swapped = good.replace(b"FloatStorage", b"_load_global")
    yield HostileFile("strange type in a tensor", _holding(_storage(swapped)))
    big = good.replace(b"little_endianq\x01\x88", b"little_endianq\x01\x89")
    yield HostileFile("big-endian tensor", _holding(_storage(_big_endian(big))))
    deeper = pickled(_storage(pickled(_storage(attack), protocol=2)), protocol=2)
    yield HostileFile("tensors inside tensors", _holding(_storage(deeper)))


def _storage(data: bytes) -> Call:
    return Call(Name("torch.storage", "_load_from_bytes"), (data,))


def _split_stream(data: bytes) -> list[bytes]:
    """The five pickles of a stream and what follows."""
    import pickletools

    file, parts = io.BytesIO(data), []
    for _ in range(5):
        start = file.tell()
        for _opcode in pickletools.genops(file):
            pass
        parts.append(data[start : file.tell()])
    return [*parts, data[file.tell() :]]


def _big_endian(data: bytes) -> bytes:
    parts = _split_stream(data)
    system = {"protocol_version": 1001, "little_endian": False, "type_sizes": {}}
    return b"".join([*parts[:2], pickled(system, 2), *parts[3:]])


def _announcements() -> Iterator[HostileFile]:
    """Lengths that a naive reader would allocate."""
    raw = {
        "BINBYTES8 of 2**60": b"\x8e" + struct.pack("<Q", 1 << 60),
        "BINBYTES of 4 GB": b"B" + struct.pack("<I", 0xFFFFFFFF),
        "BINUNICODE8 of 2**63": b"\x8d" + struct.pack("<Q", 1 << 63),
        "BINSTRING of -1": b"T" + struct.pack("<i", -1),
        "BYTEARRAY8 of 2**40": b"\x96" + struct.pack("<Q", 1 << 40),
        "FRAME of 2**62": b"\x95" + struct.pack("<Q", 1 << 62) + b"N",
        "LONG4 of 2 GB": b"\x8b" + struct.pack("<I", 0x7FFFFFFF),
        "LONG4 of -1": b"\x8b" + struct.pack("<i", -1),
        "LONG4 that is there": b"\x8b" + struct.pack("<I", 8 << 20) + bytes(8 << 20),
        "integer of 4 million digits": b"I" + b"9" * (4 << 20) + b"\n",
        "memo index 2**32 - 1": b"Nr\xff\xff\xff\xff",
        "memo index of 100 digits": b"Np" + b"9" * 100 + b"\n",
        "memo index that is missing": b"j\xff\xff\xff\x7f",
        "name of 8 MB": b"c" + b"a" * (8 << 20) + b"\nb\n",
        "text without a newline": b"V" + b"a" * (8 << 20),
        "unclosed quote": b"S'" + b"a" * (8 << 20),
    }
    for name, opcodes in raw.items():
        yield HostileFile(name, _holding(Raw(opcodes)))
    yield HostileFile("protocol 255", b"\x80\xff" + b"N.")


def _multiplications() -> Iterator[HostileFile]:
    """Cheap opcodes in masses: what one byte of the file costs in memory and time."""
    masses = {
        "sets": b"\x8f",
        "dictionaries": b"}",
        "lists": b"]",
        "marks": b"(",
        "duplicates": b"2",
        "memo entries": b"\x94",
        "filled sets": b"\x8f(K\x00K\x01K\x02K\x03K\x04\x90",
        "filled dictionaries": b"}K\x00Ns",
        "pops": b"N0",
        "integers": b"J\xff\xff\xff\x7f",
        "floats": b"G?\xf1\x99\x99\x99\x99\x99\x9a",
        "tuples": b"\x85",
        "objects": b"h\x00)\x81",
    }
    prepare = b"ctraining.triplane\nOSGDecoder\nq\x000N"
    for name, opcodes in masses.items():
        yield HostileFile(f"masses of {name}", b"\x80\x04" + prepare + opcodes * MASS + b".")
    yield from _copies()
    wide = "\U0001f600".encode()
    text = b"a" * 60_000 + wide
    piece = b"X" + struct.pack("<I", len(text)) + text
    yield HostileFile("texts that grow fourfold", b"\x80\x04(" + piece * 400 + b"l.")
    long_text = b"a" * (24 << 20) + wide
    yield HostileFile(
        "one text that grows fourfold",
        b"\x80\x04X" + struct.pack("<I", len(long_text)) + long_text + b".",
    )
    keys = b"".join(
        b"\x8a\x0a" + ((2**61 - 1) * i).to_bytes(10, "little") + b"N" for i in range(1, 200_000)
    )
    yield HostileFile("keys of one hash", b"\x80\x04}(" + keys + b"u.")


def _copies() -> Iterator[HostileFile]:
    """Calls that copy, again and again, an argument that is in the file once."""
    text = b"X" + struct.pack("<I", 65_000) + b"a" * 65_000
    long_text = b"X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)
    several = {
        "sets of one list": (b"](" + b"K\x07" * 9000 + b"e", b"c__builtin__\nset\n", b"\x85R"),
        "dictionaries of one list": (
            b"](" + b"K\x07N\x86" * 9000 + b"e",
            b"ccollections\nOrderedDict\n",
            b"\x85R",
        ),
        "bytes of one text": (text, b"c_codecs\nencode\n", b"\x85R"),
        "bytes of one long text": (long_text, b"c_codecs\nencode\n", b"\x85R"),
        "names of one text": (text, b"N", b"0h\x01h\x01\x93"),
    }
    for name, (argument, target, use) in several.items():
        start = argument + b"q\x010" + target + b"q\x000"
        uses = (b"h\x00h\x01" + use) * 100_000
        yield HostileFile(f"many {name}", b"\x80\x04N" + start + uses + b".")
    dtype = pickled(Call(Name("numpy", "dtype"), ("u1", 0, 1)))[2:-1]
    state = b"(K\x01M\xe8\xfd\x85" + dtype + b"\x89" + text + b"tq\x020"
    start = b"cnumpy.core.multiarray\n_reconstruct\nq\x00(cnumpy\nndarray\nK\x00\x85C\x01btq\x010"
    uses = b"h\x00h\x01Rh\x02b" * 100_000
    yield HostileFile("many arrays of one text", b"\x80\x04N" + start + b"0" + state + uses + b".")


def _structures() -> Iterator[HostileFile]:
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


def _tensors() -> Iterator[HostileFile]:
    rebuild = Name("torch._utils", "_rebuild_tensor_v2")
    four = _storage(stream(torch.ones(4)))
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
        yield HostileFile(name, _holding(parts))
    good = stream(torch.ones(4))
    counts = {"more": 1 << 40, "negative": -1, "fewer": 3}
    for name, count in counts.items():
        data = good[:-24] + struct.pack("<q", count) + good[-16:]
        yield HostileFile(f"storage that announces {name} elements", _holding(_storage(data)))
    bytes_left = _storage(good + b"x")
    yield HostileFile("storage with bytes behind it", _holding(bytes_left))
    yield HostileFile("tensor of nothing", _holding(Call(rebuild, (None, 0, (), ()))))
    yield HostileFile("tensors of one storage", _multiplied())


def _multiplied() -> bytes:
    """A full-size generator whose large weights are all the same few megabytes of the file."""
    kwargs = settings("eg3d") | {"channel_base": 1 << 15, "channel_max": 512}
    widths = {"backbone.mapping.fc0.weight": (64, 576), "backbone.mapping.fc1.weight": (512, 64)}
    state: dict[str, Any] = {}
    shared = pickled(_storage(stream(torch.ones(512 * 512 * 9))))[2:-1] + b"q\xf0"
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


def _generators() -> Iterator[HostileFile]:
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


def _cut_and_foreign() -> Iterator[HostileFile]:
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


def _flame(canary: Path) -> Iterator[HostileFile]:
    small = flame_values(python2=True) | {
        name: array_parts(np.zeros((5023, 3, count), np.int8), python2=True)
        for name, count in {"shapedirs": 400, "posedirs": 36}.items()
    }

    def broken(name: str, value: Any, protocol: int = 2) -> bytes:
        others = {} if name == "v_template" else small
        return pickled({**others, name: value}, protocol, python2=True)

    shell = f"touch {canary}"
    numbers = np.zeros((5023, 3), np.float32)
    nan = numbers.copy()
    nan[7, 1] = np.nan
    attack = Call(Name("os", "system"), (shell,))
    for protocol in (0, 2):
        data = broken("v_template", attack, protocol)
        yield HostileFile(f"FLAME with code, protocol {protocol}", data, "flame")
    chumpy = Name("chumpy.ch", "Ch")
    select = Name("chumpy.reordering", "Select")
    ints = array_parts(np.array([0, 10**9]), python2=True)
    sparse = Name("scipy.sparse.csc", "csc_matrix")
    pointers = array_parts(np.array([0, 10**12] * 3, np.int64), python2=True)
    cases = {
        "SMPL body": ("v_template", array_parts(np.zeros((6890, 3)), True)),
        "wrong vertices": ("v_template", array_parts(np.zeros((5000, 3)), True)),
        "NaN vertices": ("v_template", array_parts(nan, True)),
        "beyond single precision": ("v_template", array_parts(numbers.astype(float) + 1e300, True)),
        "objects for vertices": ("v_template", [[None]]),
        "chumpy function": ("v_template", New(Name("chumpy.ch", "ChLambda"), (), {"x": 1})),
        "chumpy without values": ("v_template", New(chumpy, (), {})),
        "selection that points nowhere": (
            "v_template",
            New(
                select, (), {"a": New(chumpy, (), {"x": array_parts(numbers, True)}), "idxs": ints}
            ),
        ),
        "regressor of lies": (
            "J_regressor",
            New(
                sparse, (), {"_shape": (5, 5023), "data": ints, "indices": ints, "indptr": pointers}
            ),
        ),
        "regressor of 2**60 numbers": (
            "J_regressor",
            New(sparse, (), {"_shape": (1 << 30, 1 << 30), "data": ints, "indices": ints}),
        ),
        "faces that point outside": ("f", array_parts(np.full((9976, 3), 9000, np.uint32), True)),
        "faces of halves": ("f", array_parts(np.full((9976, 3), 0.5), True)),
        "joints in a ring": (
            "kintree_table",
            array_parts(np.array([[1, 2, 0, 3, 4], [0] * 5]), True),
        ),
        "few shape directions": ("shapedirs", array_parts(np.zeros((5023, 3, 10), "f4"), True)),
        "missing weights": ("weights", None),
        "text for weights": ("weights", array_parts(np.zeros((5023, 5), "S4"), True)),
        "array of records": (
            "weights",
            Call(Name("numpy", "dtype"), ("V8", 0, 1), (3, "|", None, ("f",), {}, 8, 1, 0)),
        ),
        "array with other elements": ("weights", _lying_array((5023, 5))),
        "array of 2**62 elements": ("weights", _lying_array((1 << 31, 1 << 31))),
    }
    for name, (key, value) in cases.items():
        yield HostileFile(f"FLAME: {name}", broken(key, value), "flame")
    whole, text = (pickled(small, protocol, python2=True) for protocol in (2, 0))
    yield HostileFile("FLAME cut off", whole[: len(whole) // 2], "flame")
    changed = text.replace(b"\n", b"\r\n")
    yield HostileFile("FLAME text with changed line ends", changed, "flame")
    yield HostileFile("generator for FLAME", generator_pickle("eg3d"), "flame")
    objects = _npy("|O", "()", pickled([attack], 2))
    yield HostileFile("landmarks with code", objects, "landmarks", ".npy")
    values = landmark_values()
    values.pop("dynamic_lmk_faces_idx")
    yield HostileFile("landmarks without contour", npz(values), "landmarks", ".npz")
    values = landmark_values() | {"static_lmk_bary_coords": np.full((51, 3), np.nan)}
    yield HostileFile("landmarks that are NaN", npz(values), "landmarks", ".npz")


def _lying_array(shape: tuple[int, ...]) -> Call:
    honest = array_parts(np.zeros(3, np.float32), python2=True)
    _, _, dtype, fortran, data = honest.state
    return Call(honest.target, honest.args, (1, shape, dtype, fortran, data))


def _npy(descr: str, shape: str, body: bytes, version: int = 1) -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header) + 1)
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + b"\n" + body


def _archives(canary: Path) -> Iterator[HostileFile]:
    code = f"__import__('os').system('touch {canary}')"
    evaluated = _npy("<f4", f"({code},)", b"")
    whole = npz({"v_template": np.zeros((5023, 3))})
    many = pickled([Raw(b"\x8f" * 250_000 + b"0" * 249_999)], 4)
    sets = {f"{name}.npy": _npy("|O", "()", many) for name in landmark_values()}
    yield HostileFile("npz of masses of objects", _zipped(sets), "landmarks", ".npz")
    archives = {
        "npz bomb": _zipped({"v_template.npy": _npy("<f4", "(67108864,)", bytes(256 << 20))}),
        "npz of 3000 entries": _zipped({f"{i}.npy": b"" for i in range(3000)}),
        "npz with code in a header": _zipped({"v_template.npy": evaluated}),
        "npz with objects": _zipped({"v_template.npy": _npy("|O", "(1,)", pickled([None], 2))}),
        "npz of 2**62 numbers": _zipped(
            {"v_template.npy": _npy("<f4", "(2147483647, 2147483647)", b"")}
        ),
        "npz with a long header": _zipped({"v_template.npy": b"\x93NUMPY\x02\x00\xff\xff\xff\xff"}),
        "npz with text": _zipped({"v_template.npy": _npy("<U4", "(1,)", bytes(16))}),
        "npz that announces less": _patched_size(whole, 100),
        "npz that announces 4 GB": _patched_size(whole, 0xFFFFFFF0),
        "npz with changed bytes": whole[:1000] + b"x" * 64 + whole[1064:],
        "npz cut off": whole[:-30],
        "npz without its directory": b"PK\x03\x04" + bytes(100),
        "npz of encrypted parts": _patched_flag(whole),
        "npz of nothing": _zipped({}),
    }
    for name, data in archives.items():
        yield HostileFile(name, data, "flame", ".npz")
    yield HostileFile("zip of another name", archives["npz bomb"], "flame", ".pkl")


def _zipped(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return buffer.getvalue()


def _patched_size(data: bytes, size: int) -> bytes:
    """An archive whose directory announces another size for its one entry."""
    at = data.rindex(b"PK\x01\x02")
    return data[: at + 24] + struct.pack("<I", size) + data[at + 28 :]


def _patched_flag(data: bytes) -> bytes:
    at = data.rindex(b"PK\x01\x02")
    return data[: at + 8] + b"\x01\x00" + data[at + 10 :]
