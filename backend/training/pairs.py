"""Pairs of generated heads and their images with exact labels, for all that learns from images.

`draw_views` makes them on the fly; `python -m backend.training.pairs` keeps a pool on disk, for
runs on machines where drawing takes longer than learning.

A pool is a folder of shards `views_NNNNN.safetensors`; the tensors of a shard are the fields of
`Views`, one row a view, and its header says seed, heads, views a head and the weights' hash.  Shard
k depends on the seed and k alone, so an interrupted command goes on where it was.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..generator.cameras import orbit_camera
from ..generator.fast_images import FastImages, PosedHead, project
from ..generator.weights import BUNDLED_WEIGHTS, load_bundled, weights_hash
from ..perception.framing import SIZE, Frame, crop_intrinsics, frame_around
from ..synthetic.expressions import sample_expressions
from ..synthetic.latent import APPEARANCE_INDEX, STYLE_SLICE
from .latents import sample_training_latents

log = logging.getLogger("avatarmmc.training")

YAW, PITCH, ROLL = (28.0, 80.0), (11.0, 35.0), (8.0, 30.0)  # deviation and limit, degrees
DISTANCE = (0.75, 3.0)  # metres
_TARGET = (0.0, 0.03, 0.0)
_SIDE_JITTER, _SHIFT_JITTER = 0.06, 0.02  # of the side
_SEEN = 0.012  # metres a landmark may lie behind what is seen there
_RESTYLE_SHARE = 0.5
# what a person changes from one photo to the next
_STYLE = (
    "volume", "length", "curl", "hairline", "part_side", "fringe", "glasses", "glass_shape",
    "earring", "lipstick", "eyeshadow", "blush", "beard", "must", "goatee", "full", "beard_len",
    "sideburn",
)  # fmt: skip


@dataclass(frozen=True)
class Views:
    """Images of B views; row 0 of an image at its top, colours without light.

    head (B,) int64 tells persons apart; z (B, 104) latents, expression (B, 52) ARKit weights;
    camera (B, 25) cam2world and intrinsics, row by row; color (B, 3, S, S) uint8 sRGB, zero where
    nothing is seen; coverage (B, S, S) uint8, 255 = all of the pixel; label (B, S, S) uint8 of the
    19 official classes; normal (B, 3, S, S) int8, 127 = 1, in camera axes (right, down, forward);
    landmarks (B, 68, 2) float32 in units of the image's side; seen (B, 68) bool; rotation
    (B, 3, 3) float32 from the head's axes to the camera's.
    """

    head: Tensor
    z: Tensor
    expression: Tensor
    camera: Tensor
    color: Tensor
    coverage: Tensor
    label: Tensor
    normal: Tensor
    landmarks: Tensor
    seen: Tensor
    rotation: Tensor

    def __len__(self) -> int:
        return len(self.head)

    def select(self, index: Tensor | slice) -> Views:
        """The views picked by `index`."""
        return Views(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def join(cls, parts: list[Views]) -> Views:
        """Several batches as one."""
        return cls(**{f.name: torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls)})


def draw_views(
    images: FastImages,
    heads: int,
    views: int,
    rng: torch.Generator,
    first_head: int = 0,
) -> Views:
    """New heads, each seen `views` times: other camera, expression and often other hair."""
    z = sample_training_latents(heads, rng)
    rows = []
    for number in range(heads):
        for view in range(views):
            own = z[number : number + 1]
            if view and float(torch.rand((), generator=rng)) < _RESTYLE_SHARE:
                own = restyle(own, rng)
            seed = int(torch.randint(2**31, (1,), generator=rng))
            expression = sample_expressions(1, seed)
            with torch.inference_mode():
                ws = images.generator.mapping(own.to(images.generator.model.device))
            rows.append(draw_view(images, ws, own, expression, first_head + number, rng))
    return Views.join(rows)


def restyle(z: Tensor, rng: torch.Generator) -> Tensor:
    """The same persons z (B, 104) with other hair, beard, make-up, glasses and earrings."""
    other, changed = sample_training_latents(len(z), rng), z.clone()
    changed[:, STYLE_SLICE] = other[:, STYLE_SLICE]
    for name in _STYLE:
        changed[:, APPEARANCE_INDEX[name]] = other[:, APPEARANCE_INDEX[name]]
    return changed


def draw_view(
    images: FastImages,
    ws: Tensor,
    z: Tensor,
    expression: Tensor,
    head: int,
    rng: torch.Generator,
    cam2world: Tensor | None = None,
) -> Views:
    """One head, rows ws (1, R, W) of z (1, 104), posed by `expression` (1, 52), seen by a camera
    (4, 4) or from anywhere."""
    device = images.generator.model.device
    posed = images.pose(ws, expression.to(device))
    cam2world = (random_camera(rng) if cam2world is None else cam2world).to(device)
    intrinsics = framed_intrinsics(posed, cam2world, rng)
    picture = posed.render(cam2world, intrinsics, SIZE)
    landmarks, depth = project(posed.landmarks, cam2world, intrinsics)
    rotation = cam2world[:3, :3].T
    normal = picture.normal @ rotation.T
    return Views(
        head=torch.tensor([head]),
        z=z.cpu(),
        expression=expression,
        camera=torch.cat([cam2world.flatten(), intrinsics.flatten()])[None].cpu(),
        color=_bytes(picture.color).permute(2, 0, 1)[None].cpu(),
        coverage=_bytes(picture.coverage)[None].cpu(),
        label=picture.label.byte()[None].cpu(),
        normal=(normal * 127).round().to(torch.int8).permute(2, 0, 1)[None].cpu(),
        landmarks=landmarks[None].cpu(),
        seen=_seen(landmarks, depth, picture.depth)[None].cpu(),
        rotation=rotation[None].cpu(),
    )


def random_camera(rng: torch.Generator) -> Tensor:
    """cam2world (4, 4): mostly before the face, a little rolled, from arm's length to far."""
    yaw, pitch, roll = (
        math.radians(float((deviation * torch.randn((), generator=rng)).clamp(-limit, limit)))
        for deviation, limit in (YAW, PITCH, ROLL)
    )
    share = float(torch.rand((), generator=rng))
    distance = DISTANCE[0] * (DISTANCE[1] / DISTANCE[0]) ** share
    where = torch.tensor([yaw]), torch.tensor([pitch])
    cam2world = orbit_camera(*where, distance, torch.tensor(_TARGET))[0]
    turn = torch.eye(4)
    turn[:2, :2] = torch.tensor(
        [[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]]
    )
    return cam2world @ turn


