"""The opcodes of pickle protocols 0 to 5 and what each does on the machine, or why none is done."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from .errors import CheckpointError
from .machine import PickleMachine

U1, U2, U4, U8 = (struct.Struct("<" + c) for c in "BHIQ")
I4, F8 = struct.Struct("<i"), struct.Struct(">d")


def run(machine: PickleMachine) -> Any:
    """Run one pickle to its STOP and return its object.

    Raises CheckpointError for anything outside the allow-list.
    """
    cursor, budget = machine.cursor, machine.budget
    while True:
        code = cursor.byte()
        budget.opcodes -= 1
        if budget.opcodes < 0:
            raise CheckpointError("takes more steps to read than any released file")
        if code == STOP:
            return machine.result()
        action = ACTIONS.get(code)
        if action is None:
            raise CheckpointError(_refusal(code))
        action(machine)


STOP = ord(".")

REFUSED = {
    "P": "a persistent reference (PERSID)",
    "i": "an object of an old-style class (INST)",
    "o": "an object of an old-style class (OBJ)",
    "\x82": "an extension code (EXT1)",
    "\x83": "an extension code (EXT2)",
    "\x84": "an extension code (EXT4)",
    "\x92": "an object made with keyword arguments (NEWOBJ_EX)",
    "\x97": "data outside the file (NEXT_BUFFER)",
    "\x98": "data outside the file (READONLY_BUFFER)",
}


def _refusal(code: int) -> str:
    found = REFUSED.get(chr(code))
    if found:
        return f"holds {found}, which no released file has"
    return f"is no pickle or a damaged one (unknown opcode 0x{code:02x})"


Action = Callable[[PickleMachine], None]


def _sized(layout: struct.Struct, use: Callable[[PickleMachine, memoryview], None]) -> Action:
    """An opcode followed by a length and that many bytes."""
    return lambda m: use(m, m.cursor.take(m.cursor.number(layout)))


def _utf8(machine: PickleMachine, view: memoryview) -> None:
    machine.text(view, "utf-8")


ACTIONS: dict[int, Action] = {
    ord(code): action
    for code, action in {
        "\x80": PickleMachine.protocol,
        "\x95": PickleMachine.frame,
        "(": PickleMachine.mark,
        "0": PickleMachine.pop_top,
        "1": lambda m: (m.pop_mark(), None)[1],
        "2": lambda m: m.push(m.peek()),
        # Memo
        "p": lambda m: m.store(m.line_integer()),
        "q": lambda m: m.store(m.cursor.number(U1)),
        "r": lambda m: m.store(m.cursor.number(U4)),
        "\x94": lambda m: m.store(len(m.memo)),
        "g": lambda m: m.recall(m.line_integer()),
        "h": lambda m: m.recall(m.cursor.number(U1)),
        "j": lambda m: m.recall(m.cursor.number(U4)),
        # Constants and numbers
        "N": lambda m: m.push(None),
        "\x88": lambda m: m.push(True),
        "\x89": lambda m: m.push(False),
        "I": PickleMachine.line_value,
        "L": PickleMachine.line_value,
        "F": PickleMachine.line_float,
        "J": lambda m: m.push(m.cursor.number(I4)),
        "K": lambda m: m.push(m.cursor.number(U1)),
        "M": lambda m: m.push(m.cursor.number(U2)),
        "G": lambda m: m.push(m.cursor.number(F8)),
        "\x8a": lambda m: m.long(m.cursor.number(U1)),
        "\x8b": lambda m: m.long(m.cursor.number(U4)),
        # Text and bytes
        "S": PickleMachine.quoted_string,
        "V": PickleMachine.quoted_unicode,
        "T": _sized(U4, PickleMachine.byte_string),
        "U": _sized(U1, PickleMachine.byte_string),
        "X": _sized(U4, _utf8),
        "\x8c": _sized(U1, _utf8),
        "\x8d": _sized(U8, _utf8),
        "B": _sized(U4, PickleMachine.push_object),
        "C": _sized(U1, PickleMachine.push_object),
        "\x8e": _sized(U8, PickleMachine.push_object),
        "\x96": _sized(U8, PickleMachine.push_object),
        # Containers
        ")": lambda m: m.push(()),
        "]": lambda m: m.push_object([]),
        "}": lambda m: m.push_object({}),
        "\x8f": lambda m: m.push_object(set()),
        "l": lambda m: m.push_object(m.pop_mark()),
        "t": lambda m: m.push_object(tuple(m.pop_mark())),
        "\x85": lambda m: m.push_object(tuple(m.pop_many(1))),
        "\x86": lambda m: m.push_object(tuple(m.pop_many(2))),
        "\x87": lambda m: m.push_object(tuple(m.pop_many(3))),
        "d": PickleMachine.dict_from_mark,
        "a": PickleMachine.append,
        "e": PickleMachine.appends,
        "s": PickleMachine.set_item,
        "u": PickleMachine.set_items,
        "\x90": PickleMachine.add_items,
        "\x91": PickleMachine.frozen_from_mark,
        # Names, inert calls, states
        "c": PickleMachine.find_lines,
        "\x93": lambda m: m.find(*m.pop_many(2)),
        "R": PickleMachine.reduce,
        "\x81": PickleMachine.new_object,
        "b": PickleMachine.build,
        "Q": lambda m: m.push(m.names.persistent(m.pop())),
    }.items()
}
