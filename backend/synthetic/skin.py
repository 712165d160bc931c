"""Skin colour: melanin base, hue zones, make-up, freckles, lips, lid lines, brows and mouth.

Colours are sRGB 0..1, multiplied and mixed as painters do, not physically.  `Paint` gathers what
the layers share; each layer takes a colour (B, N, 3) and returns one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .detail import column
from .face import ExpressionState, FaceCoordinates, Relief
from .params import HeadParams
from .smooth import fall, gauss, mix, smoothstep, tint

LASH_COLOR = (0.045, 0.032, 0.028)
LOWER_LASH_COLOR = (0.09, 0.06, 0.05)
INNER_LIP_COLOR = (0.66, 0.27, 0.25)
THROAT_COLOR = (0.31, 0.085, 0.085)
TONGUE_COLOR = (0.75, 0.36, 0.35)
TONGUE_ROOT_COLOR = (0.55, 0.20, 0.20)
OCCLUSION_POWERS = (0.65, 1.05, 1.10)


@dataclass(frozen=True)
class Paint:
    """What the layers of paint read: canonical points, coordinates, covers and parameters.

    p (B, N, 3); detail (B, N, DETAIL_DIM) fields at p; ambient_occlusion (1 = open), tongue,
    upper_lip, lower_lip, brow, beard_cover, stubble and beard_shade (B, N) in 0..1; params holds
    (B,) and (B, 3) values.
    """

    p: Tensor
    face: FaceCoordinates
    ambient_occlusion: Tensor
    tongue: Tensor
    detail: Tensor
    upper_lip: Tensor
    lower_lip: Tensor
    brow: Tensor
    beard_cover: Tensor
    stubble: Tensor
    beard_shade: Tensor
    relief: Relief
    state: ExpressionState
    params: HeadParams

    def value(self, name: str) -> Tensor:
        """A scalar parameter as (B, 1)."""
        return getattr(self.params, name).unsqueeze(-1)

    def color(self, name: str) -> Tensor:
        """A colour parameter as (B, 1, 3)."""
        return getattr(self.params, name).unsqueeze(-2)

    @property
    def darkness(self) -> Tensor:
        """How dark the skin is, (B, 1) in 0..1."""
        return smoothstep(self.value("m"), 0.35, 0.9)


def skin_color(paint: Paint) -> tuple[Tensor, Tensor]:
    """Colour (B, N, 3) of the skin with beard, brows and mouth, and the mouth's cover (B, N)."""
    color = paint.color("skin").expand(paint.p.shape)
    for layer in (
        _hue_zones,
        _eye_surround,
        _variation,
        _folds,
        _make_up,
        _beard,
        _lips,
        _nostrils,
        _occlusion,
        _lid_lines,
    ):
        color = layer(color, paint)
    color = mix(color, paint.color("browc"), (1.05 * paint.brow).clamp(0, 0.96))
    inside = mouth_cover(paint.face, paint.ambient_occlusion)
    color = mix(color, _mouth_color(paint), inside)
    color = mix(color, _tongue_color(paint), 0.95 * paint.tongue)
    return color.clamp(0, 1), torch.maximum(inside, paint.tongue)


def mouth_cover(face: FaceCoordinates, ambient_occlusion: Tensor) -> Tensor:
    """Cover 0..1 (B, N) of the inner mouth: behind the lips, and hidden when they are shut."""
    behind = smoothstep(face.mouth_depth, 0.0, 0.0040)
    hidden = fall(ambient_occlusion, 0.15, 0.42)
    near = (face.side < 0.043) & (face.z < -0.050) & (face.z > -0.128) & (face.y < 0.10)
    return behind * hidden * near


def _hue_zones(color: Tensor, paint: Paint) -> Tensor:
    """Redder cheeks, nose, ears and chin; yellower forehead; cooler jaw on men."""
    face, dark = paint.face, paint.darkness
    cheek = gauss(torch.hypot((face.side - 0.046) / 1.05, face.z + 0.040), 0.024) * face.front
    nose = gauss(torch.hypot(face.x * 1.1, (face.z + 0.043) * 1.2), 0.016) * (face.y < -0.028)
    ear = smoothstep(face.side, 0.084, 0.090) * smoothstep(face.y, 0.055, 0.065)
    ear = ear * (face.y < 0.125) * (face.z < 0.015)
    chin = gauss(torch.hypot(face.x, face.z + 0.118), 0.015) * face.front
    red = 0.60 * cheek + 0.75 * nose + 0.8 * ear + 0.30 * chin
    red = red * (0.9 + 0.35 * paint.value("redness").clamp(-1, 1.5))
    change = torch.stack([0.02 + 0.03 * dark, -0.105 + 0.03 * dark, -0.085 + 0.02 * dark], -1)
    color = color * (1 + red.unsqueeze(-1) * change)
    forehead = smoothstep(face.z, 0.03, 0.06) * face.front * fall(face.side, 0.04, 0.075)
    color = tint(color, forehead, (0.012, 0.004, -0.035))
    shaven = smoothstep(column(paint.detail, "beard_cheek"), -0.5, 0.8)
    return tint(color, 0.05 * paint.value("masc").clamp(0, 1) * shaven, (-1.2, -0.9, -0.6))


