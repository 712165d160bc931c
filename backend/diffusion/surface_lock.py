"""The look of a head outside an edit's region, held through what no read-out tells of a latent.

A generator's planes are not as tidy as its read-outs: wrinkles tint the hair by a level or two.
There are many more latents than read-outs, so among those that read alike one is searched for
whose skin has the old colours and thickness outside of the region and the edited ones inside.  The
search is on the surface itself, the same for all views, and takes some thirty steps of L-BFGS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import torch
from torch import Tensor

from ..generator.fast_images import FastImages
from ..generator.guide import Guide
from ..head_model.arkit import EXPRESSIONS
from ..latent.w_space import WSpace
from ..synthetic.face import ExpressionState

SURFACE_STEPS = 36  # evaluations at most
_POINTS, _SEED = 3000, 0  # of the surface that are compared, drawn at random
_COLOR, _OFFSET = 255.0, 3000.0  # a level of colour counts as a third of a millimetre
_STRAND, _SHADE = 300.0, 100.0  # hanging hair is compared at points in its box, more loosely
_PRIOR = 3e-4  # weight of the squared way from the edited latent, in deviations
_RANK = 1e-3  # of the strongest: slopes of read-outs below are none


class SurfaceLock:
    """Compares heads of one generator at points of their surface."""

    def __init__(self, images: FastImages, space: WSpace):
        self.generator, self.space = images.generator, space
        points = len(images.generator.model.surface_canonical)
        rng = torch.Generator().manual_seed(_SEED)
        self.points = torch.randperm(points, generator=rng)[:_POINTS].to(images.detail.device)
        whole = images.guide
        self.guide = Guide(
            **{f.name: getattr(whole, f.name)[:, self.points] for f in fields(Guide)}
        )
        self.detail = images.detail[:, self.points]
        still = torch.zeros(1, len(EXPRESSIONS), device=images.detail.device)
        self.still = ExpressionState.from_weights(still)

    def __call__(
        self,
        known: Tensor,
        edited: Tensor,
        inside: Tensor,
        hair: Tensor | None,
        tell: Callable[[int], None],
    ) -> Tensor:
        """Latent (1, k, d) that reads as `edited` does and looks like `known` outside of `inside`
        (W,) bool.

        hair: points (H, 3) where hanging hair, if both heads have any and it is outside, is held.
        tell hears of each evaluation; what it raises ends the search.
        """
        free = self._unread(edited)
        with torch.no_grad():
            before, after = self._look(known, hair), self._look(edited, hair)
            own = inside[self.points]
            own = torch.cat([own, own.new_zeros(len(before) - len(own))])
            goal = torch.where(own[:, None], after, before)
        way = torch.zeros(free.shape[1], device=edited.device, requires_grad=True)
        search = torch.optim.LBFGS(
            [way], max_iter=SURFACE_STEPS, max_eval=SURFACE_STEPS, history_size=20,
            line_search_fn="strong_wolfe",
        )  # fmt: skip
        heard = 0

        def loss() -> Tensor:
            nonlocal heard
            tell(heard)
            heard += 1
            search.zero_grad()
            look = self._look(edited + (free @ way).view_as(edited), hair)
            value = (look - goal).square().mean() + _PRIOR * way.square().sum()
            value.backward()
            return value.detach()

        with torch.enable_grad():
            search.step(loss)
        moved = edited + (free @ way.detach()).view_as(edited)
        return moved if bool(moved.isfinite().all()) else edited

    def _look(self, latent: Tensor, hair: Tensor | None) -> Tensor:
        """Colours and thickness (P, 4) of a head at the points, and the form of hanging hair."""
        generator, ws = self.generator, self.space.decode(latent)
        planes, values = generator.synthesis(ws), generator.readout(ws)
        sample = generator.surface_branch(ws, planes, values, self.guide, self.still, self.detail)
        look = torch.cat([_COLOR * sample.color[0], _OFFSET * sample.offset[0, :, None]], 1)
        if hair is None:
            return look
        distance, shade = generator.volume_branch(ws, planes, values, hair[None])
        strands = torch.stack([_STRAND * distance[0], _SHADE * shade[0]], 1)
        return torch.cat([look, torch.cat([strands, torch.zeros_like(strands)], 1)])

    def _unread(self, latent: Tensor) -> Tensor:
        """Orthonormal directions (k * d, n) of a latent in which no read-out changes."""

        def read(flat: Tensor) -> Tensor:
            found = self.generator.readout(self.space.decode(flat.view_as(latent)))
            return torch.cat([found.betas, found.values], 1)[0]

        with torch.enable_grad():
            slopes = torch.autograd.functional.jacobian(read, latent.flatten())
        _, strength, axes = torch.linalg.svd(slopes.detach(), full_matrices=True)
        return axes[int((strength > _RANK * strength[0]).sum()) :].T
