"""What a head is asked to be: settings, and one sentence for each way to get them wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real

from .errors import AvatarError

SEED_LIMIT = 2**31 - 1
RESOLUTION_RANGE = (32, 768)
TEXTURE_SIZES = (128, 256, 512, 1024, 2048, 4096)
DEVICES = ("auto", "cpu", "cuda", "mps")
BUNDLED_MODEL = "bundled"
# name of each guidance scale -> its default: 0 ignores, 1 is the plain conditional model
GUIDANCE = {"photo": 2.0, "map": 2.0, "attributes": 2.5}
GUIDANCE_LIMIT = 20.0
STEPS_RANGE = (1, 200)
VARIANTS_RANGE = (1, 16)
PERSONALISE_RANGE = (0, 1000)
METHODS = ("diffusion", "optimise")
PICTURES = ("image", "segmentation", "mask")


@dataclass(frozen=True)
class GenerateSettings:
    """One request.

    seed names the random part of the head, and of the first of `variants` heads; truncation draws
    it towards the average head (0 average, 1 full variety).  What is asked for: attributes, a
    photo (image), a label map (segmentation), without what is white in the mask; crop is where the
    head is in the photo, x and y of its middle and the side, in pixels; snap lets colours of the
    map that are no label's become the nearest one.  guidance is how much each counts, steps the
    evaluations of the denoiser, method may be the slow search instead, personalise refines the
    answer against the photo for so many steps.  resolution is the number of surface cells along
    each side of the head's cube; texture the pixels along the albedo's side; raw_surface adds the
    unrigged surface that the head was fitted to; model is the bundled one or the id of a converted
    official one.
    """

    seed: int = 0
    attributes: Mapping[str, float | str] = field(default_factory=dict)
    truncation: float = 0.9
    resolution: int = 256
    texture: int = 1024
    device: str = "auto"
    raw_surface: bool = False
    model: str = BUNDLED_MODEL
    image: str | None = None
    segmentation: str | None = None
    mask: str | None = None
    crop: tuple[float, float, float] | None = None
    snap: bool = False
    guidance: Mapping[str, float] = field(default_factory=dict)
    steps: int = 20
    variants: int = 1
    method: str = "diffusion"
    personalise: int = 0

    @property
    def conditioned(self) -> bool:
        """Whether anything but the seed says what the head is to be."""
        return bool(self.attributes or self.image or self.segmentation)

    def check(self) -> None:
        """Raise AvatarError if a value is out of its range (attributes are checked when used)."""
        check_integer("seed", self.seed, 0, SEED_LIMIT)
        check_integer("resolution", self.resolution, *RESOLUTION_RANGE)
        if not isinstance(self.truncation, Real) or not 0.0 <= self.truncation <= 1.0:
            raise AvatarError(f"truncation is {self.truncation}; give a number from 0 to 1.")
        if self.texture not in TEXTURE_SIZES:
            sizes = ", ".join(str(size) for size in TEXTURE_SIZES)
            raise AvatarError(f"texture is {self.texture}; give one of {sizes}.")
        if self.device not in DEVICES:
            raise AvatarError(f"Device {self.device!r} is unknown; give {_listed(DEVICES)}.")
        check_attributes(self.attributes)
        self._check_answer()
        self._check_pictures()

    def as_dict(self) -> dict:
        """Return the settings as plain values for JSON."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        crop = None if self.crop is None else list(self.crop)
        return {
            **values,
            "attributes": dict(self.attributes),
            "guidance": dict(self.guidance),
            "crop": crop,
        }

    @classmethod
    def from_dict(cls, stored: Mapping) -> GenerateSettings:
        """Return the settings that `as_dict` gave; what this version does not know is left out."""
        known = {item.name for item in fields(cls)}
        values = {name: value for name, value in stored.items() if name in known}
        if values.get("crop") is not None:
            values["crop"] = tuple(values["crop"])
        return cls(**values)

    def _check_answer(self) -> None:
        check_guidance(self.guidance)
        check_integer("steps", self.steps, *STEPS_RANGE)
        check_integer("variants", self.variants, *VARIANTS_RANGE)
        check_integer("personalise", self.personalise, *PERSONALISE_RANGE)
        if self.seed + self.variants - 1 > SEED_LIMIT:
            raise AvatarError(f"seed is {self.seed}; variants count on from it, give a lower one.")
        if self.method not in METHODS:
            raise AvatarError(f"Method {self.method!r} is unknown; give {_listed(METHODS)}.")
        if self.method == "optimise" and not self.conditioned:
            raise AvatarError(
                "The method optimise searches a head for what is asked of it; "
                "give a photo, a label map or attributes."
            )
        if self.method == "optimise" and self.personalise:
            raise AvatarError(
                "personalise refines the answer of the diffusion; "
                "leave it out with the method optimise."
            )

    def _check_pictures(self) -> None:
        if self.personalise and not self.image:
            raise AvatarError("personalise refines a head against its photo; give a photo.")
        if self.mask and not (self.image or self.segmentation):
            raise AvatarError("A mask hides parts of a photo or of a map; give one of them.")
        if self.crop is None:
            return
        if not self.image:
            raise AvatarError("A crop says where the head is in a photo; give a photo.")
        finite = len(self.crop) == 3 and all(
            isinstance(number, Real) and math.isfinite(number) for number in self.crop
        )
        if not finite or self.crop[2] <= 0:
            raise AvatarError(
                f"crop is {', '.join(map(str, self.crop))}; "
                "give x and y of the head's middle and the side of its square, in pixels."
            )


