"""What an edit has no part in, held: derived values exactly, the face's shape outside the region.

A generator reads betas and derived values (colours, amounts, forms of hair) off every latent, and
its mapping leads back from them.  So of an edited latent only the values are taken that the edit
may change, and the latent moves by what the mapping says of that.  Changes of the shape keep the
motion that they have inside of the region, and move as little as possible outside of it; a number
that was asked for is met.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..conditions.conditions import ATTRIBUTE_INDEX
from ..conditions.edited_values import edited_columns
from ..conditions.measure import shape_slope
from ..conditions.regions import class_mask, shaped_classes
from ..conditions.table import SHAPE_MAP
from ..generator.fast_images import FastImages, PosedHead
from ..generator.mapping import HeadValues
from ..head_model.arkit import EXPRESSIONS
from ..latent.w_space import WSpace
from ..optimise.visible import Camera
from ..synthetic.latent import SHAPE_DIM, derive, masculinity, sample_latents
from ..synthetic.params import vector_slice
from .edit_walk import edit_latents
from .editing import Edit
from .guidance import Guidance
from .model import LatentDiffusion
from .samplers import Callback

_NEAR = 0.012  # metres around the region's classes on the skin that are of the region, too
# weights of the squares of: motion outside (inside: 1, mm), coefficients, numbers not asked for
_OUTSIDE, _COEFFICIENTS, _NUMBERS = 10.0, 0.05, 0.1
_RANGE_HEADS, _RANGE_SEED = 4000, 5
_LEAST = 1e-4  # of an attribute: no change to speak of


class EditLock:
    """Holds of edited heads of one generator what their edits have no part in."""

    @torch.no_grad()
    def __init__(self, images: FastImages, space: WSpace):
        model = images.generator.model
        self.images, self.space = images, space
        # metres that the points of the skin's surface move by each coefficient, (W, 3, 64)
        self.motion = model.subdivide(model.shapedirs.permute(2, 0, 1)).permute(1, 2, 0)
        drawn = derive(sample_latents(_RANGE_HEADS, _RANGE_SEED).to(model.device), model).vector()
        self.low, self.high = drawn.amin(0), drawn.amax(0)  # of each value, over heads

    @torch.no_grad()
    def __call__(
        self, edit: Edit, known: Tensor, edited: Tensor, strength: float, camera: Camera
    ) -> Tensor:
        """Latents (B, k, d) with what the edit may change from `edited` and all else as `known`.

        A number that was asked for gets at least the share `strength` of what it was to change,
        and not more than all.  camera: that of the edit's pictures, where they are painted on.
        """
        generator = self.images.generator
        ws = self.space.decode(known)
        before, after = generator.readout(ws), generator.readout(self.space.decode(edited))
        free = edited_columns(edit.changed, edit.painted is not None).to(ws.device)
        changed = after.values.clamp(self.low, self.high)
        values = torch.where(free, changed, before.values)
        motion = after.betas - before.betas
        betas = torch.zeros_like(motion)
        if set(edit.changed) & set(SHAPE_MAP):
            numbers = self._numbers(edit, before.betas, motion, strength)
            for head in range(len(ws)):
                inside = self._inside(edit, head, ws[head : head + 1], camera)
                betas[head] = self._shape(edit, motion[head], inside, numbers[head])
        values[:, vector_slice("masc")] += masculinity(betas, generator.model)[:, None]
        now = HeadValues(before.betas + betas, values)
        moved = generator.style_rows(now)[:, 0] - generator.style_rows(before)[:, 0]
        return known + (moved @ self.space.whiten.T).unflatten(1, self.space.shape)

    def _numbers(self, edit: Edit, own: Tensor, motion: Tensor, strength: float) -> Tensor:
        """Changes (B, A) of the attributes of the shape that were asked for, from coefficients own
        (B, 64) and the change of them that the denoiser found."""
        slopes = self._slopes(_asked_of_shape(edit))
        columns = [ATTRIBUTE_INDEX[name] for name in _asked_of_shape(edit)]
        needed = edit.edited.attributes[:, columns] - own @ slopes.T
        safe = torch.where(needed.abs() < _LEAST, torch.ones_like(needed), needed)
        return needed * (motion @ slopes.T / safe).clamp(strength, 1.0)

    def _shape(self, edit: Edit, motion: Tensor, inside: Tensor, numbers: Tensor) -> Tensor:
        """Change of the coefficients (64,): the motion inside (W,) bool of the change `motion`
        (64,), with the asked changes of numbers (A,)."""
        own, other = self._power(inside), self._power(~inside)
        kept = self._slopes([name for name in SHAPE_MAP if name not in edit.changed])
        identity = torch.eye(SHAPE_DIM).to(motion)
        weight = own + _OUTSIDE * other + _COEFFICIENTS * identity + _NUMBERS * kept.T @ kept
        # least squares under the equations that the numbers are: a system with multipliers
        slopes = self._slopes(_asked_of_shape(edit))
        corner = slopes.new_zeros(len(slopes), len(slopes))
        system = torch.cat([torch.cat([weight, slopes.T], 1), torch.cat([slopes, corner], 1)])
        wanted = torch.cat([own @ motion, numbers])
        return torch.linalg.solve(system.double(), wanted.double())[:SHAPE_DIM].to(motion)

    def _power(self, points: Tensor) -> Tensor:
        """Mean square of the motion of points (W,) bool, mm, as a form (64, 64) of coefficients."""
        moved = 1000 * self.motion[points].flatten(0, 1)
        return moved.T @ moved / len(points)

    def _slopes(self, names: list[str]) -> Tensor:
        model = self.images.generator.model
        rows = [shape_slope(name, model) for name in names]
        return torch.stack(rows).to(self.motion) if rows else self.motion.new_zeros(0, SHAPE_DIM)

    def _inside(self, edit: Edit, head: int, ws: Tensor, camera: Camera) -> Tensor:
        """Points of the skin's surface that are of the edit's region: (W,) bool."""
        posed = self.images.pose(ws, ws.new_zeros(1, len(EXPRESSIONS)))
        inside = torch.zeros(len(posed.surface), dtype=torch.bool, device=ws.device)
        asked = _asked_of_shape(edit)
        if asked:
            own = class_mask(posed.labels[None], shaped_classes(asked))[0, 0]
            if bool(own.any()):
                inside |= torch.cdist(posed.surface, posed.surface[own]).amin(1) < _NEAR
        if edit.painted is not None:
            inside |= _seen_within(edit.painted[head, 0], posed, camera)
        return inside


def _seen_within(mask: Tensor, posed: PosedHead, camera: Camera) -> Tensor:
    """Points of a head's surface that face a camera within a mask (S, S) bool: (W,) bool."""
    place = (camera.project(posed.surface) * len(mask)).long()
    shown = ((place >= 0) & (place < len(mask))).all(1)
    x, y = place.clamp(0, len(mask) - 1).unbind(1)
    towards = camera.cam2world[:3, 3] - posed.surface
    return shown & mask[y, x] & ((towards * posed.normals).sum(1) > 0)


def _asked_of_shape(edit: Edit) -> list[str]:
    """Attributes of the shape whose numbers were asked for."""
    return [name for name in (*edit.asked, *edit.implied) if name in SHAPE_MAP]


def edit_heads(
    model: LatentDiffusion,
    lock: EditLock,
    edit: Edit,
    known: Tensor,
    noise: Tensor,
    strength: float,
    steps: int,
    guidance: Guidance,
    camera: Camera,
    keep: bool = True,
    callback: Callback | None = None,
) -> Tensor:
    """Latents (B, k, d) of edited heads from `known` ones and noise, both (B, k, d).

    See `edit_latents`; with `keep` what the edit has no part in is held, on the way and at its end.
    """
    edited = edit_latents(model, edit, known, noise, strength, steps, guidance, keep, callback)
    whole = edit.painted is not None and bool(edit.painted.all())
    if not keep or whole or strength == 0.0 or edit.is_nothing:
        return edited
    return lock(edit, known, edited, strength, camera)
