"""The two ways of an edit: what the denoiser makes of a known latent before and after.

A known latent is noised to the time `strength`, and from there walked to the end twice with the
same noise: under the conditions that describe the head as it is, and under the edited ones.  What
the second way has over the first is added to the latent.  So whatever the model would have changed
anyway cancels, and with equal conditions the head stays what it is, bit for bit.  Where one of
several choices changes (a style of hair) there is nothing to add, since the mixture of two styles
is none: those rows are the second way's own.  They start from noise alone, since a latent that is
noised by half still says which choice it had, and are told of no picture of the head as it is: one
without glasses says so however much of it is hidden.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..conditions.attributes import ATTRIBUTE_BY_NAME
from ..conditions.conditions import Conditions
from ..conditions.table import ATTRIBUTES, Attribute
from .editing import Edit
from .guidance import Guidance, guided
from .model import LatentDiffusion
from .samplers import Adjust, Callback, dpm_solver_2m, time_grid
from .schedule import diffuse

# parts of a head (rows of the latent) that an attribute may touch: by its group, or by its name
_GROUP_PARTS = {
    "Face": ("shape",),
    "Skin": ("skin",),
    "Hair": ("hair",),
    "Eyes": ("shape",),
    "Accessories": ("accessories",),
}
_PARTS = {
    "age": ("shape", "skin"),
    "masculinity": ("shape", "skin", "eyes", "beard"),
    "hair_lightness": ("hair color",),
    "hair_red": ("hair color",),
    "hair_grey": ("hair color",),
    "beard": ("beard",),
    "beard_length": ("beard",),
    "iris_hue": ("eyes",),
    "brow_thickness": ("eyes",),
    "brow_arch": ("eyes",),
    "brow_slope": ("eyes",),
}


def untouched_rows(row_names: Sequence[str], changed: Sequence[str]) -> tuple[int, ...]:
    """Rows of the latent that an edit of the attributes `changed` may not touch."""
    touched = set(_rows(row_names, [a for a in ATTRIBUTES if a.name in changed]))
    return tuple(row for row in range(len(row_names)) if row not in touched)


def chosen_rows(row_names: Sequence[str], changed: Sequence[str]) -> tuple[int, ...]:
    """Rows of the latent that hold one of several choices among the attributes `changed`."""
    return _rows(row_names, [a for a in ATTRIBUTES if a.name in changed and a.choices])


def _rows(row_names: Sequence[str], attributes: Sequence[Attribute]) -> tuple[int, ...]:
    parts = {part for a in attributes for part in _PARTS.get(a.name, _GROUP_PARTS[a.group])}
    return tuple(row for row, name in enumerate(row_names) if name in parts)


def edit_latents(
    model: LatentDiffusion,
    edit: Edit,
    known: Tensor,
    noise: Tensor,
    strength: float,
    steps: int,
    guidance: Guidance,
    keep_rows: bool = True,
    callback: Callback | None = None,
) -> Tensor:
    """Latents (B, k, d) of edited heads from `known` ones and noise, both (B, k, d).

    strength: time to which the latents are noised, 0 (nothing changes) to 1 (the edited conditions
    say what there is to say).  With `keep_rows` rows that the edit may not touch stay what they
    are.  callback hears of 2 x steps steps, with the latents known for the first half.
    """
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"the strength of an edit is {strength}; use a number from 0 to 1")
    if strength == 0.0 or edit.is_nothing:
        return known
    names = model.space.row_names
    kept = list(untouched_rows(names, edit.changed)) if keep_rows else []
    chosen = list(chosen_rows(names, edit.changed))
    others = [row for row in range(len(names)) if row not in chosen]
    begin = 1.0 if chosen else strength
    times = time_grid(steps, begin)
    start = diffuse(known, noise, known.new_full((len(known),), begin))

    blind = edit.painted is None and any(ATTRIBUTE_BY_NAME[name].choices for name in edit.asked)

    def hold(x: Tensor, t: float) -> Tensor:
        return _as_known(x, t, others if t > strength else kept, known, noise)

    def walk(conditions: Conditions, hear: Callback | None) -> Tensor:
        adjust: Adjust | None = hold if chosen or kept else None
        seen = conditions.without("image").without("labels") if blind else conditions
        return dpm_solver_2m(guided(model, seen, guidance), start, times, hear, adjust)

    def first(step: int, clean: Tensor) -> None:
        callback(step, known)

    def second(step: int, clean: Tensor) -> None:
        callback(steps + step, known + (clean - before))

    before = walk(edit.source, callback and first)
    after = walk(edit.edited, callback and second)
    edited = known + (after - before)
    edited[:, chosen] = after[:, chosen]
    return edited


def _as_known(x: Tensor, t: float, rows: list[int], known: Tensor, noise: Tensor) -> Tensor:
    """x (B, k, d) at time t with `rows` as the known latents have them there."""
    own = known if t <= 0.0 else diffuse(known, noise, known.new_full((len(known),), t))
    x = x.clone()
    x[:, rows] = own[:, rows]
    return x
