"""Data table of the semantic attributes shown in the panel, the CLI and the documentation."""

from __future__ import annotations

from dataclasses import dataclass

HAIR_STYLES = (
    "bald", "buzz", "crop", "side part", "swept back", "curly", "afro", "bob", "long",
    "long wavy", "ponytail", "bun", "receding", "horseshoe",
)  # fmt: skip
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
GLASSES = ("none", "round", "square")


@dataclass(frozen=True)
class Attribute:
    """One attribute: a number between `minimum` and `maximum`, or one of `choices`."""

    group: str
    name: str
    minimum: float
    maximum: float
    default: float | str
    description: str
    choices: tuple[str, ...] = ()


def _slider(group: str, name: str, description: str) -> Attribute:
    return Attribute(group, name, -1.0, 1.0, 0.0, description)


def _amount(group: str, name: str, description: str) -> Attribute:
    return Attribute(group, name, 0.0, 1.0, 0.0, description)


def _choice(group: str, name: str, choices: tuple[str, ...], default: str, text: str) -> Attribute:
    return Attribute(group, name, 0.0, float(len(choices) - 1), default, text, choices)


ATTRIBUTES: tuple[Attribute, ...] = (
    _slider("Face", "masculinity", "Feminine (-1) to masculine (1) face shape"),
    _slider("Face", "age", "Young (-1) to old (1): shape, wrinkles and greying"),
    _slider("Face", "weight", "Lean (-1) to heavy (1)"),
    _amount("Face", "ancestry_african", "African ancestry of the face shape"),
    _amount("Face", "ancestry_asian", "Asian ancestry of the face shape"),
    _amount("Face", "ancestry_european", "European ancestry of the face shape"),
    _slider("Face", "face_length", "Short (-1) to long (1) face"),
    _slider("Face", "jaw_width", "Narrow (-1) to wide (1) jaw"),
    _slider("Face", "chin_height", "Short (-1) to tall (1) chin"),
    _slider("Face", "cheekbones", "Flat (-1) to prominent (1) cheekbones"),
    _slider("Face", "nose_width", "Narrow (-1) to wide (1) nose"),
    _slider("Face", "nose_length", "Short (-1) to long (1) nose"),
    _slider("Face", "nose_profile", "Turned-up (-1) to hooked (1) nose"),
    _slider("Face", "mouth_width", "Narrow (-1) to wide (1) mouth"),
    _slider("Face", "lip_fullness", "Thin (-1) to full (1) lips"),
    _slider("Face", "ear_size", "Small (-1) to large (1) ears"),
    _slider("Skin", "skin_tone", "Light (-1) to dark (1) skin"),
    _slider("Skin", "skin_undertone", "Cool (-1) to warm (1) skin"),
    _slider("Skin", "skin_redness", "Pale (-1) to flushed (1) skin"),
    _amount("Skin", "freckles", "Amount of freckles"),
    _amount("Skin", "lipstick", "Amount of lipstick"),
    _amount("Skin", "eye_shadow", "Amount of eye shadow"),
    _amount("Skin", "blush", "Amount of blush on the cheeks"),
    _choice("Hair", "hair_style", HAIR_STYLES, "crop", "Hair style"),
    _slider("Hair", "hair_volume", "Flat (-1) to voluminous (1) hair"),
    _slider("Hair", "hair_length", "Shorter (-1) to longer (1) hair, when it is long"),
    _slider("Hair", "hairline", "Low (-1) to receding (1) hairline"),
    _slider("Hair", "hair_curl", "Straighter (-1) to curlier (1) hair"),
    _slider("Hair", "parting", "Parting on the right (-1) or left (1)"),
    _slider("Hair", "hair_lightness", "Dark (-1) to blond (1) hair"),
    _amount("Hair", "hair_red", "Red of the hair"),
    _amount("Hair", "hair_grey", "Grey of the hair"),
    _choice("Hair", "beard", BEARDS, "none", "Form of the beard"),
    _slider("Hair", "beard_length", "Short (-1) to long (1) beard"),
    _slider("Hair", "sideburns", "Short (-1) to long (1) sideburns"),
    _slider("Eyes", "eye_size", "Small (-1) to large (1) eyes"),
    _slider("Eyes", "eye_tilt", "Outer corners down (-1) or up (1)"),
    _slider("Eyes", "iris_hue", "Brown (-1) over green to blue (1) eyes"),
    _slider("Eyes", "brow_thickness", "Thin (-1) to thick (1) eyebrows"),
    _slider("Eyes", "brow_arch", "Straight (-1) to arched (1) eyebrows"),
    _slider("Eyes", "brow_slope", "Falling (-1) to rising (1) eyebrows"),
    _choice("Accessories", "glasses", GLASSES, "none", "Glasses and the shape of their lenses"),
    _amount("Accessories", "earrings", "Earrings: on from 0.5"),
)

