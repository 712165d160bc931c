"""Weights files: safetensors in half precision whose header names the model they are of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


@dataclass(frozen=True)
class WeightsKind:
    """One kind of weights: the model that its header names, what a missing file is called, the
    command that trains new ones, and the error that says what is wrong with a file."""

    model: str
    missing: str  # of {name}
    training: str
    error: type[ValueError]

    def fault(self, text: str) -> ValueError:
        """The error that says what is wrong and what to do."""
        remedy = f"reinstall the add-on or train new weights with `python -m {self.training}`"
        return self.error(f"{text}: {remedy}")

    def write(
        self,
        path: Path,
        state: Mapping[str, Tensor],
        header: Mapping[str, str] | None = None,
        exact: Callable[[str], bool] = lambda name: False,
    ) -> None:
        """Write a state dict, aside and then renamed; names that are `exact` are not rounded."""
        tensors = {
            name: value.detach()
            .to("cpu", torch.float32 if exact(name) else torch.float16)
            .contiguous()
            for name, value in state.items()
        }
        aside = Path(path).with_suffix(".tmp")
        save_file(tensors, aside, metadata={"model": self.model, **(header or {})})
        aside.replace(path)

    def read(self, path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
        """Header and finite state dict (float32) of a file written by `write`.

        Raises `error` for a file that is missing, damaged, or of another model.
        """
        name = Path(path).name
        if not Path(path).is_file():
            raise self.fault(self.missing.format(name=name))
        try:
            with safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise self.fault(f"{name} is damaged ({error})") from None
        found = header.get("model", "an unknown model")
        if found != self.model:
            raise self.fault(f"{name} holds {found}, expected {self.model}")
        bad = [key for key, value in state.items() if not torch.isfinite(value).all()]
        if bad:
            raise self.fault(f"{name} has values that are not finite in {bad[0]}")
        return header, state
