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

# Lengths in millimetres here, in metres in STYLES.
# fmt: off
_ROWS: dict[str, tuple[float, ...]] = {
    #               top  fro  sid  nap   rec   fri  par  bac  rad   cur  sma  lon  zend  vol  tai  bun  bal  fad  tuf
    "bald":       (  0,   0,   0,   0,  0.1,    0,   0,   0,   1,    0,   0,   0,    0,   0,   0,   0,   1,   0,   0),
    "buzz":       (2.4, 2.6, 1.8, 1.3,  0.1,    0,   0,   0,   1,    0,   0,   0,    0,   0,   0,   0,   0, 0.6,   0),
    "crop":       ( 17,  21, 5.5, 3.5,  0.1,  0.3,   0,   0,   1,    0,   0,   0,    0,   0,   0,   0,   0,   1,   1),
    "side part":  ( 26,  34,   9, 5.5, 0.15,  0.1,   1,   0,   0,    0,   0,   0,    0,   0,   0,   0,   0, 0.5, 0.1),
    "swept back": ( 26,  38, 6.5, 5.5, 0.25,    0,   0,   1,   0,    0,   0,   0,    0,   0,   0,   0,   0, 0.7, 0.1),
    "curly":      ( 33,  36,  19,  12, 0.05,  0.3,   0,   0, 0.3,    1,   0,   0,    0,   0,   0,   0,   0, 0.2,   0),
    "afro":       ( 50,  44,  43,  33, 0.05,    0,   0,   0,   0, 0.15,   1,   0,    0,   0,   0,   0,   0,   0,   0),
    "bob":        ( 22,  17,  19,  18,    0, 0.85,   0,   0,   1,    0,   0,   1, -105, 0.7,   0,   0,   0,   0,   0),
    "long":       ( 25,  22,  18,  17, 0.05,    0,   1,   0,   0,    0,   0,   1, -205, 0.5,   0,   0,   0,   0,   0),
    "long wavy":  ( 30,  28,  23,  20, 0.05,    0,   1,   0,   0,  0.3,   0,   1, -190,   1,   0,   0,   0,   0,   0),
    "ponytail":   (7.5, 8.5, 6.5,   6, 0.05,    0,   0,   1,   0,    0,   0,   0,    0,   0,   1,   0,   0,   0,   0),
    "bun":        (8.5,  10,   7, 6.5, 0.05,    0,   0,   1,   0,    0,   0,   0,    0,   0,   0,   1,   0,   0,   0),
    "receding":   (  6,   5,   6, 4.5,    1,    0,   0,   1,   0,    0,   0,   0,    0,   0,   0,   0,   0, 0.5,   0),
    "horseshoe":  (  0,   0,   7, 5.5,    1,    0,   0,   0,   1,    0,   0,   0,    0,   0,   0,   0, 0.8, 0.3,   0),
}
# fmt: on
STYLES: dict[str, tuple[float, ...]] = {
    style: tuple(
        value * 1e-3 if name in _LENGTHS else value
        for name, value in zip(STYLE_PARAMETERS, row, strict=True)
    )
    for style, row in _ROWS.items()
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
