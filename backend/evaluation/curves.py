"""Curves of the diffusion over guidance, steps and the time of the switch, with pictures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..diffusion.guidance import Guidance, guided
from ..diffusion.samplers import ddim, dpm_solver_2m, draw_noise, time_grid
from .edits import measure_edits, run
from .held_out import join, only
from .measures import body, soft_light, view
from .methods import Diffusion
from .quality import ALL, Bench, measure, measure_latents
from .sheet import write_sheet

log = logging.getLogger("avatarmmc.evaluation")

GUIDANCE = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
STEPS = (5, 10, 20, 50, 100)
SWITCHES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_SHOWN = 4  # heads in each picture


@dataclass(frozen=True)
class Curve:
    """A table over values of one setting, and its picture if there is one."""

    title: str
    columns: tuple[str, ...]
    lines: list[tuple[str, ...]]
    picture: Path | None = None


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
    picture = _picture(folder, "evaluation_guidance.jpg", columns, captions)
    return Curve("Guidance", names, lines, picture)


def steps_curve(bench: Bench, method: Diffusion, count: int, folder: Path | None) -> Curve:
    """DPM-Solver++(2M) from 5 to 100 evaluations, and DDIM, from the same noise."""
    kept = ALL if method.model.visual is not None else ("attributes",)
    heads = bench.heads[:count]
    conditions = join([only(head.conditions, *kept) for head in heads])
    device = conditions.attributes.device
    noise = draw_noise(len(heads), method.model.space.shape, 0, device)
    predict = guided(method.model, conditions, method.guidance)
    exact = ddim(predict, noise, time_grid(1000))
    lines, columns = [], []
    for name, sampler in (("DPM-Solver++(2M)", dpm_solver_2m), ("DDIM", ddim)):
        for steps in STEPS:
            latents = sampler(predict, noise, time_grid(steps))
            quality = measure_latents(bench, heads, latents, kept)
            away = float((latents - exact).square().mean().sqrt())
            line = (name, f"{steps}", f"{away:.3f}", f"{quality.agreement:.3f}")
            if len(kept) > 1:
                line += (f"{quality.overlap:.3f}", f"{quality.surface:.2f}")
            lines.append(line)
            if sampler is dpm_solver_2m and folder is not None:
                columns.append(_pictures(bench, latents[:_SHOWN]))
    names = ("sampler", "steps", "distance from DDIM of 1000 steps", "agreement")
    names += ("mIoU", "surface, mm") if len(kept) > 1 else ()
    captions = [f"{steps} steps" for steps in STEPS]
    picture = _picture(folder, "evaluation_steps.jpg", columns, captions)
    return Curve("Steps", names, lines, picture)


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
            columns.append(_edited(bench, own))
    names = ("switch", "share done", "change inside", "outside over inside", "identity")
    captions = [f"switch {switch:g}" for switch in SWITCHES]
    picture = _picture(folder, "evaluation_switch.jpg", columns, captions)
    return Curve("Time of the switch in editing", names, lines, picture)


def _edited(bench: Bench, method: Diffusion) -> list[Tensor]:
    shown = bench.heads[:_SHOWN]
    after = [run(bench, method, head).after for head in shown]
    return [soft_light(a, h.camera.cam2world)[0] for a, h in zip(after, shown, strict=True)]


def _answers(bench: Bench, method: Diffusion, kept: tuple[str, ...]) -> list[Tensor]:
    heads = bench.heads[:_SHOWN]
    asked = [only(head.conditions, *kept) for head in heads]
    return _pictures(bench, method.answer(heads, asked, 0))


@torch.no_grad()
def _pictures(bench: Bench, latents: Tensor) -> list[Tensor]:
    """Pictures (3, S, S) of the first heads' latents, each from its head's own camera."""
    found = []
    for head, latent in zip(bench.heads, latents, strict=False):
        own = body(bench.images, bench.space.decode(latent[None]))
        found.append(soft_light(view(own, head.camera), head.camera.cam2world)[0])
    return found


def _picture(
    folder: Path | None, name: str, columns: Sequence[Sequence[Tensor]], captions: Sequence[str]
) -> Path | None:
    """A sheet with a column for each value."""
    if folder is None:
        return None
    rows = list(zip(*columns, strict=True))
    return write_sheet(folder / name, rows, captions)
