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


@dataclass(frozen=True)
class GenerateSettings:
    """One request.

    seed names the random part of the head; attributes override parts of it; truncation draws the
    random part towards the average head (0 average, 1 full variety); resolution is the number of
    surface cells along each side of the head's cube; texture the pixels along the albedo's side;
    raw_surface adds the unrigged surface that the head was fitted to; model is the bundled one or
    the id of a converted official one.
    """

    seed: int = 0
    attributes: Mapping[str, float | str] = field(default_factory=dict)
    truncation: float = 0.9
    resolution: int = 256
    texture: int = 1024
    device: str = "auto"
    raw_surface: bool = False
    model: str = BUNDLED_MODEL

    def check(self) -> None:
        """Raise AvatarError if a value is out of its range (attributes are checked when used)."""
        _check_integer("seed", self.seed, 0, SEED_LIMIT)
        _check_integer("resolution", self.resolution, *RESOLUTION_RANGE)
        if not isinstance(self.truncation, Real) or not 0.0 <= self.truncation <= 1.0:
            raise AvatarError(f"truncation is {self.truncation}; give a number from 0 to 1.")
        if self.texture not in TEXTURE_SIZES:
            sizes = ", ".join(str(size) for size in TEXTURE_SIZES)
            raise AvatarError(f"texture is {self.texture}; give one of {sizes}.")
        if self.device not in DEVICES:
            raise AvatarError(f"Device {self.device!r} is unknown; give {_listed(DEVICES)}.")
        for name, value in self.attributes.items():
            if isinstance(value, Real) and not math.isfinite(value):
                raise AvatarError(f"Attribute {name} is {value}; give a finite number.")

    def as_dict(self) -> dict:
        """Return the settings as plain values for JSON."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {**values, "attributes": dict(self.attributes)}


def parse_attributes(assignments: list[str]) -> dict[str, float | str]:
    """Return {name: value} of "NAME=VALUE" texts; numbers become floats, choices stay texts."""
    attributes: dict[str, float | str] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not (name and equals and text):
            raise AvatarError(f"{assignment!r} sets no attribute; write NAME=VALUE, as in age=0.5.")
        if name in attributes:
            raise AvatarError(f"Attribute {name} is given twice; give it once.")
        try:
            attributes[name] = float(text)
        except ValueError:
            attributes[name] = text
    return attributes


def _check_integer(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= value <= high:
        raise AvatarError(f"{name} is {value}; give a whole number from {low} to {high}.")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]
