"""Files that would run code: by a name, by an opcode, inside a tensor."""

from __future__ import annotations

import io
import pickletools
import struct
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.hostile.case import HostileFile, holding, storage
from tests.pickle_writer import (
    Call,
    Name,
    Raw,
    pickled,
    stream,
)


def named_functions(canary: Path) -> Iterator[HostileFile]:
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
        yield HostileFile(f"call {path}", holding(Call(Name(module, name), args)))


def executing_opcodes(canary: Path) -> Iterator[HostileFile]:
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
        yield HostileFile(name, holding(Raw(opcodes)))
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
        yield HostileFile(name, holding(value))


def code_in_streams(canary: Path) -> Iterator[HostileFile]:
    """Streams nested in tensors, with code in each of their five pickles."""
    attack = pickled(Call(Name("os", "system"), (f"touch {canary}",)), protocol=2)
    good = stream(torch.ones(4))
    parts = _split_stream(good)
    for place in range(5):
        data = b"".join([*parts[:place], attack, *parts[place + 1 :]])
        yield HostileFile(f"code in part {place} of a tensor", holding(storage(data)))
    archive = io.BytesIO()
    torch.save(torch.ones(4), archive)
    yield HostileFile("zip archive in a tensor", holding(storage(archive.getvalue())))
    swapped = good.replace(b"FloatStorage", b"_load_global")
    yield HostileFile("strange type in a tensor", holding(storage(swapped)))
    big = good.replace(b"little_endianq\x01\x88", b"little_endianq\x01\x89")
    yield HostileFile("big-endian tensor", holding(storage(_big_endian(big))))
    deeper = pickled(storage(pickled(storage(attack), protocol=2)), protocol=2)
    yield HostileFile("tensors inside tensors", holding(storage(deeper)))


def _split_stream(data: bytes) -> list[bytes]:
    """The five pickles of a stream and what follows."""
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
