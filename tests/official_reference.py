"""The public EG3D's and Next3D's numbers at small random configurations (tests/data/*_tiny/).

Written by the unmodified programs on a CPU in float32; state values that are never read are zero.
"""

from functools import cache
from pathlib import Path

from avatarmmc_blender.backend.official.verify import Reference

DATA = Path(__file__).parent / "data"


@cache
def reference(family: str) -> Reference:
    """Return the stored arrays of "eg3d" or "next3d" with the generator of their state."""
    return Reference.read(DATA / f"{family}_tiny")
