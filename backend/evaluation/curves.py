"""Curves of the diffusion over guidance, steps and the time of the switch, with pictures."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..diffusion.guidance import Guidance, guided
from ..diffusion.samplers import ddim, dpm_solver_2m, draw_noise, time_grid
from .edits import measure_edits, run
from .held_out import join, only
from .measures import body, picture
from .methods import Diffusion
from .quality import ALL, Bench, Quality, measure, measure_latents
from .sheet import write_sheet

log = logging.getLogger("avatarmmc.evaluation")

GUIDANCE = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
STEPS = (5, 10, 20, 50, 100)
SWITCHES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_FEW, _MANY = 20, 100  # steps of the solver that are to be as good as these of DDIM
_EXACT = 1000  # steps of DDIM that stand for the exact way
_AS_GOOD = 0.01  # by how much a figure may be worse
_SHOWN = 4  # heads in each picture
_SIZE, _YAW = 208, -25.0  # pixels, degrees


@dataclass(frozen=True)
class Curve:
    """A table over values of one setting, what follows from it, and its picture if there is one."""

    title: str
    columns: tuple[str, ...]
    lines: list[tuple[str, ...]]
    picture: Path | None = None
    note: str = ""


def guidance_curve(bench: Bench, method: Diffusion, count: int, folder: Path | None) -> Curve:
    """All modalities' scales from 1 to 6."""
    visual = method.model.visual is not None
    lines, columns = [], []
    for scale in GUIDANCE:
        own = replace(method, guidance=Guidance(scale, scale, scale))
        line = [f"{scale:g}", f"{measure(bench, own, ('attributes',), count).agreement:.3f}"]
        if visual:
            image = measure(bench, own, ("image",), count)
            line.append(f"{measure(bench, own, ('labels',), count).overlap:.3f}")
            line += [f"{image.surface:.2f}", f"{image.color:.1f}", f"{image.identity:.3f}"]
        lines.append(tuple(line))
        if folder is not None:
            columns.append(_answers(bench, own, ("labels",) if visual else ("attributes",)))
    names = ("guidance", "attributes: agreement")
    names += ("segmentation: mIoU", "photo: surface, mm", "colour", "identity") if visual else ()
    captions = [f"guidance {scale:g}" for scale in GUIDANCE]
    drawn = _picture(folder, "evaluation_guidance.jpg", columns, captions)
    asked = "their label maps" if visual else "their attributes"
    note = f"Picture: answers to {asked}, a head a row." if drawn else ""
    return Curve("Guidance", names, lines, drawn, note)


def steps_curve(bench: Bench, method: Diffusion, count: int, folder: Path | None) -> Curve:
    """DPM-Solver++(2M) from 5 to 100 evaluations, and DDIM, from the same noise."""
    kept = ALL if method.model.visual is not None else ("attributes",)
    heads = bench.heads[:count]
    conditions = join([only(head.conditions, *kept) for head in heads])
    device = conditions.attributes.device
    noise = draw_noise(len(heads), method.model.space.shape, 0, device)
    predict = guided(method.model, conditions, method.guidance)
    exact = ddim(predict, noise, time_grid(_EXACT))
    lines, columns, found = [], [], {}
    for name, sampler in (("DPM-Solver++(2M)", dpm_solver_2m), ("DDIM", ddim)):
        for steps in STEPS:
            latents = sampler(predict, noise, time_grid(steps))
            quality = measure_latents(bench, heads, latents, kept)
            away = float((latents - exact).square().mean().sqrt())
            found[name, steps] = away, quality
            line = (name, f"{steps}", f"{away:.3f}", f"{quality.agreement:.3f}")
            if len(kept) > 1:
                line += (f"{quality.overlap:.3f}", f"{quality.surface:.2f}")
            lines.append(line)
            if sampler is dpm_solver_2m and folder is not None:
                columns.append(_pictures(bench, latents[:_SHOWN]))
    names = ("sampler", "steps", f"distance from DDIM of {_EXACT} steps", "agreement")
    names += ("mIoU", "surface, mm") if len(kept) > 1 else ()
    captions = [f"{steps} steps" for steps in STEPS]
    drawn = _picture(folder, "evaluation_steps.jpg", columns, captions)
    few, many = found.get(("DPM-Solver++(2M)", _FEW)), found.get(("DDIM", _MANY))
    note = "" if few is None or many is None else _as_good(few, many)
    return Curve("Steps", names, lines, drawn, note)


