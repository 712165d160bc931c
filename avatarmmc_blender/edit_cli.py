"""The command line's `edit` and `map`: a head in a file becomes another one."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .cli_conditions import add_condition_options, asked_conditions
from .cli_output import add_file_options, make_and_write
from .edit_head import EditRequest, check_editable, edit_head, front_of, stored_settings
from .errors import AvatarError
from .files import check_file, written_aside
from .head_file import SUFFIXES, read_head
from .settings import DEVICES

if TYPE_CHECKING:
    from .pipeline import GeneratedHead
    from .stages import Progress

MAP_SCALE = 4  # pixels of a written map a side for each that edits see: easier to paint on
_HEAD = f"a head that `generate` wrote: {', '.join(SUFFIXES)}"
_PICTURE_SUFFIXES = (".png",)


def add_edit_commands(commands: argparse._SubParsersAction) -> None:
    """Add `edit` and `map` to the commands."""
    _add_edit(commands.add_parser("edit", help="change parts of a head and write the new one"))
    _add_map(commands.add_parser("map", help="write the label map of a head, to paint on"))


def _add_edit(parser: argparse.ArgumentParser) -> None:
    default = EditRequest()
    helps = {
        "strength": f"0 changes nothing, 1 the most (default {default.strength:g})",
        "lock": "let the edit change parts of the head that it has nothing to do with",
        "seed": f"another seed gives another answer (default {default.seed})",
        "device": f"{', '.join(DEVICES)} (default auto)",
    }
    add = parser.add_argument
    add("head", metavar="HEAD", type=Path, help=_HEAD)
    add_file_options(parser)
    add("--strength", metavar="N", type=float, default=default.strength, help=helps["strength"])
    add("--no-identity-lock", action="store_true", help=helps["lock"])
    add("--seed", metavar="N", type=int, default=default.seed, help=helps["seed"])
    add_condition_options(parser)
    for name in ("resolution", "texture"):
        add(
            f"--{name}", metavar="N", type=int, help=f"as of `generate` (default the head's {name})"
        )
    add("--device", metavar="NAME", default="auto", help=helps["device"])
    parser.set_defaults(run=_edit)


def _add_map(parser: argparse.ArgumentParser) -> None:
    add, files = parser.add_argument, {"metavar": "FILE", "type": Path}
    add("head", metavar="HEAD", type=Path, help=_HEAD)
    add("--output", **files, required=True, help="map.png, for `edit --segmentation` once painted")
    add("--picture", **files, help="the front view itself, for `edit --image --mask` once painted")
    add("--device", metavar="NAME", choices=DEVICES, default="auto")
    parser.set_defaults(run=_map)


def _edit(arguments: argparse.Namespace) -> None:
    request = EditRequest(
        strength=arguments.strength,
        identity_lock=not arguments.no_identity_lock,
        seed=arguments.seed,
        **asked_conditions(arguments),
    )
    request.check()
    head = read_head(arguments.head)
    check_editable(head)
    settings = replace(stored_settings(head), device=arguments.device)
    for name in ("resolution", "texture"):
        if getattr(arguments, name) is not None:
            settings = replace(settings, **{name: getattr(arguments, name)})
    settings.check()

    def make(progress: Progress | None) -> list[GeneratedHead]:
        return [edit_head(head, request, settings, progress)]

    make_and_write(arguments, make)


def _map(arguments: argparse.Namespace) -> None:
    pictures = [path for path in (arguments.output, arguments.picture) if path is not None]
    for path in pictures:
        check_file(path, _PICTURE_SUFFIXES)
    if len({path.absolute() for path in pictures}) < len(pictures):
        raise AvatarError("Map and picture would be one file; give them different names.")
    image, labels = front_of(read_head(arguments.head), arguments.device)

    from .backend.conditions.palette import PALETTE
    from .png import encode_png

    painted = np.array(PALETTE, np.uint8)[labels]
    for path, pixels in zip(pictures, (painted, image), strict=False):
        large = pixels.repeat(MAP_SCALE, 0).repeat(MAP_SCALE, 1)
        with written_aside(path) as aside:
            aside.write_bytes(encode_png(large))
    print(", ".join(str(path) for path in pictures))