def check_guidance(guidance: Mapping[str, float]) -> None:
    """Raise AvatarError if a scale has no such name or is no number from 0 to 20."""
    for name, scale in guidance.items():
        if name not in GUIDANCE:
            raise AvatarError(
                f"Guidance {name!r} is unknown; give {_listed(tuple(GUIDANCE))}, as in photo=2."
            )
        number = isinstance(scale, Real) and not isinstance(scale, bool)
        if not number or not 0.0 <= scale <= GUIDANCE_LIMIT:
            raise AvatarError(
                f"Guidance {name} is {scale}; give a number from 0 to {GUIDANCE_LIMIT:g}."
            )


def check_attributes(attributes: Mapping[str, float | str]) -> None:
    """Raise AvatarError if a number is not finite; names and ranges are checked when used."""
    for name, value in attributes.items():
        if isinstance(value, Real) and not math.isfinite(value):
            raise AvatarError(f"Attribute {name} is {value}; give a finite number.")


def check_integer(name: str, value: int, low: int, high: int) -> None:
    """Raise AvatarError unless `value` is a whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= value <= high:
        raise AvatarError(f"{name} is {value}; give a whole number from {low} to {high}.")


def parse_attributes(assignments: list[str]) -> dict[str, float | str]:
    """Return {name: value} of "NAME=VALUE" texts; numbers become floats, choices stay texts."""
    attributes: dict[str, float | str] = {}
    for assignment in assignments:
        name, text = _assigned(assignment, "attribute", "age=0.5")
        if name in attributes:
            raise AvatarError(f"Attribute {name} is given twice; give it once.")
        try:
            attributes[name] = float(text)
        except ValueError:
            attributes[name] = text
    return attributes


def parse_guidance(assignments: list[str]) -> dict[str, float]:
    """Return {name: scale} of "NAME=SCALE" texts."""
    guidance: dict[str, float] = {}
    for assignment in assignments:
        name, text = _assigned(assignment, "guidance", "photo=2")
        if name in guidance:
            raise AvatarError(f"Guidance {name} is given twice; give it once.")
        try:
            guidance[name] = float(text)
        except ValueError:
            raise AvatarError(f"Guidance {name} is {text}; give a number.") from None
    return guidance


def parse_crop(text: str) -> tuple[float, float, float]:
    """Return x, y and side of "X,Y,SIDE"."""
    try:
        x, y, side = (float(part) for part in text.split(","))
    except ValueError:
        raise AvatarError(
            f"{text!r} is no crop; write X,Y,SIDE in pixels of the photo, as in 512,480,600."
        ) from None
    return x, y, side


def _assigned(assignment: str, what: str, example: str) -> tuple[str, str]:
    name, equals, text = assignment.partition("=")
    if not (name and equals and text):
        raise AvatarError(f"{assignment!r} sets no {what}; write NAME=VALUE, as in {example}.")
    return name, text


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]