def _eye_surround(color: Tensor, paint: Paint) -> Tensor:
    """Darker, more purple skin under the eye and in the upper socket."""
    face, age = paint.face, paint.value("age")
    under = gauss(torch.hypot((face.side - 0.034) / 1.7, face.z + 0.0135), 0.0075) * face.front
    color = tint(color, (0.06 + 0.10 * age) * under, (-0.75, -1.1, -0.85))
    socket = gauss(torch.hypot((face.side - 0.030) / 2.2, face.z - 0.007), 0.0085) * face.front
    return tint(color, 0.075 * socket, (-0.7, -1.1, -1.05))


def _variation(color: Tensor, paint: Paint) -> Tensor:
    """Blotches: slow drifts of hue, faint mottling, and freckles on light skin."""
    color = tint(color, column(paint.detail, "slow"), (0.008, -0.018, -0.010))
    color = tint(color, column(paint.detail, "medium"), (0.006, -0.010, -0.020))
    mottle = 0.010 * column(paint.detail, "quick") + 0.009 * column(paint.detail, "fine")
    color = color * (1 + mottle.unsqueeze(-1))
    freckles = column(paint.detail, "freckle")
    amount = paint.value("freckles") * (1 - paint.darkness) * freckles
    return tint(color, amount, (-0.16, -0.27, -0.33))


def _folds(color: Tensor, paint: Paint) -> Tensor:
    """Darken the folds that the relief cuts, and redden them."""
    age, folds = paint.value("age"), paint.relief
    color = tint(color, (0.030 + 0.13 * age) * folds.nasolabial, (-0.7, -1.0, -1.0))
    color = tint(color, 0.13 * folds.furrows.clamp(max=1.2), (-0.75, -1.0, -1.0))
    return tint(color, 0.16 * folds.lid_crease, (-0.7, -1.0, -1.05))


def _make_up(color: Tensor, paint: Paint) -> Tensor:
    """Blush on the cheeks and shadow on the upper lid."""
    face, skin = paint.face, paint.color("skin")
    blush = 0.42 * paint.value("blush") * column(paint.detail, "blush")
    color = mix(color, skin * skin.new_tensor((1.0, 0.66, 0.66)), blush)
    above = face.above_upper_lid
    lid = smoothstep(above, -0.0005, 0.0005) * fall(above, 0.0035, 0.0100)
    lid = lid * smoothstep(1.5 - face.lid_u.abs(), 0, 0.5) * face.front
    shade = skin * skin.new_tensor((0.55, 0.42, 0.44))
    return mix(color, shade, 0.6 * paint.value("shadow") * lid)


def _beard(color: Tensor, paint: Paint) -> Tensor:
    """Stubble as a tint of the skin, then the beard itself in hair colour."""
    hair = paint.color("hair")
    stubble = paint.stubble * (0.9 - 0.35 * paint.darkness)
    color = mix(color, 0.42 * color + 0.30 * hair + 0.03, stubble)
    strands = (0.95 * hair + 0.025) * paint.beard_shade.unsqueeze(-1)
    return mix(color, strands, paint.beard_cover)


def _lips(color: Tensor, paint: Paint) -> Tensor:
    """Soft-bordered lips, a lit lower lip, the lip line, and quiet corners that stay red."""
    face = paint.face
    height, r = face.above_lip_line, face.lip_r
    sheen = 0.12 * gauss(height + 0.008, 0.0045) * paint.lower_lip * (1 - r * r)
    rim = 0.05 * gauss(height - 0.0125 * (1 - r**1.7), 0.0022) * (1 - r) * (height > 0)
    color = color * (1 + (rim * (1 - paint.beard_cover) * (face.y < -0.006)).unsqueeze(-1))
    folds = column(paint.detail, "lip_folds")
    tone = (1 + sheen - 0.09 * paint.upper_lip) * (1 + 0.03 * folds)
    cover = (paint.upper_lip + paint.lower_lip).clamp(0, 1)
    cover = cover * (0.80 + 0.15 * paint.value("stick"))
    color = mix(color, paint.color("lipc") * tone.unsqueeze(-1), cover)
    line = gauss(height - 0.0004, 0.0014) * (face.y < -0.005)
    line = line * fall(face.side, 0.0295, 0.0325)
    line = line * (0.16 + 0.30 * paint.state.lip_seal)
    color = tint(color, line, (-0.72, -1.0, -1.0))
    quiet = 1 - 0.75 * torch.maximum(paint.state.smile(face.x), 1 - paint.state.lip_seal)
    corner = gauss(torch.hypot(face.side - 0.0300, face.z + 0.0825), 0.0030) * (face.y < 0)
    color = tint(color, 0.22 * quiet * corner, (-0.7, -1.0, -1.0))
    below = gauss(torch.hypot(face.x / 1.6, face.z + 0.1035), 0.006) * face.front
    return tint(color, 0.09 * below, (-1.0, -1.0, -1.0))


