"""Files that would take memory or time: by what they announce, by masses, by copies."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.hostile.case import HostileFile, holding
from tests.pickle_writer import (
    Call,
    Name,
    Raw,
    pickled,
)

# More opcodes than a file may have.
MASS = 1_300_000


def announcements() -> Iterator[HostileFile]:
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
        yield HostileFile(name, holding(Raw(opcodes)))
    yield HostileFile("protocol 255", b"\x80\xff" + b"N.")


def multiplications() -> Iterator[HostileFile]:
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
