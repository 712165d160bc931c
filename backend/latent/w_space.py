"""W of the bundled generator as 16 rows of 16, whitened, each row about one part of a head.

Whitening alone would leave the order of the 256 numbers to chance.  Any rotation of a whitened
vector is as white, so it is turned until each row holds the derived values of one part of a head:
four rows of face shape, skin, eyes, hair...  A 1D U-Net then has neighbours to look at, and an edit
can keep rows.  The rest of W, which no value depends on linearly, fills the rows up.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..synthetic.latent import SHAPE_DIM
from ..synthetic.params import VECTOR_DIM, vector_slice

ROW_WIDTH = 16
# part of a head -> its derived values and how many rows it has; `shape` stands for the betas
_PARTS: dict[str, tuple[int, tuple[str, ...]]] = {
    "shape": (4, ("shape",)),
    "skin": (1, ("skin", "m", "redness", "undertone", "freckles", "age", "lipc", "stick",
                 "shadow", "blush")),
    "eyes": (1, ("iris", "iris_radius", "lash", "brow_th", "brow_arch", "brow_slope",
                 "brow_dens")),
    "hair": (2, ("top", "front", "side", "nape", "recede", "fringe", "part", "back", "radial",
                 "curl", "small", "long", "zend", "vol", "tail", "bun", "bald", "fade", "tuft",
                 "ps", "wave", "sideburn", "lock_depth")),
    "hair color": (1, ("hair", "grey", "browc")),
    "beard": (1, ("b_st", "b_mu", "b_go", "b_fu", "b_len")),
    "accessories": (1, ("glass", "glass_shape", "ear")),
}  # fmt: skip
ROW_NAMES: tuple[str, ...] = (
    tuple(name for name, (rows, _) in _PARTS.items() for _ in range(rows)) + ("rest",) * 5
)
NUM_ROWS = len(ROW_NAMES)
# Directions of less than this share of the largest variance are scaled as if they had it: they
# hardly change a head, and full whitening would spend the denoiser on them.
_FLOOR = 1e-3
_RANK_TOLERANCE = 0.1


class WSpace(nn.Module):
    """Exact linear map between style rows (B, R, 256), all equal, and latents (B, 16, 16).

    Its buffers are statistics of the generator's latents and ship with a denoiser.
    """

    row_names = ROW_NAMES
    shape = (NUM_ROWS, ROW_WIDTH)

    def __init__(self, num_ws: int, w_dim: int):
        super().__init__()
        if w_dim != NUM_ROWS * ROW_WIDTH:
            raise ValueError(f"expected w of {NUM_ROWS * ROW_WIDTH} numbers, given {w_dim}")
        self.num_ws = num_ws
        self.register_buffer("mean", torch.zeros(w_dim))
        self.register_buffer("whiten", torch.eye(w_dim))
        self.register_buffer("color", torch.eye(w_dim))
        self.register_buffer("deviation", torch.ones(self.shape))

    def encode(self, ws: Tensor) -> Tensor:
        """Style rows (B, R, 256) -> latents (B, 16, 16); raises ValueError if the rows differ."""
        if not torch.equal(ws, ws[:, :1].expand_as(ws)):
            raise ValueError("expected one style repeated over all rows; these rows differ")
        return ((ws[:, 0] - self.mean) @ self.whiten.T).unflatten(1, self.shape)

    def decode(self, x: Tensor) -> Tensor:
        """Latents (B, 16, 16) -> style rows (B, R, 256)."""
        w = x.flatten(1) @ self.color.T + self.mean
        return w[:, None].expand(-1, self.num_ws, -1)

    @torch.no_grad()
    def fit(self, w: Tensor, betas: Tensor, values: Tensor) -> WSpace:
        """Set the statistics from samples w (N, 256), betas (N, 64), derived values (N, K)."""
        if values.shape[1] != VECTOR_DIM or betas.shape[1] != SHAPE_DIM:
            raise ValueError(
                f"expected {SHAPE_DIM} betas and {VECTOR_DIM} values, "
                f"given {betas.shape[1]} and {values.shape[1]}"
            )
        w = w.double()
        mean = w.mean(0)
        variance, axes = torch.linalg.eigh(torch.cov(w.T))
        scale = (variance.clamp_min(0) + _FLOOR * variance[-1]).sqrt()
        white = (w - mean) @ axes / scale
        turn = _turn_to_parts(white, betas.double(), values.double())
        self.mean.copy_(mean)
        self.whiten.copy_(turn @ (axes / scale).T)
        self.color.copy_((axes * scale) @ turn.T)
        self.deviation.copy_((white @ turn.T).std(0).unflatten(0, self.shape))
        return self


def _turn_to_parts(white: Tensor, betas: Tensor, values: Tensor) -> Tensor:
    """Rotation (256, 256) of white vectors (N, 256) whose rows follow ROW_NAMES."""
    size = white.shape[1]
    taken = white.new_zeros(0, size)
    blocks: dict[str, Tensor] = {}
    for name, (rows, members) in _PARTS.items():
        columns = [betas if m == "shape" else values[:, vector_slice(m)] for m in members]
        basis = _directions(white, torch.cat(columns, 1), taken)[: rows * ROW_WIDTH]
        blocks[name] = basis
        taken = torch.cat([taken, basis])
    rest = _complement(white, taken)
    for name, (rows, _) in _PARTS.items():
        missing = rows * ROW_WIDTH - len(blocks[name])
        blocks[name], rest = torch.cat([blocks[name], rest[:missing]]), rest[missing:]
    return torch.cat([*blocks.values(), rest])


def _directions(white: Tensor, targets: Tensor, taken: Tensor) -> Tensor:
    """Orthonormal directions (k, 256), apart from those taken: one for each column of targets
    (N, t) in their order (Gram-Schmidt), but for columns that follow from earlier ones.

    So a number of a latent is a derived value less what earlier ones say about it, whichever
    weights the generator has, and a denoiser trained before is a start for new ones.
    """
    targets = targets - targets.mean(0)
    # columns of `white` are uncorrelated: least squares needs no inverse
    slopes = (white.T @ targets / white.square().sum(0)[:, None]).T
    found = list(taken)
    for slope in slopes:
        length = slope.norm()
        for _ in range(2):  # twice: rounding
            for direction in found:
                slope = slope - (slope @ direction) * direction
        if slope.norm() > _RANK_TOLERANCE * length:
            found.append(slope / slope.norm())
    return torch.stack(found[len(taken) :])


def _complement(white: Tensor, taken: Tensor) -> Tensor:
    """Orthonormal basis of all directions apart from those taken, the most varied first."""
    _, _, full = torch.linalg.svd(taken, full_matrices=True)
    rest = full[len(taken) :]
    _, axes = torch.linalg.eigh(torch.cov((white @ rest.T).T))
    return axes.flip(1).T @ rest
