"""True images for stage 2, made once: `python -m backend.training.image_pool --output FOLDER`.

A view is a small window into the picture of a synthetic head.  Beside the true pixels it keeps
what the generator needs to be rendered through the same rays: where samples in a thin band about
the true surface lie on the head model.  Stage 1 leaves the generated surface far inside that band,
so a training step traces no ray and searches no closest point; and truth and generator meet the
discriminator through the same rays and the same soft density, which it could tell apart otherwise.

Shards are written one by one; the same command goes on after the last one.
"""

import argparse
import logging
import time
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import one_hot

from ..generator.cameras import intrinsics_from_angle, orbit_camera
from ..generator.guide import guide_from_barycentric
from ..generator.images import Bands, band_depths, integrate
from ..generator.renderer import camera_rays
from ..head_model.model import HeadModel, load_bundled
from ..synthetic.expressions import sample_expressions
from ..synthetic.head import SyntheticHeads
from ..synthetic.images import trace
from ..synthetic.labels import LABELS, official_labels
from .latents import sample_training_latents
from .surface_atlas import triangle_importance

log = logging.getLogger("avatarmmc.training")

SAMPLES = 8
DISTANCE, FIELD_OF_VIEW, TARGET = 1.5, 16.0, (0.0, 0.06, 0.0)
WINDOW = (0.1, 0.5)  # least and greatest side of a window, share of the whole picture's side
VIEWS = 4  # of each head
HEADS_A_SHARD = 8
_TOLERANCE = 0.001  # metres; the band is many times thicker


@dataclass(frozen=True)
class Views:
    """V views of R rays, n samples a ray; all that a shard's file holds.

    z (V, D), expression (V, 52), cam2world (V, 4, 4), intrinsics (V, 3, 3) of the window; depth
    (V, R) metres to the true surface, infinite for a miss; the samples' closest triangle face
    (V, R, n), bary (V, R, n, 2) of its second and third corner and signed distance (V, R, n)
    metres; pixels (V, R, 3 + 1 + L) as `integrate` gives them.
    """

    z: Tensor
    expression: Tensor
    cam2world: Tensor
    intrinsics: Tensor
    depth: Tensor
    face: Tensor
    bary: Tensor
    distance: Tensor
    pixels: Tensor

    def __len__(self) -> int:
        return len(self.z)

    def select(self, index: Tensor) -> "Views":
        """Some of the views."""
        return Views(*(getattr(self, field.name)[index] for field in fields(self)))

    def to(self, device: torch.device) -> "Views":
        """The same views on a device."""
        return Views(*(getattr(self, field.name).to(device) for field in fields(self)))

    @property
    def size(self) -> int:
        """Pixels along a side."""
        return round(self.depth.shape[1] ** 0.5)

    def bands(self, model: HeadModel) -> tuple[Bands, Tensor]:
        """Samples of the M rays that count, and their pixels (V, M).

        M is the most hits of any view; a view with fewer gets misses as well, their pixels to be
        multiplied by `hit`.
        """
        count = int(self.depth.isfinite().sum(1).amax())
        pixel = self.depth.isfinite().int().argsort(dim=1, descending=True, stable=True)[:, :count]
        origin, direction = camera_rays(self.cam2world, self.intrinsics, self.size)
        origin, direction, surface = (
            _take(values, pixel) for values in (origin, direction, self.depth)
        )
        depths = band_depths(surface.nan_to_num(posinf=DISTANCE), SAMPLES)
        points = (origin[:, :, None] + depths * direction[:, :, None]).flatten(1, 2)
        face, bary, distance = (
            _take(values, pixel).flatten(1, 2) for values in (self.face, self.bary, self.distance)
        )
        bary = torch.cat([1 - bary.float().sum(-1, keepdim=True), bary.float()], -1)
        guide = guide_from_barycentric(model, face.long(), bary, distance)
        return Bands(depths, points, guide), pixel

    @property
    def hit(self) -> Tensor:
        """Which rays (V, R) meet the true surface."""
        return self.depth.isfinite()


def _take(values: Tensor, pixel: Tensor) -> Tensor:
    """Rays `pixel` (V, M) of values (V, R, ...)."""
    index = pixel.view(*pixel.shape, *[1] * (values.ndim - 2)).expand(-1, -1, *values.shape[2:])
    return values.gather(1, index)


def view_labels(views: Views) -> Tensor:
    """What the discriminator is told of each view (V, 25): pose, and the window in the picture.

    Intrinsics are inverted and scaled by the whole picture's focal length: all numbers stay
    about 1, where focal lengths of small windows would drown the pose.
    """
    whole = intrinsics_from_angle(FIELD_OF_VIEW)[0, 0]
    window = torch.linalg.inv(views.intrinsics) * whole
    return torch.cat([views.cam2world.flatten(1), window.flatten(1)], 1)


