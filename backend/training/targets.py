"""One training batch: fresh heads, and what is true at points of their skin and hanging hair."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..generator.volume_features import HAIR_BOX
from ..head_model.model import HeadModel
from ..synthetic.expressions import sample_expressions
from ..synthetic.face import ExpressionState
from ..synthetic.hair_volume import hair_volume
from ..synthetic.head import SyntheticHeads
from .latents import sample_training_latents
from .surface_atlas import SurfaceAtlas

# how many candidates are drawn for a kept point
_CANDIDATES = 8
_FAR = 10.0


@dataclass(frozen=True)
class Targets:
    """Inputs and truths of B heads at N skin points (pairs adjacent) and M points in space."""

    z: Tensor  # (B, D)
    state: ExpressionState
    p: Tensor  # (B, N, 3)
    ao: Tensor  # (B, N)
    tongue: Tensor  # (B, N)
    detail: Tensor  # (B, N, K)
    offset: Tensor  # (B, N) metres
    color: Tensor  # (B, N, 3)
    labels: Tensor  # (B, N) int64
    q: Tensor  # (B, M, 3)
    volume: Tensor  # (B, M) metres
    shade: Tensor  # (B, M)


@torch.no_grad()
def make_targets(
    model: HeadModel,
    atlas: SurfaceAtlas,
    batch: int,
    pairs: int,
    volume_points: int,
    rng: torch.Generator,
) -> Targets:
    """Draw `batch` heads with expressions and ask them for the truth."""
    device = model.device
    z = sample_training_latents(batch, rng).to(device)
    seed = int(torch.randint(2**31, (1,), generator=rng))
    heads = SyntheticHeads(z, sample_expressions(batch, seed).to(device), model)
    chosen = torch.randint(len(atlas), (batch, pairs), generator=rng).to(device)
    p, ao, tongue, detail = (
        values[chosen].flatten(1, 2)
        for values in (atlas.canonical, atlas.ao, atlas.tongue, atlas.detail)
    )
    # hanging hair is asked separately: far away from it, the field is that of the skin
    truth = heads.guided(p, torch.zeros_like(ao), torch.full_like(p, _FAR), ao, tongue, detail)
    q, volume, shade = draw_volume_points(heads, volume_points, rng)
    return Targets(
        z, heads.state, p, ao, tongue, detail, truth.offset, truth.color, truth.label,
        q, volume, shade,
    )  # fmt: skip


def draw_volume_points(
    heads: SyntheticHeads, count: int, rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Points (B, M, 3) about hanging hair, mostly near its surface, with distance and shade."""
    device, batch = heads.z.device, len(heads.z)
    low, high = torch.tensor(HAIR_BOX)
    q = low + (high - low) * torch.rand(batch, _CANDIDATES * count, 3, generator=rng)
    q = q.to(device)
    volume, shade = hair_volume(q, heads.params, heads.measures)
    weight = torch.exp(-volume.abs() / 0.006) + 0.02
    noise = torch.rand(weight.shape, generator=rng).to(device).clamp_min(1e-9)
    # the largest keys log(u) / w are a weighted draw without replacement (Efraimidis 2006)
    kept = (torch.log(noise) / weight).topk(count, 1).indices
    return (
        q.gather(1, kept[..., None].expand(-1, -1, 3)),
        volume.gather(1, kept),
        shade.gather(1, kept),
    )
