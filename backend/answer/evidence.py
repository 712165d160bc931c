"""What was given for a head, cut out and at the size that conditions have; a head carries it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from ..conditions.attributes import check_value
from ..conditions.conditions import NUM_LABELS, Conditions, encode_attributes
from .packed import ARRAYS, EvidenceError, pack, unpack


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one head is asked to be.

    attributes by name; image (S, S, 3) uint8 sRGB and image_given (S, S) bool, where it counts;
    labels (S, S) uint8 of the 19 classes and labels_given (S, S) bool; rotation (3, 3) float32
    from the head's axes to the camera's and landmarks (68, 2) float32 in units of the square, both
    of the photo; crop: x and y of the square's middle and its side, in the photo's pixels; notes
    for the user; labels_read: the labels were read off the photo.  S is CONDITION_SIZE, what is
    None was not given.
    """

    attributes: Mapping[str, float | str] = field(default_factory=dict)
    image: np.ndarray | None = None
    image_given: np.ndarray | None = None
    labels: np.ndarray | None = None
    labels_given: np.ndarray | None = None
    rotation: np.ndarray | None = None
    landmarks: np.ndarray | None = None
    crop: tuple[float, float, float] | None = None
    notes: tuple[str, ...] = ()
    labels_read: bool = False

    def __post_init__(self) -> None:
        for name, value in self.attributes.items():
            check_value(name, value)
        for name, (shape, kind) in ARRAYS.items():
            array = getattr(self, name)
            if array is not None and (array.shape != shape or array.dtype != np.dtype(kind)):
                raise EvidenceError(
                    f"{name}: expected {np.dtype(kind)} {shape}, given {array.dtype} {array.shape}"
                )
        pairs = (("image", "image_given"), ("labels", "labels_given"), ("rotation", "landmarks"))
        for one, other in pairs:
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise EvidenceError(f"{one} and {other} belong together; only one is given")
        if self.labels is not None and self.labels.max() >= NUM_LABELS:
            raise EvidenceError(f"labels: expected classes below {NUM_LABELS}")

    @property
    def empty(self) -> bool:
        """Whether nothing is asked at all."""
        return not self.attributes and self.image is None and self.labels is None

    def conditions(self, device: torch.device | str = "cpu") -> Conditions:
        """The same as conditions of one head (batch of 1)."""
        values, given = encode_attributes([self.attributes])
        pictures = {}
        if self.image is not None:
            image = torch.from_numpy(self.image.copy()).permute(2, 0, 1)[None].float() / 255
            pictures |= {"image": image, "image_mask": _mask(self.image_given)}
            if self.landmarks is not None:
                pictures["landmarks"] = torch.from_numpy(self.landmarks.copy())[None]
        if self.labels is not None:
            labels = torch.from_numpy(self.labels.astype(np.int64))[None]
            pictures |= {"labels": labels, "labels_mask": _mask(self.labels_given)}
        return Conditions(values, given, **pictures).to(device)

    def encode(self) -> dict:
        """Plain values for JSON that `decode` reads; arrays as base64 of their packed bytes."""
        stored: dict = {"attributes": dict(self.attributes), "notes": list(self.notes)}
        if self.labels_read:
            stored["labels_read"] = True
        if self.crop is not None:
            stored["crop"] = list(self.crop)
        for name, (_, kind) in ARRAYS.items():
            array = getattr(self, name)
            if array is not None:
                stored[name] = pack(array, kind)
        return stored

    @classmethod
    def decode(cls, stored: Mapping) -> Evidence:
        """Back from `encode`, bit for bit; raises EvidenceError for what is damaged."""
        try:
            arrays = {name: unpack(stored[name], name) for name in ARRAYS if name in stored}
            notes = tuple(str(note) for note in stored.get("notes", ()))
            crop = stored.get("crop")
            if crop is not None:
                x, y, side = (float(number) for number in crop)
                crop = (x, y, side)
            attributes = dict(stored.get("attributes", {}))
            read = bool(stored.get("labels_read", False))
            return cls(attributes=attributes, crop=crop, notes=notes, labels_read=read, **arrays)
        except EvidenceError:
            raise
        except (TypeError, ValueError, AttributeError) as error:
            raise EvidenceError(f"what the head was made from is damaged ({error})") from error


def _mask(given: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(given.astype(np.float32))[None, None]
