"""Moves a head's shape until its outlines lie on those of a label map.

Gauss-Newton on softened maps (Lucas and Kanade 1981; for faces Matthews and Baker 2004): where a
point of the skin moves by m, a class's share there changes by -grad(share) . m, and m is linear in
the shape.  Mean squares are weighted by the classes' areas, so lips count as much as the skin.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from ..encoders.visual import NUM_LABELS
from ..generator.generator import Generator
from ..latent.w_space import WSpace
from ..optimise.visible import Camera
from ..synthetic.labels import LABEL_INDEX
from .rows import numbers_of

SHAPE = ("shape",)  # rows of the latent that outlines follow from
_LEAST = 6.0  # pixels that a class counts as at least
_FEWEST = 3  # of a class on either map for it to count
_FEW_OWN = 50  # pixels of skin seen, below which nothing can be said


def _index(*names: str) -> Tensor:
    return torch.tensor([LABEL_INDEX[name] for name in names])


# classes whose outlines follow from the shape: hair and glasses are other numbers' matter
_BIG = ("background", "skin", "neck")
_SMALL = ("nose", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth", "u_lip", "l_lip")
_FOLLOWED = _index(*_BIG, *_SMALL)
# what may cover a head, and where it does the big classes' outlines are its own
_COVERING = _index("hair", "eye_g", "hat", "cloth")
_COVERED_SMALL = 0.1  # weight of the small classes there
# seen before the skin, not on it
_BEFORE = _index("background", "eye_g", "l_eye", "r_eye", "hair", "ear_r")


@dataclass(frozen=True)
class Look:
    """A head as its camera sees it: labels (S, S), and what pixels see of the surface (W, 3):
    face (S, S), -1 for none, with weights (S, S, 3) of its corners."""

    labels: Tensor
    surface: Tensor
    face: Tensor
    weights: Tensor


class Outlines:
    """Outlines of one generator's heads as functions of the `shape` rows of its latents."""

    @torch.no_grad()
    def __init__(self, generator: Generator, space: WSpace):
        model = generator.model
        self.faces = model.surface_faces
        self.numbers = numbers_of(space, SHAPE).to(model.device)
        middle = torch.zeros(1, *space.shape, device=model.device)
        with torch.enable_grad():
            slopes = torch.autograd.functional.jacobian(
                lambda x: generator.readout(space.decode(x)).betas[0], middle
            )
        betas = slopes.flatten(1)[:, self.numbers]
        directions = model.subdivide(model.shapedirs.permute(2, 0, 1))
        faces = model.subdivide(model.exprdirs.permute(2, 0, 1))
        # (W, 3, n + 52): how points of the surface move with each number and each ARKit weight
        shape = torch.einsum("kwc,kn->wcn", directions, betas)
        self.moves = torch.cat([shape, faces.permute(1, 2, 0)], 2).contiguous()

    def step(
        self,
        look: Look,
        wanted: Tensor,
        given: Tensor,
        camera: Camera,
        softness: float,
        away: Tensor,
        pull: Tensor,
    ) -> Tensor:
        """What to add to the m unknowns so that a head's outlines lie nearer to those of a label
        map `wanted` (S, S) where it is given (S, S); softness in pixels.

        The unknowns are the n numbers of the shape, or these and the 52 weights of the expression.
        `away` (m,) is how far they are from what they are likely to be, `pull` (m,) what that
        counts.
        """
        nothing = torch.zeros_like(away)
        own = (look.face >= 0) & ~torch.isin(look.labels, _BEFORE.to(look.labels))
        if int(own.sum()) < _FEW_OWN:
            return nothing
        followed = _FOLLOWED.to(wanted)
        asked, has = (_shares(labels)[followed] for labels in (wanted, look.labels))
        weight = _weights(asked, has, wanted, look.labels, given, softness)
        soft = _soften(torch.stack([asked, has]), softness)
        slope = _slopes(soft[1])
        normal = torch.einsum("cxij,cyij,cij->xyij", slope, slope, weight)
        force = -torch.einsum("cxij,cij->xij", slope, weight * (soft[0] - soft[1]))
        distance, nearest = _nearest(own)
        active = (normal[0, 0] + normal[1, 1] > 0) & (distance < 3 * softness + 1)
        if not bool(active.any()):
            return nothing
        unknowns = self.moves[:, :, : len(pull)]
        moves = _moves(unknowns, self.faces, look, nearest[:, active], camera) * len(wanted)
        normal, force = normal[:, :, active], force[:, active]
        hessian = torch.einsum("pxn,xyp,pym->nm", moves, normal, moves)
        force = torch.einsum("pxn,xp->n", moves, force) - pull * away
        return torch.linalg.solve(hessian + pull.diag(), force)


