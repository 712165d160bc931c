"""What an edit has no part in, held: derived values, the shape and the look outside the region.

A generator reads betas and derived values (colours, amounts, forms of hair) off every latent, and
its mapping leads back from them.  So of an edited latent only the values are taken that the edit
may change, and the latent moves by what the mapping says of that.  Changes of the shape keep the
motion that they have inside of the region, and move as little as possible outside of it; a number
that was asked for is met.  `surface_lock` sees to what is left.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ..alignment.align import Aligner
from ..conditions.conditions import ATTRIBUTE_INDEX
from ..conditions.edited_values import edited_columns
from ..conditions.measure import shape_slope
from ..conditions.regions import class_mask, shaped_classes, shown_classes
from ..conditions.table import SHAPE_MAP
from ..generator.fast_images import FastImages, PosedHead
from ..generator.mapping import HeadValues
from ..head_model.arkit import EXPRESSIONS
from ..latent.manifold import Manifold
from ..latent.w_space import WSpace
from ..optimise.visible import Camera
from ..synthetic.latent import SHAPE_DIM, masculinity
from ..synthetic.params import vector_slice
from .edit_walk import edit_latents
from .editing import Edit
from .guidance import Guidance
from .model import LatentDiffusion
from .samplers import Callback
from .surface_lock import SURFACE_STEPS, SurfaceLock

_NEAR = 0.012  # metres around the region's classes on the skin that are of the region, too
# weights of the squares of: motion outside (inside: 1, mm), coefficients, numbers not asked for
_OUTSIDE, _COEFFICIENTS, _NUMBERS = 2.0, 0.05, 10.0
_HAIR_POINTS = 1500
_LEAST = 1e-4  # of an attribute: no change to speak of


class EditLock:
    """Holds of edited heads of one generator what their edits have no part in."""

    @torch.no_grad()
    def __init__(self, images: FastImages, space: WSpace):
        model = images.generator.model
        self.images, self.space = images, space
        self.surface = SurfaceLock(images, space)
        # metres that the points of the skin's surface move by each coefficient, (W, 3, 64)
        self.motion = model.subdivide(model.shapedirs.permute(2, 0, 1)).permute(1, 2, 0)
        manifold = Manifold(images.generator, space)
        self.low, self.high = manifold.low, manifold.high

    @torch.no_grad()
    def __call__(
        self,
        edit: Edit,
        known: Tensor,
        edited: Tensor,
        strength: float,
        camera: Camera,
        tell: Callback,
    ) -> Tensor:
        """Latent (1, k, d) with what the edit may change from `edited` and all else as `known`.

        A number that was asked for gets at least the share `strength` of what it was to change,
        and not more than all.  camera: that of the edit's pictures, where they are painted on.
        tell hears of each of the last steps.
        """
        if len(known) != 1:
            raise ValueError(f"expected the latent of one head, given {len(known)}")
        tell(0, edited)
        posed = self.images.pose(self.space.decode(known), known.new_zeros(1, len(EXPRESSIONS)))
        held = self._hold_values(edit, known, edited, strength, posed, camera)
        tell(0, held)
        inside = self._inside(edit, shown_classes(edit.changed), posed, camera)
        hair = self._hanging_hair(edit, held, posed)
        if bool(inside.all()):
            return held
        return self.surface(known, held, inside, hair, lambda step: tell(step, held))

    def _hold_values(
        self,
        edit: Edit,
        known: Tensor,
        edited: Tensor,
        strength: float,
        posed: PosedHead,
        camera: Camera,
    ) -> Tensor:
        """Latent (1, k, d) with the values and the shape that the edit may have."""
        generator = self.images.generator
        ws = self.space.decode(known)
        before, after = generator.readout(ws), generator.readout(self.space.decode(edited))
        free = edited_columns(edit.changed, edit.painted is not None).to(ws.device)
        changed = after.values.clamp(self.low, self.high)
        values = torch.where(free, changed, before.values)
        motion = after.betas - before.betas
        betas = torch.zeros_like(motion)
        if set(edit.changed) & set(SHAPE_MAP):
            inside = self._inside(edit, shaped_classes(_asked_of_shape(edit)), posed, camera)
            numbers = self._numbers(edit, before.betas[0], motion[0], strength)
            betas = self._shape(edit, motion[0], inside, numbers)[None]
        values[:, vector_slice("masc")] += masculinity(betas, generator.model)[:, None]
        now = HeadValues(before.betas + betas, values)
        moved = generator.style_rows(now)[:, 0] - generator.style_rows(before)[:, 0]
        return known + (moved @ self.space.whiten.T).unflatten(1, self.space.shape)

    def _numbers(self, edit: Edit, own: Tensor, motion: Tensor, strength: float) -> Tensor:
        """Changes (A,) of the attributes of the shape that were asked for, from coefficients own
        (64,) and the change of them that the denoiser found."""
        slopes = self._slopes(_asked_of_shape(edit))
        columns = [ATTRIBUTE_INDEX[name] for name in _asked_of_shape(edit)]
        needed = edit.edited.attributes[0, columns] - slopes @ own
        safe = torch.where(needed.abs() < _LEAST, torch.ones_like(needed), needed)
        return needed * (slopes @ motion / safe).clamp(strength, 1.0)

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
        return moved.T @ moved / points.sum().clamp_min(1)

    def _slopes(self, names: list[str]) -> Tensor:
        model = self.images.generator.model
        rows = [shape_slope(name, model) for name in names]
        return torch.stack(rows).to(self.motion) if rows else self.motion.new_zeros(0, SHAPE_DIM)

    def _hanging_hair(self, edit: Edit, held: Tensor, posed: PosedHead) -> Tensor | None:
        """Points (H, 3) in the box of hair that hangs before and after and is not edited."""
        after = self.images.generator.readout(self.space.decode(held))
        hangs = posed.hair is not None and bool(self.images.generator.has_hanging_hair(after))
        if not hangs or "hair" in shown_classes(edit.changed):
            return None
        share = torch.rand(_HAIR_POINTS, 3, generator=torch.Generator().manual_seed(0))
        low, high = posed.hair.low.clone(), posed.hair.high.clone()
        return low + share.to(low) * (high - low)

    def _inside(
        self, edit: Edit, classes: tuple[str, ...], posed: PosedHead, camera: Camera
    ) -> Tensor:
        """Points of the surface that are of some classes or were painted on: (W,) bool."""
        inside = class_mask(posed.labels[None], classes)[0, 0]
        if bool(inside.any()):
            inside = _near(posed.surface, inside)
        if edit.painted is not None:
            inside = inside | _seen_within(edit.painted[0, 0], posed, camera)
        return inside.clone()


def _near(surface: Tensor, inside: Tensor) -> Tensor:
    """Which of the points (W, 3) lie near to those that are inside (W,) bool."""
    points = surface.cpu().numpy()
    distance, _ = cKDTree(points[inside.cpu().numpy()]).query(points, distance_upper_bound=_NEAR)
    return torch.from_numpy(np.isfinite(distance)).to(surface.device)


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


def edit_head(
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
    align: Aligner | None = None,
    callback: Callback | None = None,
) -> Tensor:
    """Latent (1, k, d) of an edited head from a `known` one and noise, both (1, k, d).

    See `edit_latents`; with `align` a head whose map was repainted is brought into line with it,
    with `keep` what the edit has no part in is held, on the way and at its end.  callback hears of
    up to `edit_steps` steps.
    """
    edited = edit_latents(model, edit, known, noise, strength, steps, guidance, keep, callback)
    if strength == 0.0 or edit.is_nothing:
        return edited

    def tell(step: int, latent: Tensor) -> None:
        if callback is not None:
            callback(2 * steps + step, latent)

    asked = edit.edited
    if align is not None and edit.painted is not None and bool(asked.given("labels").any()):
        labels, given = asked.labels[0], asked.labels_mask[0, 0]
        edited = align(edited, labels, given, camera, tick=lambda: tell(0, edited))
    whole = edit.painted is not None and bool(edit.painted.all())
    if not keep or whole:
        return edited
    return lock(edit, known, edited, strength, camera, tell)


def edit_steps(steps: int) -> int:
    """Steps that a callback of an edit hears of at most."""
    return 2 * steps + SURFACE_STEPS