def load_views(folder: Path, heads: int, size: int) -> Views:
    """The views that `fill_pool` wrote into a folder."""
    paths = [_shard_path(folder, size, shard) for shard in range(-(-heads // HEADS_A_SHARD))]
    shards = [load_file(path) for path in paths]
    return Views(**{name: torch.cat([shard[name] for shard in shards]) for name in shards[0]})


def _shard_path(folder: Path, size: int, shard: int) -> Path:
    return folder / f"views_{size}_{shard:05d}.safetensors"


def fill_pool(folder: Path, heads: int, size: int, seed: int) -> None:
    """Write what is missing of the views of `heads` heads, size x size pixels each."""
    folder.mkdir(parents=True, exist_ok=True)
    model = load_bundled()
    started = time.monotonic()
    for shard in range(-(-heads // HEADS_A_SHARD)):
        path = _shard_path(folder, size, shard)
        if path.exists():
            continue
        rng = torch.Generator().manual_seed(seed * 1_000_003 + shard)
        views = [head_views(model, size, rng) for _ in range(HEADS_A_SHARD)]
        names = [field.name for field in fields(Views)]
        tensors = {name: torch.cat([getattr(v, name) for v in views]) for name in names}
        aside = path.with_suffix(".tmp")
        save_file(tensors, aside)
        aside.replace(path)
        log.info("shard %d after %.0f s", shard, time.monotonic() - started)


@torch.no_grad()
def head_views(model: HeadModel, size: int, rng: torch.Generator) -> Views:
    """Views of one new head."""
    z = sample_training_latents(1, rng)
    expression = sample_expressions(1, int(torch.randint(2**31, (1,), generator=rng)))
    heads = SyntheticHeads(z, expression, model)
    cam2world, intrinsics = draw_windows(heads, rng)
    origin, direction = camera_rays(cam2world, intrinsics, size)
    rays = origin.reshape(1, -1, 3), direction.reshape(1, -1, 3)
    depth = trace(heads, *rays, parts=False, tolerance=_TOLERANCE)
    hit = depth[0].isfinite()
    # bands are not centred alike: the true surface lies anywhere between two samples
    depth = depth + 0.0015 * (torch.rand(depth.shape, generator=rng) - 0.5)
    depths = band_depths(depth[:, hit], SAMPLES)
    points = rays[0][:, hit, None] + depths * rays[1][:, hit, None]
    distance, face, bary = heads.closest(points.reshape(-1, 3))
    guide = guide_from_barycentric(model, face[None], bary[None], distance[None])
    truth = heads.guided(
        guide.canonical, guide.distance, points.flatten(1, 2), guide.ao, guide.tongue
    )
    labels = one_hot(official_labels(truth.label), len(LABELS)).float()
    pixels = integrate(truth.color, labels, truth.sdf, depths)[0]

    def rows(values: Tensor, dtype: torch.dtype) -> Tensor:
        all_rays = values.new_zeros(len(hit), *values.shape[1:])
        all_rays[hit] = values
        return all_rays.to(dtype).reshape(VIEWS, size * size, *values.shape[1:])

    return Views(
        z=z.repeat(VIEWS, 1),
        expression=expression.repeat(VIEWS, 1),
        cam2world=cam2world,
        intrinsics=intrinsics,
        depth=depth.reshape(VIEWS, -1),
        face=rows(face.view(-1, SAMPLES), torch.int32),
        bary=rows(bary[:, 1:].reshape(-1, SAMPLES, 2), torch.float16),
        distance=rows(distance.view(-1, SAMPLES), torch.float32),
        pixels=rows(pixels, torch.float16),
    )


def draw_windows(heads: SyntheticHeads, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cameras (V, 4, 4) about one head and intrinsics (V, 3, 3) of windows into their pictures.

    Windows are centred on places of the skin, drawn as training points of stage 1 are.
    """
    model = heads.model
    yaw, pitch = torch.randn(2, VIEWS, generator=rng) * torch.tensor([[0.5], [0.2]])
    cam2world = orbit_camera(yaw, pitch, DISTANCE, torch.tensor(TARGET))
    whole = intrinsics_from_angle(FIELD_OF_VIEW)
    corners = heads.surface[0][model.surface_faces]
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    weight = area.norm(dim=1) * triangle_importance(model)
    middle = corners[torch.multinomial(weight, VIEWS, True, generator=rng)].mean(1)
    seen = (middle - cam2world[:, :3, 3])[:, None] @ cam2world[:, :3, :3]
    centre = seen[:, 0, :2] / seen[:, 0, 2:] * whole[0, 0]
    low, high = torch.tensor(WINDOW).log()
    side = torch.exp(low + (high - low) * torch.rand(VIEWS, generator=rng))
    intrinsics = whole.repeat(VIEWS, 1, 1)
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = whole[0, 0] / side
    intrinsics[:, :2, 2] = 0.5 - centre / side[:, None]
    return cam2world, intrinsics


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m backend.training.image_pool")
    parser.add_argument("--heads", type=int, default=640)
    parser.add_argument("--size", type=int, default=32, help="pixels along a view's side")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 for all")
    parser.add_argument("--output", type=Path, default=Path("runs/views"))
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args.threads:
        torch.set_num_threads(args.threads)
    fill_pool(args.output, args.heads, args.size, args.seed)


if __name__ == "__main__":
    main()
