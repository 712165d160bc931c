"""Official generators from a checkpoint's state, configuration and what lies outside the state."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from .config import OfficialConfig
from .eg3d import EG3D
from .next3d import Next3D


class Checkpoint(Protocol):
    """What is read of a checkpoint: see `backend.checkpoints`."""

    family: str
    config: dict[str, Any]
    state: dict[str, Tensor]
    extra: dict[str, Any]


# In official files, and never run: mapping networks of all but the backbone, blocks and fusions
# at the ends of the conditional networks, statistics of training.
_UNUSED = re.compile(
    r"(texture_backbone|mouth_backbone|neural_blending)\.mapping\."
    r"|mouth_backbone\.synthesis\.(b4|fusion\.4)\."
    r"|neural_blending\.synthesis\.(b4|b8|b16|b32|fusion\.3)\."
    r"|(dense_faces|uvcoords|dataset_label_std|superresolution\.resample_filter)$"
    r"|(orth_scale|orth_shift)$"
)


def load_official(
    checkpoint: Checkpoint, half: bool = False, tick: Callable[[], None] | None = None
) -> EG3D | Next3D:
    """Return the checkpoint's generator, ready to run; `half` is super-resolution's precision.

    `tick` is called for each layer; what it raises ends the work.
    """
    family, state, extra = checkpoint.family, checkpoint.state, checkpoint.extra
    config = OfficialConfig.from_checkpoint(checkpoint.config, state, extra)
    with torch.device("meta"):
        generator = _empty(family, config, state)
    expected = generator.state_dict().keys()
    unknown = [name for name in state if name not in expected and not _UNUSED.match(name)]
    missing = [name for name in expected if name not in state]
    if unknown or missing:
        raise ValueError(
            f"the {family} checkpoint lacks {missing[:3]} and has unexpected {unknown[:3]} "
            f"({len(missing)} and {len(unknown)} in all); use a released {family} model"
        )
    generator.load_state_dict({name: state[name] for name in expected}, assign=True)
    _fill_outside_state(generator, {**state, **extra})
    generator.half_precision = half
    for layer in reversed(list(generator.modules())):  # parts before what they are parts of
        if tick is not None:
            tick()
        layer.to(memory_format=torch.channels_last)
    return generator.eval().requires_grad_(False)


def _empty(family: str, config: OfficialConfig, state: Mapping[str, Tensor]) -> EG3D | Next3D:
    if family == "eg3d":
        return EG3D(config)
    if family == "next3d":
        return Next3D(config, state["faces"].shape[1], state["raw_uvcoords"].shape[1])
    raise ValueError(f"expected a checkpoint of eg3d or next3d, got {family}")


def _fill_outside_state(generator: EG3D | Next3D, values: Mapping[str, Any]) -> None:
    """Set the buffers that checkpoints keep as plain attributes, or once as parameters."""
    names = [name for name, buffer in generator.named_buffers() if buffer.is_meta]
    for name in names:
        if name not in values:
            raise ValueError(f"the checkpoint lacks {name}; use an unchanged released file")
        shape = generator.get_buffer(name).shape
        value = torch.as_tensor(values[name], dtype=torch.float32).detach()
        generator.register_buffer(name, value.reshape(shape).clone(), persistent=False)
