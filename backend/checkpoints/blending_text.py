"""Reading, never running, what a generator's embedded text says about blending."""

from __future__ import annotations

import re

MAX_TEXT = 1 << 18
MAX_LINE = 400

ZEROED_ALPHA = re.compile(
    r"""
      \balpha\w*(?:\[[^\]]*\])?\s*=\s*[^=]*\bzeros(?:_like)?\s*\(  # alpha... = ...zeros(
    | \bzeros(?:_like)?\s*\(\s*\w*alpha                            # zeros_like(..alpha..
    | \b\w*alpha\w*\s*\*\s*0(?:\.0*)?\b                           # alpha * 0
    """,
    re.VERBOSE,
)


def blending_rule(source: str) -> str | None:
    """Return "front" if the text of a generator's module zeroes alphas, else None.

    The released Next3D file animates plane 0 only; its text shows zeros in place of the other
    alphas.  Comments do not count, and lines that no person writes are passed over.
    """
    lines = (line.partition("#")[0] for line in source[:MAX_TEXT].splitlines())
    zeroed = any(ZEROED_ALPHA.search(line) for line in lines if len(line) <= MAX_LINE)
    return "front" if zeroed else None
