"""Hair and beard attributes read back off the derived values of a head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from ..synthetic.latent import GREY_HAIR, HAIR_STOPS
from ..synthetic.smooth import palette, smoothstep
from ..synthetic.styles import STYLE_NAMES, STYLE_PARAMETERS, STYLES
from .inverse import amount_of, gaussian_of
from .table import BEARD_MAP, BEARDS

Read = Callable[[str], Tensor]  # name of a derived value -> (B,) or (B, 3)
Measured = dict[str, tuple[Tensor, Tensor]]  # attribute -> value (B,), seen (B,) bool

# Style parameters that no other latent touches, and the scale that makes them comparable.
_IDENTITY = ("nape", "part", "back", "radial", "small", "long", "vol", "tail", "bun", "bald",
             "fade", "tuft")  # fmt: skip
_NAPE_SCALE = 0.03  # metres
_BALD = 0.5
_MOST_WAVE = 1.19  # waves end at 1.2; more curl does not show
_COLOR_STEPS = 257
_BEARD_VALUES = ("b_st", "b_mu", "b_go", "b_fu")


@dataclass(frozen=True)
class HairStyle:
    """Weights (B, 14) of the styles, and each style parameter (B,) as the styles alone give it."""

    weights: Tensor
    parameters: dict[str, Tensor]


def find_style(read: Read) -> HairStyle:
    """Explain the hair as a blend of one or two styles: the closest such blend.

    Heads are close to one style or between two, since styles are drawn by a sharp softmax.
    """
    rows = read("nape").new_tensor([STYLES[name] for name in STYLE_NAMES])
    scale = rows.new_tensor([_NAPE_SCALE if name == "nape" else 1.0 for name in _IDENTITY])
    columns = [STYLE_PARAMETERS.index(name) for name in _IDENTITY]
    identity = rows[:, columns] / scale
    hair = torch.stack([read(name) for name in _IDENTITY], 1) / scale
    pairs = torch.tensor(list(combinations(range(len(rows)), 2)), device=rows.device)
    start, step = identity[pairs[:, 0]], identity[pairs[:, 1]] - identity[pairs[:, 0]]
    away = hair[:, None] - start
    share = ((away * step).sum(-1) / step.square().sum(-1)).clamp(0, 1)
    error = (away - share[..., None] * step).square().sum(-1)
    best = error.argmin(1, keepdim=True)
    share = share.gather(1, best)
    weights = hair.new_zeros(len(hair), len(rows))
    weights.scatter_(1, pairs[best[:, 0], :1], 1 - share)
    weights.scatter_(1, pairs[best[:, 0], 1:], share)
    return HairStyle(weights, dict(zip(STYLE_PARAMETERS, (weights @ rows).unbind(1), strict=True)))


def measure_hair(read: Read) -> Measured:
    """Style, form and colour of the hair."""
    style = find_style(read)
    own = style.parameters
    hairy = read("bald") < _BALD
    seen = torch.ones_like(hairy)
    gains = {"top": 0.18, "front": 0.18, "side": 0.12}
    lever = {name: gain * own[name] for name, gain in gains.items()}
    power = sum(value.square() for value in lever.values())
    excess = sum(lever[name] * (read(name) - own[name]) for name in gains)
    volume = excess / power.clamp_min(1e-9)
    longer = (read("zend") - own["zend"]) / (0.012 * read("long").clamp_min(0.05))
    hairline = (read("recede") - own["recede"]) / 0.10
    wave = (read("wave") - 0.25 - smoothstep(read("vol"), 0.7, 1.0)) / 0.35
    curly = smoothstep(own["curl"], 0.15, 0.3) > 0.5
    curl = torch.where(curly, (read("curl") - own["curl"]) / 0.12, wave)
    free = curly | (read("wave") < _MOST_WAVE)
    side = read("ps") / (1 - 0.55 * read("long"))
    sideburn = torch.atanh(read("sideburn").clamp(-0.99, 0.99)) / 0.8
    measured = {
        "hair_style": (style.weights.argmax(1).float(), seen),
        "hair_volume": (volume / 2.5, hairy & (power > 1e-6)),
        "hair_length": (longer / -2.5, read("long") > 0.3),
        "hairline": (hairline / 2.5, hairy),
        "hair_curl": (curl / 2.5, hairy & free),
        "parting": (side, hairy),
        "sideburns": (sideburn / 2.5, seen),
    }
    return measured | _measure_color(read, hairy)


def _measure_color(read: Read, hairy: Tensor) -> Measured:
    """Lightness, red and grey of the hair: `hair` is a palette colour, reddened, then greyed."""
    grey = read("grey").clamp(0, 0.95)
    color = (read("hair") - grey[:, None] * read("hair").new_tensor(GREY_HAIR)) / (
        1 - grey[:, None]
    )
    light, red = _lightness_and_red(color)
    dark = (read("m") - 0.25).clamp(min=0.0)
    gate = smoothstep(light, 0.2, 0.5) * smoothstep(1.0 - light, 0.05, 0.3)
    redness = amount_of((red / gate.clamp_min(0.2)).clamp(0, 1), "hair_red")
    colored = hairy & (grey < 0.6)
    return {
        "hair_lightness": (gaussian_of((light + 0.7 * dark) / 1.08) / 2.2, colored),
        "hair_red": (redness, colored),
        "hair_grey": (_greying(grey, read("age")), hairy),
    }


def _lightness_and_red(color: Tensor) -> tuple[Tensor, Tensor]:
    """Invert colour (B, 3) = palette(light) * (1 + red * tint): light (B,) and red (B,), 0..1."""
    light = torch.linspace(0, 1, _COLOR_STEPS, device=color.device)
    stops = palette(light, HAIR_STOPS)
    tint = stops * color.new_tensor([0.35, -0.10, -0.35])
    away = color[:, None] - stops
    red = ((away * tint).sum(-1) / tint.square().sum(-1)).clamp(0, 1)
    gate = smoothstep(light, 0.2, 0.5) * smoothstep(1.0 - light, 0.05, 0.3)
    red = torch.minimum(red, gate)
    error = (away - red[..., None] * tint).square().sum(-1)
    best = error.argmin(1)
    return light[best], red.gather(1, best[:, None])[:, 0]


def _greying(grey: Tensor, age: Tensor) -> Tensor:
    """The attribute behind an amount of grey (B,), of which age brings a part by itself."""
    low, high = torch.zeros_like(grey), torch.ones_like(grey)
    for _ in range(24):
        middle = 0.5 * (low + high)
        shown = 0.9 * smoothstep(middle, 0.72, 1.0) + 0.35 * age.clamp(0, 1) * middle
        low, high = torch.where(shown < grey, middle, low), torch.where(shown < grey, high, middle)
    return amount_of(smoothstep(low, 0.72, 1.0), "hair_grey")


def measure_beard(read: Read) -> Measured:
    """Form of the beard, the nearest of the table's, and its length where there is one."""
    amounts = torch.stack([read(name) for name in _BEARD_VALUES], 1)
    forms = amounts.new_tensor([[float(i < count) for i in range(4)] for count in range(5)])
    form = torch.cdist(amounts, forms[: len(BEARD_MAP)]).argmin(1)
    quantile = ((read("b_len") - 0.002) / 0.010).clamp(0, 1).sqrt()
    length = gaussian_of(quantile) / 2.5
    return {
        "beard": (form.float(), torch.ones_like(form, dtype=torch.bool)),
        "beard_length": (length, form > BEARDS.index("stubble")),
    }
