"""Heads of an official Next3D and what their pictures show, made before training.

    python -m backend.training.next3d_pairs --model FOLDER --parser FILE --classifier FILE

Samples heads, renders them, and asks a parser and a classifier of the user's (`adapters`) for
labels and attributes; pictures without a face are skipped.  Shard k of the pool (`next3d_pool`)
depends on the seed, the shards' size and k alone, so an interrupted command goes on where it was,
and several processes may share the work (`--part 0/4` to `--part 3/4`).
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from ..conditions.conditions import CONDITION_SIZE
from ..conditions.regions import class_mask
from .adapters import CLASSIFIER, PARSER, Adapter, classify, parse
from .next3d_model import Next3DModel, load_next3d
from .next3d_pool import Pairs, read_header, shard_path

log = logging.getLogger("avatarmmc.training")

TRUNCATION = 0.7  # of all 28 rows of style
CAMERA_JITTER = 0.15  # radians
_FARTHEST = 3.0  # of the jitter's deviations
_EXPRESSIONS, _JAW = 10, 0.12  # FLAME's first coefficients; deviation of the jaw's angle, radians
_AT_REST = 0.5  # share of the heads without expression
_AT_A_TIME = 4
# A picture shows a face where each of these covers at least so much of it.
_FACE = (
    (("skin",), 0.02),
    (("nose",), 0.001),
    (("l_eye", "r_eye", "eye_g"), 0.0005),
    (("u_lip", "l_lip", "mouth"), 0.0005),
)
_ENOUGH = 16  # pictures of which at least one shows a face, or the parser is wrong


@dataclass(frozen=True)
class PairMaker:
    """What pairs are made with."""

    model: Next3DModel
    parser: Adapter
    classifier: Adapter

    def header(self) -> dict[str, str]:
        """Hashes of the files, which all shards of a pool share."""
        return {
            "generator": self.model.sha256,
            "parser": self.parser.sha256,
            "classifier": self.classifier.sha256,
        }

    @torch.no_grad()
    def draw(self, count: int, size: int, rng: torch.Generator) -> Pairs:
        """The first `count` of `size` heads of a generator of random numbers, faces or not."""
        z = torch.randn(size, self.model.generator.config.z_dim, generator=rng)
        turn = torch.randn(size, 2, generator=rng).clamp(-_FARTHEST, _FARTHEST)
        expression = torch.randn(size, _EXPRESSIONS + 1, generator=rng)
        expression[:, -1] = _JAW * expression[:, -1].abs()
        expression[torch.rand(size, generator=rng) < _AT_REST] = 0
        camera = self.model.cameras(CAMERA_JITTER * turn)
        rows = range(0, count, _AT_A_TIME)
        picked = [slice(i, min(i + _AT_A_TIME, count)) for i in rows]
        return Pairs.join([self._look(z[i], camera[i], expression[i]) for i in picked])

    def _look(self, z: Tensor, camera: Tensor, expression: Tensor) -> Pairs:
        """Render a few heads and see what they show."""
        ahead = self.model.cameras(torch.zeros(1, 2)).expand(len(z), -1)
        ws = self.model.generator.mapping(z.to(ahead), ahead, TRUNCATION)
        w = ws[:, 0]
        image = render(self.model, w, camera, expression)
        small = F.interpolate(image, (CONDITION_SIZE, CONDITION_SIZE), mode="area")
        return Pairs(
            w=w.cpu(),
            camera=camera.cpu(),
            expression=expression,
            image=(small * 255).round().byte().cpu(),
            label=parse(self.parser, image, CONDITION_SIZE).cpu(),
            attributes=classify(self.classifier, image).half().cpu(),
        )


@torch.no_grad()
def render(model: Next3DModel, w: Tensor, camera: Tensor, expression: Tensor) -> Tensor:
    """The generator's pictures (B, 3, S, S), sRGB 0..1, of w (B, w_dim); see `Pairs`."""
    image = model.generator.image(
        model.expand(w), mesh_of(model, expression), camera, model.blending
    )
    if not torch.isfinite(image).all():
        raise ValueError("the generator's pictures are not finite: its file may be damaged")
    return (0.5 * image + 0.5).clamp(0, 1)


