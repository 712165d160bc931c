"""Python ends while a job runs, as when Blender is closed: in time and without a crash."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

# work: a list of Python lines; torch is there
SCRIPT = """
import atexit, threading, time, torch
from avatarmmc_blender.jobs import Job, leave_interpreter
atexit.register(leave_interpreter)
begun = threading.Event()

def work(callback):
    callback("stage", 0.0)
    begun.set()
    while True:
        {work}

Job(work).start()
begun.wait(60)
time.sleep(0.2)
print(time.time(), flush=True)
"""
STEPS = {
    "short steps": "torch.ones(64, 64) @ torch.ones(64, 64); callback('stage', 0.5)",
    "one long step": "torch.linalg.svd(torch.rand(2500, 2500))",
}


@pytest.mark.parametrize("name", STEPS)
def test_a_job_does_not_outlive_python(name):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(work=STEPS[name])],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert time.time() - float(done.stdout) < 4.0
