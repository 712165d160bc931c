"""Pools of heads of an official Next3D: shards on disk, of which only what is asked for is read.

A pool is a folder of shards `pairs_NNNNN.safetensors`: the tensors of a shard are the fields of
`Pairs`, one row a head, and its header says what they were made with and how many of the heads that
were drawn showed no face.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

_SHARED = ("generator", "parser", "classifier", "seed", "shard")


@dataclass(frozen=True)
class Pairs:
    """B heads and their pictures.

    w (B, w_dim) float32, the style of all rows, from which the generator makes every style exactly;
    camera (B, 25) and expression (B, 11) float32, FLAME's coefficients and the jaw's angle;
    image (B, 3, S, S) uint8 sRGB; label (B, S, S) uint8 of the 19 classes; attributes (B, A)
    float16, probabilities.
    """

    w: Tensor
    camera: Tensor
    expression: Tensor
    image: Tensor
    label: Tensor
    attributes: Tensor

    def __len__(self) -> int:
        return len(self.w)

    def select(self, index: Tensor | slice) -> Pairs:
        """The heads picked by `index`."""
        return Pairs(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def join(cls, parts: list[Pairs]) -> Pairs:
        """Several batches as one."""
        return cls(**{f.name: torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls)})


def shard_path(folder: Path, index: int) -> Path:
    """File of one shard of a pool."""
    return Path(folder) / f"pairs_{index:05d}.safetensors"


@contextmanager
def _opened(path: Path) -> Iterator[safe_open]:
    """A shard, open; what is wrong with it as one sentence."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is damaged ({error}): delete it and make it again") from None


def read_header(path: Path) -> dict[str, str]:
    """Header of a shard; ValueError if it is none."""
    with _opened(path) as file:
        header = file.metadata() or {}
    if not {*_SHARED, "drawn"} <= header.keys():
        raise ValueError(f"{path} is no shard of `python -m backend.training.next3d_pairs`")
    return header


class Next3DPool:
    """The heads of a folder: head (N,) int64 tells them apart, w (N, w_dim), attributes (N, A).

    Pictures stay on disk.  Raises ValueError for folders without heads, shards that do not belong
    together and pools of another generator than `generator`, the hash of its file.
    """

    def __init__(self, folder: Path, generator: str):
        self._paths = sorted(Path(folder).glob("pairs_*.safetensors"))
        first = None
        head, w, attributes, place = [], [], [], []
        for i, path in enumerate(self._paths):
            header = read_header(path)
            first = first or header
            _check_shared(path, header, first, generator)
            with _opened(path) as file:
                w.append(file.get_tensor("w"))
                attributes.append(file.get_tensor("attributes"))
            row = torch.arange(len(w[-1]))
            head.append(int(path.stem.partition("_")[2]) * int(header["shard"]) + row)
            place.append(torch.stack([torch.full_like(row, i), row], 1))
        if not sum(map(len, head)):
            raise ValueError(
                f"{folder} holds no heads: make some with `python -m backend.training.next3d_pairs`"
            )
        self.head, self.w = torch.cat(head), torch.cat(w)
        self.attributes, self._place = torch.cat(attributes).float(), torch.cat(place)

    def __len__(self) -> int:
        return len(self.head)

    def pictures(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, S, S) sRGB 0..1 and label maps (B, S, S) int64 of rows `index` (B,)."""
        images, labels = [], []
        for shard, row in self._place[index].tolist():
            with _opened(self._paths[shard]) as file:
                images.append(file.get_slice("image")[row : row + 1])
                labels.append(file.get_slice("label")[row : row + 1])
        return torch.cat(images).float() / 255, torch.cat(labels).long()


def _check_shared(
    path: Path, header: dict[str, str], first: dict[str, str], generator: str
) -> None:
    if header["generator"] != generator:
        raise ValueError(
            f"{path} was made with generator {header['generator'][:12]}, the one given is "
            f"{generator[:12]}: use the same model, or another pool"
        )
    differing = [name for name in _SHARED if header[name] != first[name]]
    if differing:
        raise ValueError(
            f"{path} was made with another {differing[0]} than the shards before it: "
            "keep pools in folders of their own"
        )
