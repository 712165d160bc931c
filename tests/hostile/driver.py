"""Reads hostile files one after the other and writes what each led to and cost.

Runs as a program of its own, so that its memory can be limited and measured:
python -m tests.hostile.driver CASES.json RESULTS.json
"""

from __future__ import annotations

import codecs
import faulthandler
import json
import sys
import time
from pathlib import Path

import torch

from avatarmmc_blender.backend.checkpoints.checkpoint import read_checkpoint
from avatarmmc_blender.backend.checkpoints.errors import CheckpointError
from avatarmmc_blender.backend.checkpoints.flame_file import read_flame
from avatarmmc_blender.backend.checkpoints.landmarks_file import read_landmarks

READERS = {"checkpoint": read_checkpoint, "flame": read_flame, "landmarks": read_landmarks}
# Events of the interpreter that mean that a file's content was run, found or written.
FORBIDDEN = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.remove", "os.rename",
    "os.mkdir", "os.rmdir", "subprocess.", "socket.", "shutil.", "ctypes.", "pickle.", "marshal.",
    "exec", "compile", "import", "code.", "webbrowser.", "cpython.", "object.__setattr__",
)  # fmt: skip
HANG_SECONDS = 120


def _kilobytes(name: str) -> int:
    """A line of /proc/self/status, or 0 where there is none."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    line = next(line for line in status.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def _forget_peak() -> None:
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")


def main() -> None:
    """Read every case and write the results."""
    torch.set_num_threads(1)
    for encoding in ("raw-unicode-escape", "cp437"):
        codecs.lookup(encoding)  # imported at its first use otherwise
    cases = json.loads(Path(sys.argv[1]).read_text())
    events: list[str] = []
    watching = False

    def audit(event: str, args: tuple) -> None:
        if watching and (event.startswith(FORBIDDEN) or _writes(event, args)):
            events.append(f"{event} {args!r:.100}")

    sys.addaudithook(audit)
    results = []
    for case in cases:
        events.clear()
        _forget_peak()
        before, start = _kilobytes("VmRSS"), time.process_time()
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        watching = True
        try:
            READERS[case["reader"]](Path(case["path"]))
            error, kind = "", "accepted"
        except CheckpointError as refusal:
            error, kind = str(refusal), "refused"
        except Exception as fault:
            error, kind = str(fault), type(fault).__name__
        watching = False
        faulthandler.cancel_dump_traceback_later()
        results.append(
            {
                "name": case["name"],
                "error": error,
                "kind": kind,
                "seconds": time.process_time() - start,
                "bytes": (_kilobytes("VmHWM") - before) * 1024,
                "events": list(events),
            }
        )
    Path(sys.argv[2]).write_text(json.dumps(results))


def _writes(event: str, args: tuple) -> bool:
    """Whether a file is opened for anything but reading."""
    return event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+") != set()


if __name__ == "__main__":
    main()