def _as_good(few: tuple[float, Quality], many: tuple[float, Quality]) -> str:
    """Whether the solver's few steps are as good as DDIM's many, in words and numbers."""
    figures = [("distance", few[0], many[0], 3, False)]
    for name, read, digits, rising in (
        ("agreement", lambda q: q.agreement, 3, True),
        ("mIoU", lambda q: q.overlap, 3, True),
        ("surface", lambda q: q.surface, 2, False),
    ):
        one, other = read(few[1]), read(many[1])
        if not math.isnan(one) and not math.isnan(other):
            figures.append((name, one, other, digits, rising))
    worse = [
        name
        for name, one, other, _, rising in figures
        if (other - one if rising else one - other) > _AS_GOOD * abs(other)
    ]
    shown = ", ".join(f"{n} {one:.{d}f} against {other:.{d}f}" for n, one, other, d, _ in figures)
    verdict = f"no, worse in {', '.join(worse)}" if worse else "yes"
    return (
        f"{_FEW} evaluations of DPM-Solver++(2M) as good as {_MANY} of DDIM, give or take "
        f"{100 * _AS_GOOD:.0f} %: **{verdict}**; {shown}."
    )


def switch_curve(bench: Bench, method: Diffusion, count: int, folder: Path | None) -> Curve:
    """The time at which an edit takes over, 0 to 1."""
    lines, columns = [], []
    for switch in SWITCHES:
        own = replace(method, switch=switch)
        figures = measure_edits(bench, own, count)
        lines.append(
            (f"{switch:g}", f"{figures.done:.2f}", f"{figures.inside:.1f}",
             f"{figures.outside:.3f}", f"{figures.identity:.3f}")
        )  # fmt: skip
        if folder is not None:
            latents = [run(bench, own, head).latent for head in bench.heads[:_SHOWN]]
            columns.append(_pictures(bench, torch.cat(latents)))
    names = ("switch", "share done", "change inside", "outside over inside", "identity")
    captions = [f"switch {switch:g}" for switch in SWITCHES]
    drawn = _picture(folder, "evaluation_switch.jpg", columns, captions)
    note = ""
    if drawn:
        edits = [run(bench, method, head).name for head in bench.heads[:_SHOWN]]
        note = f"Picture, a row an edit: {', '.join(edits)}; at 0 heads are as they were."
    return Curve("Time of the switch in editing", names, lines, drawn, note)


def _answers(bench: Bench, method: Diffusion, kept: tuple[str, ...]) -> list[Tensor]:
    heads = bench.heads[:_SHOWN]
    asked = [only(head.conditions, *kept) for head in heads]
    return _pictures(bench, method.answer(heads, asked, 0))


@torch.no_grad()
def _pictures(bench: Bench, latents: Tensor) -> list[Tensor]:
    """Pictures (3, S, S) of latents (B, k, d)."""
    ws = bench.space.decode(latents)
    bodies = [body(bench.images, ws[i : i + 1]) for i in range(len(ws))]
    return [picture(own, _YAW, _SIZE) for own in bodies]


def _picture(
    folder: Path | None, name: str, columns: Sequence[Sequence[Tensor]], captions: Sequence[str]
) -> Path | None:
    """A sheet with a column for each value."""
    if folder is None:
        return None
    rows = list(zip(*columns, strict=True))
    return write_sheet(folder / name, rows, captions)