def framed_intrinsics(posed: PosedHead, cam2world: Tensor, rng: torch.Generator) -> Tensor:
    """Intrinsics (3, 3) of the square that a photo of this head would be cut to, a little off."""
    landmarks = project(posed.landmarks, cam2world, torch.eye(3).to(cam2world))[0]
    frame = frame_around(landmarks)
    noise = torch.randn(3, generator=rng)
    side = frame.side * math.exp(_SIDE_JITTER * float(noise[0]))
    x, y = (at + _SHIFT_JITTER * side * float(n) for at, n in zip((frame.x, frame.y), noise[1:]))
    return crop_intrinsics(Frame(x, y, side)).to(cam2world)


def _bytes(values: Tensor) -> Tensor:
    return (values.clamp(0, 1) * 255).round().to(torch.uint8)


def _seen(landmarks: Tensor, depth: Tensor, image: Tensor) -> Tensor:
    """Which landmarks (68, 2) at depths (68,) nothing hides in a depth image (S, S)."""
    at = (landmarks * len(image)).long()
    inside = ((at >= 0) & (at < len(image))).all(1)
    column, row = at.clamp(0, len(image) - 1).unbind(1)
    return inside & (image[row, column] > depth - _SEEN)


def shard_path(folder: Path, index: int) -> Path:
    """File of one shard of a pool."""
    return Path(folder) / f"views_{index:05d}.safetensors"


def write_pool(
    images: FastImages, folder: Path, heads: int, views: int, shard: int, seed: int, weights: str
) -> None:
    """Draw a pool shard by shard; what is there already is left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(math.ceil(heads / shard)):
        path = shard_path(folder, index)
        if path.exists():
            continue
        begun = time.monotonic()
        rng = torch.Generator().manual_seed(seed * 1_000_003 + index)
        count = min(shard, heads - index * shard)
        drawn = draw_views(images, count, views, rng, first_head=index * shard)
        header = {"seed": seed, "heads": count, "views": views, "weights": weights}
        aside = path.with_suffix(".tmp")
        tensors = {f.name: getattr(drawn, f.name).contiguous() for f in fields(drawn)}
        save_file(tensors, aside, metadata={name: str(value) for name, value in header.items()})
        aside.replace(path)
        seconds = (time.monotonic() - begun) / len(drawn)
        log.info("%s: %d views, %.2f s a view", path.name, len(drawn), seconds)


def read_pool(folder: Path, limit: int | None = None) -> Views:
    """All views of a pool, or of its first `limit` shards."""
    paths = sorted(Path(folder).glob("views_*.safetensors"))[:limit]
    if not paths:
        raise ValueError(
            f"{folder} holds no pairs: make some with `python -m backend.training.pairs`"
        )
    parts = []
    for path in paths:
        with safe_open(path, framework="pt") as file:
            parts.append(Views(**{f.name: file.get_tensor(f.name) for f in fields(Views)}))
    return Views.join(parts)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m backend.training.pairs", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/pairs"))
    parser.add_argument("--heads", type=int, default=4000)
    parser.add_argument("--views", type=int, default=2, help="views of each head")
    parser.add_argument("--shard", type=int, default=64, help="heads a file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, default=BUNDLED_WEIGHTS)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 for all")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args.threads:
        torch.set_num_threads(args.threads)
    images = FastImages(load_bundled(args.device, args.weights))
    write_pool(
        images, args.output, args.heads, args.views, args.shard, args.seed,
        weights_hash(args.weights),
    )  # fmt: skip


if __name__ == "__main__":
    main()
