"""Hair styles as rows of continuous parameters; any blend of rows is a valid style."""

from __future__ import annotations

# top, front, side, nape: hair length over the skin. recede, fringe, part, back, radial, curl,
# small, long, tail, bun, bald, fade, tuft: amounts 0..1. zend: height of the hem of long hair.
# vol: width of long hair at the shoulders, 0..1.
STYLE_PARAMETERS = (
    "top", "front", "side", "nape", "recede", "fringe", "part", "back", "radial", "curl",
    "small", "long", "zend", "vol", "tail", "bun", "bald", "fade", "tuft",
)  # fmt: skip
_LENGTHS = ("top", "front", "side", "nape", "zend")


def _style(**values: float) -> tuple[float, ...]:
    """Return a style row; lengths are given in millimetres, values left out are 0."""
    scale = {name: 1e-3 if name in _LENGTHS else 1.0 for name in STYLE_PARAMETERS}
    return tuple(values.get(name, 0.0) * scale[name] for name in STYLE_PARAMETERS)


STYLES: dict[str, tuple[float, ...]] = {
    "bald": _style(recede=0.1, radial=1, bald=1),
    "buzz": _style(top=2.4, front=2.6, side=1.8, nape=1.3, recede=0.1, radial=1, fade=0.6),
    "crop": _style(
        top=17, front=21, side=5.5, nape=3.5, recede=0.1, fringe=0.3, radial=1, fade=1, tuft=1
    ),
    "side part": _style(
        top=26, front=34, side=9, nape=5.5, recede=0.15, fringe=0.1, part=1, fade=0.5, tuft=0.1
    ),
    "swept back": _style(
        top=26, front=38, side=6.5, nape=5.5, recede=0.25, back=1, fade=0.7, tuft=0.1
    ),
    "curly": _style(
        top=33, front=36, side=19, nape=12, recede=0.05, fringe=0.3, radial=0.3, curl=1, fade=0.2
    ),
    "afro": _style(top=50, front=44, side=43, nape=33, recede=0.05, curl=0.15, small=1),
    "bob": _style(
        top=22, front=17, side=19, nape=18, fringe=0.85, radial=1, long=1, zend=-105, vol=0.7
    ),
    "long": _style(
        top=25, front=22, side=18, nape=17, recede=0.05, part=1, long=1, zend=-205, vol=0.5
    ),
    "long wavy": _style(
        top=30, front=28, side=23, nape=20, recede=0.05, part=1, curl=0.1, long=1, zend=-190, vol=1
    ),
    "ponytail": _style(top=7.5, front=8.5, side=6.5, nape=6, recede=0.05, back=1, tail=1),
    "bun": _style(top=8.5, front=10, side=7, nape=6.5, recede=0.05, back=1, bun=1),
    "receding": _style(top=6, front=5, side=6, nape=4.5, recede=1, back=1, fade=0.5),
    "horseshoe": _style(side=7, nape=5.5, recede=1, radial=1, bald=1, fade=0.3),
}

# Log-prior of each style and its slope on how masculine the face shape is (-1..1).
STYLE_PRIORS: dict[str, tuple[float, float]] = {
    "bald": (-4.0, 6.0),
    "buzz": (-1.0, 5.0),
    "crop": (0.0, 5.0),
    "side part": (0.0, 5.0),
    "swept back": (0.0, 5.0),
    "curly": (0.0, 0.0),
    "afro": (0.0, 0.0),
    "bob": (0.0, -6.0),
    "long": (0.0, -5.0),
    "long wavy": (0.0, -6.0),
    "ponytail": (0.0, -6.0),
    "bun": (-1.0, -6.0),
    "receding": (-4.0, 6.0),
    "horseshoe": (-5.0, 6.0),
}

STYLE_NAMES = tuple(STYLES)