def mesh_of(model: Next3DModel, expression: Tensor) -> Tensor:
    """Guiding meshes (B, 5091, 3) of FLAME's average person with expressions (B, 11)."""
    flame = model.guide()
    expression = expression.to(model.device)
    width = min(_EXPRESSIONS, flame.exprdirs.shape[2])
    jaw = F.pad(expression[:, -1:], (0, 2))  # opens about x
    return flame.generator_mesh(
        expression.new_zeros(len(expression), 1), expression[:, :width], jaw
    )


def has_face(label: Tensor) -> Tensor:
    """Which label maps (B, S, S) show skin, nose, eyes or glasses, and lips: (B,) bool."""
    found = torch.ones(len(label), dtype=torch.bool, device=label.device)
    for classes, least in _FACE:
        found &= class_mask(label, classes).float().mean((1, 2, 3)) >= least
    return found


def write_pool(
    maker: PairMaker,
    folder: Path,
    heads: int,
    shard: int,
    seed: int,
    part: tuple[int, int] = (0, 1),
) -> None:
    """Draw `heads` heads shard by shard; what is there already is left alone.

    part = (i, n) makes every n-th shard from i on.  Raises ValueError where a shard was made with
    something else, and when the parser sees no face anywhere.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(part[0], math.ceil(heads / shard), part[1]):
        path, count = shard_path(folder, index), min(shard, heads - index * shard)
        own = maker.header() | {"seed": str(seed), "shard": str(shard)}
        if not path.exists() or _drawn(path, own) < count:
            _write_shard(maker, path, index, count, own)


def _drawn(path: Path, own: dict[str, str]) -> int:
    """How many heads were drawn for a shard, which must have been made as it would be now."""
    header = read_header(path)
    for name, value in own.items():
        if header.get(name) != value:
            raise ValueError(
                f"{path} was made with {name} {header.get(name, 'unknown')[:12]}, now it is "
                f"{value[:12]}: use the same, or another --output"
            )
    return int(header["drawn"])


def _write_shard(
    maker: PairMaker, path: Path, index: int, count: int, header: dict[str, str]
) -> None:
    begun = time.monotonic()
    rng = torch.Generator().manual_seed(int(header["seed"]) * 1_000_003 + index)
    drawn = maker.draw(count, int(header["shard"]), rng)
    seen = has_face(drawn.label)
    faceless = count - int(seen.sum())
    if faceless == count and count >= _ENOUGH:
        raise ValueError(
            f"none of {count} pictures shows a face: check that {maker.parser.path.name} takes "
            "sRGB 0..1 and gives the classes in the order of docs/diffusion.md"
        )
    kept = drawn.select(seen)
    header = header | {"drawn": str(count), "faceless": str(faceless)}
    aside = path.with_suffix(".tmp")
    tensors = {f.name: getattr(kept, f.name).contiguous() for f in fields(kept)}
    save_file(tensors, aside, metadata=header)
    aside.replace(path)
    seconds = (time.monotonic() - begun) / count
    log.info("%s: %d heads, %d without a face, %.2f s a head", path.name, count, faceless, seconds)


def _part(text: str) -> tuple[int, int]:
    own, _, of = text.partition("/")
    if not (own.isdigit() and of.isdigit() and int(own) < int(of)):
        raise argparse.ArgumentTypeError(f"expected I/N with I below N, such as 0/4, given {text}")
    return int(own), int(of)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m backend.training.next3d_pairs", description=__doc__
    )
    parser.add_argument(
        "--model", type=Path, required=True, help="converted model's folder, or file"
    )
    parser.add_argument("--flame", type=Path, help="FLAME file, where the model has none")
    parser.add_argument("--parser", type=Path, required=True, help="TorchScript file")
    parser.add_argument("--classifier", type=Path, required=True, help="TorchScript file")
    parser.add_argument("--output", type=Path, default=Path("runs/next3d_pairs"))
    parser.add_argument("--heads", type=int, default=100_000)
    parser.add_argument("--shard", type=int, default=256, help="heads a file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--part", type=_part, default=(0, 1), help="I/N: every N-th shard from I on"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 for all")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        parse_faces = Adapter(PARSER, args.parser, args.device)
        judge = Adapter(CLASSIFIER, args.classifier, args.device)
        model = load_next3d(args.model, args.flame, args.device)
        model.guide()
        maker = PairMaker(model, parse_faces, judge)
        write_pool(maker, args.output, args.heads, args.shard, args.seed, args.part)
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
