"""The command line's `models`: add, list, verify and remove official models."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .errors import AvatarError
from .files import new_folder
from .models_store import listed_models, models_folder
from .settings import DEVICES, GenerateSettings

MOST_FRAMES = 1000
FAILED = 1  # exit code of a verification that found differences


def add_models_commands(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the commands of `models`."""
    commands = parser.add_subparsers(
        dest="models_command", required=True, metavar="add|list|verify|reenact|remove"
    )
    add = commands.add_parser("add", help="convert a released Next3D or EG3D file and keep it")
    add.add_argument("file", metavar="FILE", type=Path, help="the released .pkl file")
    flame = "generic_model.pkl or flame2023.pkl; landmark_embedding.npy is looked for beside it"
    add.add_argument("--flame", metavar="FILE", type=Path, help=flame)
    add.set_defaults(run=_add)
    listing = commands.add_parser("list", help="list converted models with licence and memory")
    listing.set_defaults(run=_list)
    verify = commands.add_parser(
        "verify", help="compare with reference outputs, or test a converted model"
    )
    what = "a folder of reference outputs, or the id of a converted model"
    verify.add_argument("target", metavar="FOLDER|ID", help=what)
    verify.add_argument("--device", metavar="NAME", choices=DEVICES, default="auto")
    verify.set_defaults(run=_verify)
    _add_reenact(commands.add_parser("reenact", help="frames of a Next3D head in motion"))
    remove = commands.add_parser("remove", help="delete a converted model")
    remove.add_argument("id", metavar="ID")
    stray = "delete also a folder among the models that is none, with all that is in it"
    remove.add_argument("--stray", action="store_true", help=stray)
    remove.set_defaults(run=_remove)


def _add_reenact(parser: argparse.ArgumentParser) -> None:
    default = GenerateSettings(truncation=0.7, resolution=128, texture=128)
    add = parser.add_argument
    add("id", metavar="ID")
    add("--output", metavar="FOLDER", type=Path, required=True, help="a new folder for frames")
    add("--frames", metavar="N", type=int, default=24, help="of the loop (default 24)")
    check = "compare the rig with the generator's surface in each frame"
    add("--check", action="store_true", help=check)
    for name, kind in (("seed", int), ("truncation", float), ("resolution", int)):
        add(f"--{name}", metavar="N", type=kind, default=getattr(default, name))
    add("--device", metavar="NAME", choices=DEVICES, default="auto")
    parser.set_defaults(run=_reenact, texture=default.texture)


def _add(arguments: argparse.Namespace) -> None:
    from .model_actions import add_model

    model = add_model(arguments.file, arguments.flame)
    info = next(item for item in listed_models() if item.id == model.id)
    print(f"{model.id}: {info.family_name}, {_megabytes(model.memory_bytes)} of memory")
    if info.problem:
        print(f"  {info.problem}")
    print(model.licence)


def _list(arguments: argparse.Namespace) -> None:
    models = listed_models()
    if not models:
        print(f"No official models in {models_folder()}; `models add FILE` converts one.")
    for model in models:
        if model.family:
            head = "with FLAME" if model.has_flame else "without FLAME"
            memory = _megabytes(model.memory_bytes)
            print(f"{model.id}: {model.family_name}, {head}, {memory} of memory")
        else:
            print(f"{model.id}:")
        if model.problem:
            print(f"  {model.problem}")
        for line in model.licence.splitlines():
            print(f"  {line}")


def _verify(arguments: argparse.Namespace) -> int:
    folder = Path(arguments.target)
    known = {model.id for model in listed_models()}
    if arguments.target in known and not folder.is_dir():
        return _verify_stored(arguments.target, arguments.device)
    if not folder.is_dir():
        raise AvatarError(
            f"{arguments.target} is neither a folder nor a converted model; "
            f"`models list` lists them ({len(known)})."
        )
    return _verify_folder(folder)


def _verify_stored(model_id: str, device: str) -> int:
    from .model_actions import keep_picture, verify_model

    found = verify_model(model_id, device)
    picture = keep_picture(found)
    print(f"{model_id}: {found.tensors} tensors of the right shapes, all finite; {found.note}")
    if picture is not None:
        print(picture)
    return 0


def _verify_folder(folder: Path) -> int:
    from .models import import_torch

    import_torch()
    from .backend.official.verify import compare_folder

    failed = count = 0
    try:
        for row in compare_folder(folder):
            count += 1
            failed += not row.passed
            print(row.line(), flush=True)
    except (OSError, ValueError, KeyError) as error:
        raise AvatarError.from_error(error) from error
    print(f"{count - failed} of {count} agree", file=sys.stderr if failed else sys.stdout)
    return FAILED if failed else 0


def _reenact(arguments: argparse.Namespace) -> None:
    names = ("seed", "truncation", "resolution", "texture", "device")
    values = {name: getattr(arguments, name) for name in names}
    settings = GenerateSettings(**values, model=arguments.id)
    settings.check()
    if not 1 <= arguments.frames <= MOST_FRAMES:
        raise AvatarError(
            f"frames is {arguments.frames}; give a whole number from 1 to {MOST_FRAMES}."
        )
    with new_folder(arguments.output) as folder:
        _write_frames(arguments, settings, folder)
    print(f"{arguments.output}: {arguments.frames} frames")


def _write_frames(arguments: argparse.Namespace, settings: GenerateSettings, folder: Path) -> None:
    from .models import choose_device
    from .official_models import load_official_model
    from .official_motion import loop, reenact
    from .png import encode_png

    model = load_official_model(arguments.id, choose_device(settings.device))
    frames = reenact(model, settings, loop(arguments.frames), arguments.check)
    for index, frame in enumerate(frames):
        (folder / f"frame_{index:04d}.png").write_bytes(encode_png(frame.pixels))
        if frame.rig_error is not None:
            print(
                f"frame {index:3d}: face to the generator's surface, rig "
                f"{1000 * frame.rig_error:.2f} mm, at rest {1000 * frame.rest_error:.2f} mm",
                flush=True,
            )


def _remove(arguments: argparse.Namespace) -> None:
    from .model_actions import remove_model

    remove_model(arguments.id, arguments.stray)
    print(f"{arguments.id} removed")


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