def _nostrils(color: Tensor, paint: Paint) -> Tensor:
    face = paint.face
    place = torch.hypot((face.side - 0.0115) / 1.25, face.z + 0.0555)
    hole = gauss(place, 0.0042) * (face.y < -0.018)
    hole = hole * fall(paint.ambient_occlusion, 0.45, 0.75)
    skin = paint.color("skin")
    return mix(color, skin * skin.new_tensor((0.26, 0.13, 0.12)), (0.95 * hole).clamp(0, 0.9))


def _occlusion(color: Tensor, paint: Paint) -> Tensor:
    """Occluded skin goes dark and red, as light scattered several times does."""
    openness = 0.50 + 0.50 * paint.ambient_occlusion.clamp(0, 1)
    return color * openness.unsqueeze(-1) ** color.new_tensor(OCCLUSION_POWERS)


def _lid_lines(color: Tensor, paint: Paint) -> Tensor:
    """Water line, tear duct, upper lash line with its outer wing, and faint lower lashes.

    On a closing eye the wing fades and the line thins: the lids meet there.
    """
    face, lash, skin = paint.face, paint.value("lash"), paint.color("skin")
    u, above, below = face.lid_u, face.above_upper_lid, face.above_lower_lid
    open_lid = 1 - paint.state.blink(face.x)
    within = smoothstep(1.18 - u.abs(), 0, 0.12) * face.front
    wet = skin * skin.new_tensor((0.91, 0.67, 0.65)) + skin.new_tensor((0.02, 0.0, 0.0))
    color = mix(color, wet, 0.65 * gauss(below, 0.0010) * within)
    duct = gauss(torch.hypot((face.side - 0.0243), face.z + 0.0045), 0.0026) * face.front
    pink = skin * skin.new_tensor((0.93, 0.62, 0.60))
    color = mix(color, pink, (0.15 + 0.30 * open_lid) * duct)
    line = smoothstep(above, -0.0022, -0.0008)
    line = line * fall(above, 0.0004 + 0.0006 * lash, 0.0015 + 0.0011 * lash)
    line = line * smoothstep(u, -1.15, -0.5)
    wing_start, wing_end = 0.62 + 0.40 * open_lid, 0.88 + 0.36 * open_lid
    line = line * fall(u, wing_start, wing_end) * face.front
    line = line * (0.62 + 0.38 * lash) * (0.70 + 0.30 * open_lid)
    color = mix(color, color.new_tensor(LASH_COLOR), line.clamp(0, 0.97))
    lower = gauss(below + 0.0013, 0.0008) * smoothstep(u, -0.7, 0.5) * face.front
    lower = lower * fall(u, 0.80, 1.05) * open_lid
    return mix(color, color.new_tensor(LOWER_LASH_COLOR), 0.34 * lash * lower)


def _mouth_color(paint: Paint) -> Tensor:
    """Wet red behind the lips, darker towards the throat, never black at the corners."""
    deep = smoothstep(paint.face.mouth_depth, 0.008, 0.045)
    lip = paint.color("lipc") * paint.p.new_tensor((0.88, 0.70, 0.70))
    front = mix(lip, lip.new_tensor(INNER_LIP_COLOR), torch.full_like(deep, 0.6))
    return mix(front, front.new_tensor(THROAT_COLOR), deep)


def _tongue_color(paint: Paint) -> Tensor:
    """A light pink tip and a darker root, with a faint groove down the middle."""
    face = paint.face
    root = smoothstep(face.y, 0.0, 0.045)
    color = paint.p.new_tensor(TONGUE_COLOR).expand(paint.p.shape)
    color = mix(color, color.new_tensor(TONGUE_ROOT_COLOR), root)
    groove = 0.16 * gauss(face.x, 0.0022) * (1 - root)
    return tint(color, groove, (-0.8, -1.0, -1.0))
