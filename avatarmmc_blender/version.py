"""The add-on's version, from the one place that states it: the extension's manifest."""

from __future__ import annotations

import tomllib
from pathlib import Path

MANIFEST = "blender_manifest.toml"


def read_version() -> str:
    """Return the version in the manifest, which lies in this folder or, in a checkout, above it."""
    folder = Path(__file__).parent
    path = next(path for path in (folder / MANIFEST, folder.parent / MANIFEST) if path.is_file())
    return tomllib.loads(path.read_text(encoding="utf-8"))["version"]


VERSION = read_version()