# attribute -> (signed directions of the face shape, standard deviations at 1)
SHAPE_MAP: dict[str, tuple[dict[str, float], float]] = {
    "masculinity": ({"masc": 1.0}, 2.4),
    "age": ({"age": 1.0}, 1.0),
    "weight": ({"weight": 6.0, "head-fat-incr": 0.3}, 1.8),
    "ancestry_african": ({"african": 1.0}, 1.9),
    "ancestry_asian": ({"asian": 1.0}, 1.9),
    "ancestry_european": ({"caucasian": 1.0}, 1.9),
    "face_length": ({"head-scale-vert-incr": 1.0}, 1.8),
    "jaw_width": ({"chin-width-incr": 1.0}, 2.0),
    "chin_height": ({"chin-height-incr": 1.0}, 2.0),
    "cheekbones": ({"cheek-bones-incr": 1.0}, 1.8),
    "nose_width": ({"nose-scale-horiz-incr": 1.0}, 1.8),
    "nose_length": ({"nose-scale-vert-incr": 1.0}, 1.8),
    "nose_profile": ({"nose-hump-incr": 1.0, "nose-point-up": -1.0}, 1.8),
    "mouth_width": ({"mouth-scale-horiz-incr": 1.0}, 2.0),
    "lip_fullness": (
        {
            "mouth-upperlip-volume-incr": 1.0,
            "mouth-lowerlip-volume-incr": 1.0,
            "mouth-upperlip-height-incr": 0.5,
            "mouth-lowerlip-height-incr": 0.5,
        },
        1.8,
    ),
    "ear_size": ({"ear-scale-incr": 1.0}, 2.0),
    "eye_size": ({"eye-scale-incr": 1.0}, 1.8),
    "eye_tilt": ({"eye-corner1-up": 1.0, "eye-corner2-up": -1.0}, 2.4),
}

# attribute -> (appearance Gaussian, its value at 1)
GAUSSIAN_MAP: dict[str, tuple[str, float]] = {
    "age": ("age", 2.5),
    "skin_tone": ("melanin", 2.2),
    "skin_undertone": ("undertone", 2.5),
    "skin_redness": ("redness", 2.5),
    "hair_volume": ("volume", 2.5),
    "hair_length": ("length", -2.5),
    "hairline": ("hairline", 2.5),
    "hair_curl": ("curl", 2.5),
    "parting": ("part_side", 2.5),
    "hair_lightness": ("hair_light", 2.2),
    "beard_length": ("beard_len", 2.5),
    "sideburns": ("sideburn", 2.5),
    "iris_hue": ("iris_hue", 2.2),
    "brow_thickness": ("brow_thick", 2.2),
    "brow_arch": ("brow_arch", 2.2),
    "brow_slope": ("brow_slope", 2.5),
}

# attribute -> (appearance Gaussian, quantile where it starts to show, quantile of the full effect)
AMOUNT_MAP: dict[str, tuple[str, float, float]] = {
    "freckles": ("freckles", 0.72, 0.995),
    "lipstick": ("lipstick", 0.70, 0.995),
    "eye_shadow": ("eyeshadow", 0.65, 0.995),
    "blush": ("blush", 0.50, 0.995),
    "hair_red": ("hair_red", 0.60, 0.995),
    "hair_grey": ("grey", 0.72, 0.995),
    "earrings": ("earring", 0.68, 0.92),
}

# beard form -> appearance Gaussians
BEARD_MAP: dict[str, dict[str, float]] = {
    "none": {"beard": -2.0},
    "stubble": {"beard": 1.5, "must": -2.0, "goatee": -2.0, "full": -2.0},
    "moustache": {"beard": 1.5, "must": 1.5, "goatee": -2.0, "full": -2.0},
    "goatee": {"beard": 1.5, "must": 1.5, "goatee": 1.5, "full": -2.0},
    "full": {"beard": 1.5, "must": 1.5, "goatee": 1.5, "full": 1.5},
}
GLASSES_MAP: dict[str, dict[str, float]] = {
    "none": {"glasses": -1.0},
    "round": {"glasses": 2.0, "glass_shape": -1.5},
    "square": {"glasses": 2.0, "glass_shape": 0.9},
}

# Features that only show on a masculine (or feminine) face: (attribute, lowest, highest masc)
MASC_NEEDS: tuple[tuple[str, float, float], ...] = (
    ("beard", 0.55, 9.0),
    ("lipstick", -9.0, -0.35),
    ("eye_shadow", -9.0, -0.35),
    ("blush", -9.0, -0.35),
    ("earrings", -9.0, -0.20),
)
