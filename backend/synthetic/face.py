"""Lids, lips, brows, wrinkles: where they lie on the canonical face, and how far they stand out.

Everything here is a function of the canonical position p (metres; x = subject's left, -y =
forward, z = up; the average head before its eyes are enlarged), so it rides with the shape and
the expression.  Phases and places are fixed; parameters change amplitudes only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..head_model.arkit import EXPRESSIONS
from .curves import brow_center, brow_q, lid_lower, lid_u, lid_upper, lip_outline
from .detail import column
from .params import HeadParams
from .smooth import fall, gauss, smoothstep

MOUTH_OPENERS = (
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthFunnel",
)


@dataclass(frozen=True)
class ExpressionState:
    """The few expression amounts the painted face depends on, each (B, 1) and about 0..1."""

    blink_left: Tensor
    blink_right: Tensor
    smile_left: Tensor
    smile_right: Tensor
    brow_raise: Tensor
    frown: Tensor
    squint: Tensor
    lip_seal: Tensor

    @classmethod
    def from_weights(cls, expression: Tensor) -> ExpressionState:
        """Read the amounts from ARKit weights (B, 52) in the order of `EXPRESSIONS`."""

        def weight(name: str) -> Tensor:
            return expression[:, EXPRESSIONS.index(name)].unsqueeze(-1)

        opening = weight("jawOpen") + 0.3 * sum(weight(name) for name in MOUTH_OPENERS)
        return cls(
            blink_left=weight("eyeBlinkLeft").clamp(0, 1),
            blink_right=weight("eyeBlinkRight").clamp(0, 1),
            smile_left=weight("mouthSmileLeft").clamp(0, 1),
            smile_right=weight("mouthSmileRight").clamp(0, 1),
            brow_raise=torch.maximum(
                weight("browInnerUp"),
                0.5 * (weight("browOuterUpLeft") + weight("browOuterUpRight")),
            ).clamp(0, 1),
            frown=(0.5 * (weight("browDownLeft") + weight("browDownRight"))).clamp(0, 1),
            squint=(0.5 * (weight("eyeSquintLeft") + weight("eyeSquintRight"))).clamp(0, 1),
            lip_seal=fall(opening, 0.03, 0.20),
        )

    def blink(self, x: Tensor) -> Tensor:
        """Blink amount (B, N) of the eye on the side of canonical x (B, N)."""
        return torch.where(x > 0, self.blink_left, self.blink_right)

    def smile(self, x: Tensor) -> Tensor:
        """Smile amount (B, N), blended between the corners over 20 mm about the middle."""
        left = smoothstep(x, -0.010, 0.010)
        return left * self.smile_left + (1 - left) * self.smile_right


@dataclass(frozen=True)
class FaceCoordinates:
    """Coordinates of canonical points relative to the lids and the lips, each (B, N), metres.

    `side` is |x|; `front` is 1 on the face side of the head.  `lid_u` runs -1..1 from the inner to
    the outer corner; `above_upper_lid` and `above_lower_lid` are heights over the lid margins.
    `lip_r` is 0 in the middle of the mouth and 1 at the corner, `above_lip_line` the height over
    the lip line, `below_lip_top` and `above_lip_bottom` the heights inside the lips' outline, and
    `mouth_depth` the distance behind the front of the closed lips.
    """

    x: Tensor
    y: Tensor
    z: Tensor
    side: Tensor
    front: Tensor
    lid_u: Tensor
    above_upper_lid: Tensor
    above_lower_lid: Tensor
    lip_r: Tensor
    above_lip_line: Tensor
    below_lip_top: Tensor
    above_lip_bottom: Tensor
    mouth_depth: Tensor


def face_coordinates(p: Tensor) -> FaceCoordinates:
    """Lid and lip coordinates of canonical points p (B, N, 3); see `FaceCoordinates`."""
    x, y, z = p.unbind(-1)
    side = x.abs()
    u = lid_u(side)
    lip_r, lip_line, lip_top, lip_bottom = lip_outline(x)
    return FaceCoordinates(
        x=x,
        y=y,
        z=z,
        side=side,
        front=(y < 0.025).to(p.dtype),
        lid_u=u,
        above_upper_lid=z - lid_upper(u),
        above_lower_lid=z - lid_lower(u),
        lip_r=lip_r,
        above_lip_line=z - lip_line,
        below_lip_top=lip_top - z,
        above_lip_bottom=z - lip_bottom,
        mouth_depth=y + 0.0352 - 11.5 * x * x,
    )


def lips(face: FaceCoordinates) -> tuple[Tensor, Tensor]:
    """Cover 0..1 of the upper and of the lower lip, each (B, N), with a border of 3-4 mm."""
    height = face.above_lip_line
    outside = (face.y < -0.006) * smoothstep(-face.side, -0.0308, -0.0272)
    upper = smoothstep(face.below_lip_top, -0.0016, 0.0016) * (height > 0) * outside
    lower = smoothstep(face.above_lip_bottom, -0.0022, 0.0020) * (height <= 0) * outside
    return upper, lower


def brows(face: FaceCoordinates, detail: Tensor, params: HeadParams) -> Tensor:
    """Cover 0..1 (B, N) of the eyebrows, feathered at both ends and along the upper edge."""
    along = brow_q(face.side)
    inside = along.clamp(0, 1)
    centre = brow_center(along, _column(params.brow_arch), _column(params.brow_slope))
    taper = (1 - 0.78 * smoothstep(inside, 0.35, 1.0)) * (0.80 + 0.20 * smoothstep(along, 0, 0.2))
    half_width = (_column(params.brow_th) * taper).clamp(min=6e-4)
    across = (face.z - centre) / half_width
    hairs = column(detail, "brow_hairs")
    body = smoothstep(1.25 - across.abs() + 0.06 * hairs, 0, 0.95)
    ends = smoothstep(along, -0.06, 0.16) * fall(along, 0.90, 1.06)
    streaks = 0.95 + 0.05 * hairs
    density = _column(params.brow_dens) * (0.68 + 0.32 * smoothstep(along, -0.05, 0.3))
    return body * ends * streaks * density * (face.y < 0.03)


@dataclass(frozen=True)
class Relief:
    """Height added to the skin (metres, outwards) and the folds the colour darkens, each (B, N)."""

    height: Tensor
    nasolabial: Tensor
    furrows: Tensor
    lid_crease: Tensor


def relief(
    face: FaceCoordinates,
    detail: Tensor,
    params: HeadParams,
    state: ExpressionState,
    upper_lip: Tensor,
    lower_lip: Tensor,
    brow: Tensor,
) -> Relief:
    """Wrinkles of age and expression, lid crease, lash wedge, lip body and lip seal.

    detail (B, N, DETAIL_DIM) are the detail fields at the points of `face`; they hold the wrinkle
    patterns.
    """
    age = _column(params.age)
    smile = state.smile(face.x)
    nasolabial = column(detail, "nasolabial")
    fold = _cheek_fold(face)
    height = -(0.0002 + 0.0013 * age + 0.0006 * smile) * nasolabial
    height = height + (0.0012 * age + 0.0006 * smile) * fold
    furrow_height, furrows = _furrows(detail, age, smile, state)
    crease, lash = _lids(face, params, state)
    height = height + furrow_height - 0.0006 * crease + lash
    height = height + _lip_relief(face, state, upper_lip, lower_lip) + 0.0003 * brow
    return Relief(height, nasolabial, furrows, crease)


def _cheek_fold(face: FaceCoordinates) -> Tensor:
    """The soft fold 0..1 (B, N) outside the nasolabial valley."""
    down = ((-0.040 - face.z) / 0.042).clamp(0, 1)
    line = 0.0225 + 0.017 * down**0.9
    fold = gauss(face.side - line - 0.009, 0.007)
    fold = fold * smoothstep(-face.z, 0.040, 0.055) * smoothstep(face.z, -0.088, -0.070)
    return fold * face.front


def _furrows(
    detail: Tensor, age: Tensor, smile: Tensor, state: ExpressionState
) -> tuple[Tensor, Tensor]:
    """Forehead, frown, eye-corner, eye-bag and mouth-corner lines: height and depth shade."""
    forehead = (age + 0.6 * state.brow_raise).clamp(max=1.2) * column(detail, "forehead_lines")
    frown = (0.9 * age + 0.7 * state.frown) * column(detail, "glabella")
    corner = age + 0.30 * torch.maximum(state.squint, smile)
    corner = corner * column(detail, "crows_feet")
    bag = column(detail, "eye_bag")
    marionette = age * column(detail, "marionette")
    height = 0.0010 * forehead + 0.0011 * frown + 0.0008 * corner
    height = height + (0.0002 + 0.0010 * age) * bag + 0.0012 * marionette
    shade = forehead + 0.8 * frown + 0.8 * corner + 0.5 * age * bag + 0.7 * marionette
    return -height, shade


def _lids(
    face: FaceCoordinates, params: HeadParams, state: ExpressionState
) -> tuple[Tensor, Tensor]:
    """Upper-lid crease 0..1, and what the lid margins add (metres): lashes and the seal of a blink.

    The wedge that stands for the upper lashes flattens as the eye closes: the lids then meet
    along it, and what stands out there would cut into the other lid as a comb.
    """
    u, above = face.lid_u, face.above_upper_lid
    open_lid = 1 - state.blink(face.x)
    crease = gauss(above - 0.0062 + 0.0012 * u * u, 0.0011)
    crease = crease * smoothstep(1.25 - u.abs(), 0, 0.3) * face.front
    wedge = gauss(above - 0.0006, 0.0010) * smoothstep(u, -1.05, -0.2)
    wedge = wedge * fall(u, 0.95, 1.15) * (0.45 + 0.55 * smoothstep(u, -0.4, 1.0))
    wedge = wedge * face.front * _column(params.lash) * (0.06 + 0.94 * open_lid**1.5)
    margins = torch.maximum(gauss(above, 0.0013), gauss(face.above_lower_lid, 0.0013))
    seal = margins * fall(open_lid, 0.0, 0.25) * fall(u.abs(), 1.15, 1.5) * (face.y < -0.004)
    return crease, 0.0015 * wedge + 0.0007 * seal


def _lip_relief(
    face: FaceCoordinates, state: ExpressionState, upper_lip: Tensor, lower_lip: Tensor
) -> Tensor:
    """Fullness of the lips and the seal that closes the lip line of a shut mouth (metres)."""
    height, r = face.above_lip_line, face.lip_r
    body = 0.0010 * gauss(height + 0.008, 0.0055) * lower_lip * (1 - r * r)
    body = body + 0.0006 * upper_lip * gauss(height - 0.006, 0.004)
    seal = gauss(height, 0.0014) * fall(face.mouth_depth, 0.0015, 0.0035)
    seal = 0.0008 * seal * smoothstep(0.036 - face.side, 0, 0.004) * (face.y < -0.006)
    # Behind the lip line shut lips may cross; what lies there is filled, never beyond their front.
    filling = (face.mouth_depth - 0.0005).clamp(0, 0.003) * fall(face.mouth_depth, 0.006, 0.012)
    filling = filling * gauss(height, 0.006) * smoothstep(0.040 - face.side, 0, 0.004)
    return body + state.lip_seal * (seal + filling)


def _column(values: Tensor) -> Tensor:
    """(B,) -> (B, 1), so that a head's value meets its points."""
    return values.unsqueeze(-1)
