"""The report of a generated head as JSON, or as one page to read in a browser."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path

from .files import written_aside

SUFFIXES = (".json", ".html")

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em }}
table {{ border-collapse: collapse; width: 100%; margin: 0 0 1.5em }}
td, th {{ text-align: left; padding: .15em .8em .15em 0; border-bottom: 1px solid #ddd }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums }}
img {{ max-width: 100%; border-radius: 6px }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


def write_report(report: dict, path: Path, preview: Path | None = None) -> None:
    """Write `report` to `path`; an .html page shows the picture `preview` if there is one."""
    if path.suffix.lower() == ".json":
        text = json.dumps(report, indent=2, sort_keys=True) + "\n"
    else:
        text = report_page(report, preview)
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def report_page(report: dict, preview: Path | None = None) -> str:
    """Return the report as one self-contained HTML page."""
    settings = report["settings"]
    sections = [] if preview is None else [_picture(preview)]
    asked = [(name, _text(value)) for name, value in settings.items() if value is not None]
    sections.append(_table("Request", asked))
    sections.append(_table("Conditions", _conditions(report)))
    if report["notes"]:
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in report["notes"])
        sections.append(f"<h2>Notes</h2>\n<ul>{notes}</ul>")
    seconds = [(stage, f"{value:.2f}") for stage, value in report["seconds"].items()]
    sections.append(_table("Seconds", seconds))
    parts = [
        (name, f"{part['vertices']:,}", f"{part['faces']:,}", str(part["shape_keys"]))
        for name, part in report["parts"].items()
    ]
    sections.append(_table("Parts", [("", "vertices", "faces", "shape keys"), *parts]))
    model = report["model"]
    machine = [
        ("model", model["id"]),
        ("weights sha256", model["sha256"]),
        ("device", report["device"]),
        ("peak memory", f"{report['peak_memory_mb']:,} MB"),
        *report["versions"].items(),
    ]
    sections.append(_table("Model and machine", machine))
    title = f"AvatarMMC head, seed {settings['seed']}"
    return _PAGE.format(title=title, body="\n".join(sections))


def _conditions(report: dict) -> list[tuple[str, str]]:
    rows = [(name, _text(value)) for name, value in report["conditions"].items()]
    rows = rows or [("given", "nothing but the seed")]
    return [*rows, ("drawn anew by the check", str(report["resampled"]))]


def _table(title: str, rows: list[tuple[str, ...]]) -> str:
    lines = []
    for name, *values in rows:
        cells = "".join(f'<td class="number">{html.escape(value)}</td>' for value in values)
        lines.append(f"<tr><th>{html.escape(name)}</th>{cells}</tr>")
    return f"<h2>{html.escape(title)}</h2>\n<table>\n" + "\n".join(lines) + "\n</table>"


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img alt="Render of the head" src="data:image/png;base64,{data}">'


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items()) or "none"
    return str(value)