def _moves(moves: Tensor, faces: Tensor, look: Look, pixel: Tensor, camera: Camera) -> Tensor:
    """How far what pixels (2, P) see moves in the picture, in units of its side, with unknowns of
    which `moves` (W, 3, m) says how they move the surface: (P, 2, m)."""
    row, column = pixel
    corners, inverse = faces[look.face[row, column]].unique(return_inverse=True)
    turn = camera.cam2world[:3, :3]
    x, y, z = ((look.surface[corners] - camera.cam2world[:3, 3]) @ turn).unbind(1)
    moved = torch.einsum("wcn,cd->wdn", moves[corners], turn)
    depth = moved[:, 2] / z[:, None]
    focal = (camera.intrinsics.diagonal()[:2, None] / z)[..., None]  # (2, W, 1)
    flat = [
        focal[0] * (moved[:, 0] - x[:, None] * depth),
        focal[1] * (moved[:, 1] - y[:, None] * depth),
    ]
    weights = look.weights[row, column]
    return (torch.stack(flat, 1)[inverse] * weights[:, :, None, None]).sum(1)


def _shares(labels: Tensor) -> Tensor:
    """Label map (S, S) -> (C, S, S)."""
    return F.one_hot(labels, NUM_LABELS).movedim(-1, 0).float()


def _weights(
    asked: Tensor, has: Tensor, wanted: Tensor, own: Tensor, given: Tensor, softness: float
) -> Tensor:
    """Weight of each followed class at each pixel, (c, S, S)."""
    counts = torch.stack([asked.sum((1, 2)), has.sum((1, 2))])
    share = (counts.amin(0) >= _FEWEST) / counts.mean(0).clamp_min(_LEAST)
    reach = 2 * int(2 * softness + 0.5) + 1

    def near(mask: Tensor) -> Tensor:
        return F.max_pool2d(mask.float()[None], reach, 1, reach // 2)[0]

    covering = _COVERING.to(wanted)
    covered = near(torch.isin(wanted, covering) | torch.isin(own, covering))
    big = torch.arange(len(share), device=share.device) < len(_BIG)
    visible = torch.where(big[:, None, None], 1 - covered, 1 - (1 - _COVERED_SMALL) * covered)
    return share[:, None, None] * visible * (1 - near(given < 0.5))


def _soften(shares: Tensor, deviation: float) -> Tensor:
    """Gaussian blur of (..., S, S)."""
    reach = int(3 * deviation + 0.5)
    line = torch.arange(-reach, reach + 1, device=shares.device, dtype=shares.dtype)
    kernel = torch.exp(-0.5 * (line / deviation).square())
    kernel = kernel / kernel.sum()
    size = shares.shape[-1]
    x = F.pad(shares.reshape(-1, 1, size, size), (reach,) * 4, mode="replicate")
    x = F.conv2d(F.conv2d(x, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return x.view_as(shares)


def _slopes(shares: Tensor) -> Tensor:
    """Differences to the right and down (c, 2, S, S) of (c, S, S), a pixel."""
    x = F.pad(shares[None], (1, 1, 1, 1), mode="replicate")[0]
    right = 0.5 * (x[:, 1:-1, 2:] - x[:, 1:-1, :-2])
    down = 0.5 * (x[:, 2:, 1:-1] - x[:, :-2, 1:-1])
    return torch.stack([right, down], 1)


def _nearest(own: Tensor) -> tuple[Tensor, Tensor]:
    """Distance (S, S) in pixels to the nearest of the `own` ones, and its row and column."""
    distance, index = ndimage.distance_transform_edt(~own.cpu().numpy(), return_indices=True)
    return torch.from_numpy(distance).to(own.device), torch.from_numpy(index).long().to(own.device)
