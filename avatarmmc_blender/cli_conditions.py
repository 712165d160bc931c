"""What is asked of a head on the command line: the options, and the settings that they become."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .settings import (
    GUIDANCE,
    PICTURES,
    GenerateSettings,
    parse_attributes,
    parse_crop,
    parse_guidance,
)


def add_condition_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is asked of a head, and how much each of it counts."""
    scales = ", ".join(f"{name} {scale:g}" for name, scale in GUIDANCE.items())
    helps = {
        "attribute": "set an attribute that `info` lists; may be given more than once",
        "image": "a photo with a face",
        "segmentation": "a label map in the palette of CelebAMask-HQ, or with class numbers",
        "mask": "white where photo and map are not to count",
        "crop": "middle and side of the head's square, in pixels of the photo",
        "snap": "let colours of the map that are no label's become the nearest one",
        "guidance": f"how much each counts, 0 ignores it (default {scales})",
        "steps": f"evaluations of the denoiser (default {GenerateSettings().steps})",
    }
    add, files = parser.add_argument, {"metavar": "FILE", "type": Path}
    repeated = {"action": "append", "default": []}
    add("--attribute", metavar="NAME=VALUE", **repeated, help=helps["attribute"])
    for name in PICTURES:
        add(f"--{name}", **files, help=helps[name])
    add("--crop", metavar="X,Y,SIDE", type=parse_crop, help=helps["crop"])
    add("--snap", action="store_true", help=helps["snap"])
    add("--guidance", metavar="NAME=SCALE", **repeated, help=helps["guidance"])
    add("--steps", metavar="N", type=int, default=GenerateSettings().steps, help=helps["steps"])


def asked_conditions(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the values of the options of `add_condition_options` by the names of the settings."""
    values = {
        name: None if getattr(arguments, name) is None else str(getattr(arguments, name))
        for name in PICTURES
    }
    return {
        **values,
        "attributes": parse_attributes(arguments.attribute),
        "crop": arguments.crop,
        "snap": arguments.snap,
        "guidance": parse_guidance(arguments.guidance),
        "steps": arguments.steps,
    }
