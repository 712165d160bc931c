"""The command line: heads into files, official models, or a list of what can be asked for.

Whatever a user can get wrong ends in one sentence on stderr and exit code 2, with no file left.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, NoReturn

from .cli_conditions import add_condition_options, asked_conditions
from .cli_output import add_file_options, make_and_write
from .edit_cli import add_edit_commands
from .errors import AvatarError, Cancelled
from .models_cli import add_models_commands
from .models_store import listed_models
from .settings import BUNDLED_MODEL, DEVICES, METHODS, RESOLUTION_RANGE, GenerateSettings

if TYPE_CHECKING:
    from .pipeline import GeneratedHead
    from .stages import Progress


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage as one sentence."""

    def error(self, message: str) -> NoReturn:
        raise AvatarError(f"{message[0].upper()}{message[1:]}; --help shows what can be given.")


def main(argv: list[str] | None = None) -> int:
    """Run the command of `argv` and return the exit code.

    0 done, 1 a verification that failed, 2 not possible.
    """
    try:
        arguments = _parser().parse_args(argv)
        return arguments.run(arguments) or 0
    except AvatarError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(Cancelled(), file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="avatarmmc", description="Textured, rigged 3D heads.")
    names = "generate|edit|map|models|info"
    commands = parser.add_subparsers(dest="command", required=True, metavar=names)
    _add_generate(commands.add_parser("generate", help="make heads and write them to files"))
    add_edit_commands(commands)
    models = commands.add_parser("models", help="add, list, verify and remove official models")
    add_models_commands(models)
    info = commands.add_parser("info", help="list attributes with ranges, models and devices")
    info.set_defaults(run=_info)
    return parser


def _add_generate(parser: argparse.ArgumentParser) -> None:
    default = GenerateSettings()
    low, high = RESOLUTION_RANGE
    helps = {
        "seed": f"which head (default {default.seed})",
        "truncation": f"0 average head to 1 full variety (default {default.truncation})",
        "resolution": f"surface cells a side, {low} to {high} (default {default.resolution})",
        "texture": f"texture pixels a side (default {default.texture})",
        "model": "a converted official model that `models list` lists (default the bundled one)",
        "device": f"{', '.join(DEVICES)} (default {default.device})",
        "raw_surface": "keep the unrigged surface of the field in a .blend as well",
        "variants": "how many different heads, numbered in the files' names (default 1)",
        "method": f"{' or '.join(METHODS)}: the denoiser, or a slow search (default diffusion)",
        "personalise": "steps of refinement against the photo, e.g. 60 (default 0)",
    }
    add = parser.add_argument
    add_file_options(parser)
    add("--seed", metavar="N", type=int, default=default.seed, help=helps["seed"])
    add_condition_options(parser)
    for name in ("variants", "personalise"):
        value = getattr(default, name)
        add(f"--{name}", metavar="N", type=int, default=value, help=helps[name])
    add("--method", metavar="NAME", default=default.method, help=helps["method"])
    for name, kind in (("truncation", float), ("resolution", int), ("texture", int)):
        value = getattr(default, name)
        add(f"--{name}", metavar="N", type=kind, default=value, help=helps[name])
    add("--model", metavar="ID", default=default.model, help=helps["model"])
    add("--device", metavar="NAME", default=default.device, help=helps["device"])
    add("--raw-surface", action="store_true", help=helps["raw_surface"])
    parser.set_defaults(run=_generate)


def _generate(arguments: argparse.Namespace) -> None:
    names = ("seed", "truncation", "resolution", "texture", "device", "raw_surface", "model")
    names += ("variants", "method", "personalise")
    values = {name: getattr(arguments, name) for name in names}
    settings = GenerateSettings(**values, **asked_conditions(arguments))
    settings.check()

    def make(progress: Progress | None) -> list[GeneratedHead]:
        from .pipeline import generate

        return generate(settings, progress)

    make_and_write(arguments, make, settings.variants)


def _info(arguments: argparse.Namespace) -> None:
    from .backend.conditions.table import ATTRIBUTES
    from .models import available_devices

    devices = available_devices()
    from .backend.generator.weights import BUNDLED_WEIGHTS, MODEL_ID

    print("Attributes (--attribute NAME=VALUE)")
    for attribute in ATTRIBUTES:
        values, text = f"{attribute.minimum:g} to {attribute.maximum:g}", attribute.description
        if attribute.choices:
            values, text = "one of", f"{text}: {', '.join(attribute.choices)}"
        print(f"  {attribute.name:<18} {values:<8} {text}")
    size = (
        f"{BUNDLED_WEIGHTS.stat().st_size / 1e6:.1f} MB" if BUNDLED_WEIGHTS.exists() else "missing"
    )
    print(f"Models (--model ID)\n  {BUNDLED_MODEL}  {MODEL_ID} ({size})")
    for model in listed_models():
        print(f"  {model.id}  {model.family_name}{', ' * bool(model.problem)}{model.problem}")
    print(f"Devices\n  {', '.join(devices)}")
