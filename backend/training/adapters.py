"""A user's own face parser and attribute classifier, as TorchScript files.

None ship for the pictures of official generators.  A file turns pictures (B, 3, S, S), sRGB 0..1,
into what its contract says, whatever it resizes, crops or normalises inside; docs/diffusion.md
shows how to write one.  TorchScript is no Python, but it is a program: it can take all memory, and
it has instructions that read and write files.  A file that mentions those is refused, which is a
look at its text and no proof, so use only files that you made or trust.  (PyTorch calls the format
deprecated; the one it recommends unpickles what a file holds, which can be any Python.)
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..conditions.celeba import CELEBA_ATTRIBUTES
from ..conditions.conditions import NUM_LABELS

# By name, or by a name spelt in escapes.
_FORBIDDEN = re.compile(rb"\b(?:save|from_file|load_tensor|torch\.classes)\b|getattr\([^)]*\\")
_MOST_CODE = 64 << 20


class AdapterError(ValueError):
    """One sentence: what is wrong with the file, what was expected, where to get it."""


@dataclass(frozen=True)
class Contract:
    """What a network is for, what it makes of pictures (B, 3, S, S), and a project that has one."""

    name: str
    channels: int
    pixelwise: bool
    gives: str
    project: str

    def error(self, path: Path, found: str) -> AdapterError:
        """What was found instead, in a sentence."""
        return AdapterError(
            f"the {self.name} {path.name} {found}: expected a TorchScript file that turns pictures "
            f"(B, 3, S, S), sRGB 0..1, into {self.gives}, made for instance of {self.project} "
            "as docs/diffusion.md shows"
        )


PARSER = Contract(
    "face parser",
    NUM_LABELS,
    True,
    f"logits (B, {NUM_LABELS}, S, S) of the classes of CelebAMask-HQ",
    "facer's FaRL parser celebm/448",
)
CLASSIFIER = Contract(
    "attribute classifier",
    len(CELEBA_ATTRIBUTES),
    False,
    f"probabilities (B, {len(CELEBA_ATTRIBUTES)}) of attributes of CelebA",
    "facer's FaRL classifier celeba/224",
)


class Adapter:
    """A network of the user's; a call checks what it gives and raises AdapterError."""

    def __init__(self, contract: Contract, path: Path, device: torch.device | str = "cpu"):
        self.contract, self.path = contract, Path(path)
        if not self.path.is_file():
            raise contract.error(self.path, "is missing")
        self._check_code()
        try:
            self.network = torch.jit.load(str(self.path), map_location=device).eval()
        except (RuntimeError, ValueError):
            raise contract.error(self.path, "is no TorchScript file, or is damaged") from None
        with open(self.path, "rb") as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()

    def _check_code(self) -> None:
        """Refuse programs that mention files, before anything of them runs."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                code = [item for item in archive.infolist() if item.filename.endswith(".py")]
                if sum(item.file_size for item in code) > _MOST_CODE:
                    raise self.contract.error(self.path, "holds more code than a network has")
                found = [match for item in code if (match := _FORBIDDEN.search(archive.read(item)))]
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError):
            raise self.contract.error(self.path, "is no TorchScript file, or is damaged") from None
        if found:
            raise self.contract.error(
                self.path,
                f"uses {found[0][0].decode(errors='replace')}, by which files are reached",
            )

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """What the network makes of images (B, 3, S, S), checked against the contract."""
        try:
            values = self.network(images)
        except RuntimeError as error:
            reason = str(error).strip().rpartition("\n")[2]
            raise self.contract.error(
                self.path, f"fails on pictures {tuple(images.shape)} ({reason})"
            ) from None
        if not isinstance(values, Tensor):
            raise self.contract.error(self.path, f"gives a {type(values).__name__}")
        shape = (len(images), self.contract.channels)
        if self.contract.pixelwise:
            shape += tuple(images.shape[2:])
        if tuple(values.shape) != shape:
            raise self.contract.error(
                self.path, f"gives {tuple(values.shape)} for pictures {tuple(images.shape)}"
            )
        if not torch.isfinite(values).all():
            raise self.contract.error(self.path, "gives values that are not finite")
        return values.float()


def parse(parser: Adapter, images: Tensor, size: int) -> Tensor:
    """Label maps (B, size, size) uint8 of images (B, 3, S, S): the likeliest class on average."""
    shares = parser(images).softmax(1)
    return F.interpolate(shares, (size, size), mode="area").argmax(1).byte()


def classify(classifier: Adapter, images: Tensor) -> Tensor:
    """Probabilities (B, A) of the attributes of images (B, 3, S, S)."""
    values = classifier(images)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise classifier.contract.error(
            classifier.path, f"gives values from {low:.3g} to {high:.3g} where 0..1 is expected"
        )
    return values
