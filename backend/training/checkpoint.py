"""Checkpoints of training runs: written whole, and only resumed under the same settings."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch


def write_checkpoint(path: Path, settings: Any, state: dict[str, Any]) -> None:
    """Write `state` with the settings (a dataclass) of its run, aside and then renamed."""
    aside = path.with_suffix(".tmp")
    torch.save({"settings": asdict(settings), **state}, aside)
    aside.replace(path)


def read_checkpoint(path: Path, settings: Any, device: torch.device) -> dict[str, Any]:
    """Return the state of a run; raises ValueError if it had other settings."""
    state = torch.load(path, map_location=device, weights_only=True)
    if state["settings"] != asdict(settings):
        raise ValueError(
            f"{path} was trained with {state['settings']}, asked for {asdict(settings)}: "
            "use the same options or another --output"
        )
    return state
