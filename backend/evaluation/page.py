"""One section of a page that another command writes: found, kept and replaced."""

from __future__ import annotations

import os
from pathlib import Path

BEGIN = "<!-- written by python -m backend.evaluation; not edited by hand -->"
END = "<!-- end of what python -m backend.evaluation writes -->"


def kept_section(page: Path) -> str:
    """The section that a page has now, empty if none."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    if BEGIN not in text or END not in text:
        return ""
    return text[text.index(BEGIN) : text.index(END) + len(END)]


def write_section(page: Path, text: str) -> None:
    """Put the section into a page, in place of the one it has, else at its end."""
    old = page.read_text(encoding="utf-8") if page.exists() else "# Results\n"
    kept = kept_section(page)
    new = old.replace(kept, text) if kept else f"{old.rstrip()}\n\n{text}\n"
    page.parent.mkdir(parents=True, exist_ok=True)
    aside = page.with_name(f".{page.name}.{os.getpid()}")
    aside.write_text(new, encoding="utf-8")
    os.replace(aside, page)
