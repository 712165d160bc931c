"""Data only: expression presets as weights of the 52 ARKit shapes.

A name that ends in "*" stands for its left and right shape.  A preset sets the shapes of its
layer and leaves the others alone, so that a gaze or a sound can be laid over a smile.
"""

from typing import NamedTuple


class Preset(NamedTuple):
    """A named expression; `weights` are those at full strength."""

    label: str
    layer: str
    weights: dict[str, float]


# Which shapes a layer sets: those whose names begin so.
LAYERS = {
    "FACE": ("brow", "cheek", "eyeBlink", "eyeSquint", "eyeWide", "jaw", "mouth", "nose", "tongue"),
    "GAZE": ("eyeLook",),
    "SPEECH": ("jaw", "mouth", "tongue"),
}

PRESETS = {
    "neutral": Preset("Neutral", "FACE", {}),
    "smile": Preset(
        "Smile",
        "FACE",
        {"mouthSmile*": 0.7, "cheekSquint*": 0.4, "eyeSquint*": 0.15, "mouthDimple*": 0.15},
    ),
    "big_smile": Preset(
        "Big Smile",
        "FACE",
        {
            "mouthSmile*": 1.0,
            "cheekSquint*": 0.75,
            "eyeSquint*": 0.35,
            "mouthUpperUp*": 0.3,
            "mouthLowerDown*": 0.15,
            "jawOpen": 0.15,
            "browOuterUp*": 0.15,
        },
    ),
    "sad": Preset(
        "Sad",
        "FACE",
        {
            "mouthFrown*": 0.75,
            "browInnerUp": 0.85,
            "browDown*": 0.1,
            "mouthShrugLower": 0.4,
            "mouthRollLower": 0.15,
            "eyeSquint*": 0.15,
            "eyeBlink*": 0.12,
        },
    ),
    "angry": Preset(
        "Angry",
        "FACE",
        {
            "browDown*": 1.0,
            "noseSneer*": 0.5,
            "eyeSquint*": 0.45,
            "mouthFrown*": 0.4,
            "mouthPress*": 0.5,
            "jawForward": 0.2,
        },
    ),
    "surprised": Preset(
        "Surprised",
        "FACE",
        {
            "eyeWide*": 0.9,
            "browInnerUp": 0.8,
            "browOuterUp*": 0.85,
            "jawOpen": 0.45,
            "mouthFunnel": 0.2,
        },
    ),
    "afraid": Preset(
        "Afraid",
        "FACE",
        {
            "eyeWide*": 0.8,
            "browInnerUp": 1.0,
            "browDown*": 0.2,
            "mouthStretch*": 0.6,
            "jawOpen": 0.2,
        },
    ),
    "disgusted": Preset(
        "Disgusted",
        "FACE",
        {
            "noseSneer*": 0.9,
            "browDown*": 0.5,
            "eyeSquint*": 0.4,
            "mouthUpperUp*": 0.45,
            "mouthFrown*": 0.35,
            "cheekSquint*": 0.3,
        },
    ),
    "jaw_open": Preset("Jaw Open", "FACE", {"jawOpen": 1.0}),
    "kiss": Preset("Kiss", "FACE", {"mouthPucker": 0.95, "mouthFunnel": 0.15}),
    "blink": Preset("Blink", "FACE", {"eyeBlink*": 1.0}),
    "wink": Preset(
        "Wink",
        "FACE",
        {
            "eyeBlinkLeft": 1.0,
            "cheekSquintLeft": 0.7,
            "browDownLeft": 0.3,
            "mouthSmileLeft": 0.5,
            "mouthSmileRight": 0.25,
        },
    ),
    # Left and right are the subject's.
    "look_ahead": Preset("Look Ahead", "GAZE", {}),
    "look_left": Preset("Look Left", "GAZE", {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0}),
    "look_right": Preset("Look Right", "GAZE", {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0}),
    "look_up": Preset("Look Up", "GAZE", {"eyeLookUp*": 1.0}),
    "look_down": Preset("Look Down", "GAZE", {"eyeLookDown*": 1.0}),
    # The sounds of the Oculus viseme set.
    "viseme_sil": Preset("sil", "SPEECH", {}),
    "viseme_PP": Preset(
        "PP", "SPEECH", {"mouthPress*": 0.5, "mouthRollLower": 0.4, "mouthRollUpper": 0.4}
    ),
    "viseme_FF": Preset(
        "FF", "SPEECH", {"mouthRollLower": 0.6, "mouthUpperUp*": 0.3, "jawOpen": 0.08}
    ),
    "viseme_TH": Preset("TH", "SPEECH", {"jawOpen": 0.18, "tongueOut": 0.35}),
    "viseme_DD": Preset("DD", "SPEECH", {"jawOpen": 0.14, "mouthLowerDown*": 0.3}),
    "viseme_kk": Preset("kk", "SPEECH", {"jawOpen": 0.22, "mouthLowerDown*": 0.2}),
    "viseme_CH": Preset("CH", "SPEECH", {"mouthFunnel": 0.6, "jawOpen": 0.1}),
    "viseme_SS": Preset("SS", "SPEECH", {"mouthStretch*": 0.4, "mouthLowerDown*": 0.3}),
    "viseme_nn": Preset("nn", "SPEECH", {"jawOpen": 0.1, "mouthLowerDown*": 0.15}),
    "viseme_RR": Preset("RR", "SPEECH", {"mouthFunnel": 0.4, "jawOpen": 0.12}),
    "viseme_aa": Preset("aa", "SPEECH", {"jawOpen": 0.55, "mouthLowerDown*": 0.2}),
    "viseme_E": Preset("E", "SPEECH", {"jawOpen": 0.25, "mouthStretch*": 0.4, "mouthSmile*": 0.2}),
    "viseme_ih": Preset("ih", "SPEECH", {"jawOpen": 0.2, "mouthSmile*": 0.35}),
    "viseme_oh": Preset("oh", "SPEECH", {"jawOpen": 0.35, "mouthFunnel": 0.55}),
    "viseme_ou": Preset("ou", "SPEECH", {"jawOpen": 0.15, "mouthPucker": 0.7}),
}
