"""From settings to rigged heads, with the bundled model or an official one; errors, report.

Their stations are in `bundled_pipeline` and `official_pipeline`.  Knows nothing of Blender; runs
in any thread of a process that has torch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from . import bundled_pipeline, official_pipeline
from .answers import Finder, Found, request_stages
from .errors import AvatarError
from .memory import peak_memory
from .meshing.rigged_head import Part, RiggedHead
from .models import LoadedModel, choose_device, import_torch
from .official_models import OfficialModel, load_official_model
from .settings import BUNDLED_MODEL, GenerateSettings
from .stages import SEED_STAGES, Progress, StageClock, WholeProgress
from .version import VERSION

if TYPE_CHECKING:
    from .backend.answer.evidence import Evidence

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GeneratedHead:
    """A head, the latent that it came from, and how it was made.

    latent: w (256,) of the bundled model, z (z_dim,) of an official one, float32; evidence: what
    was asked for beside the seed, None for nothing.
    """

    rigged: RiggedHead
    latent: np.ndarray
    settings: GenerateSettings
    report: dict
    evidence: Evidence | None = None


def generate(
    settings: GenerateSettings,
    callback: Progress | None = None,
    pixels: Mapping[str, np.ndarray] | None = None,
) -> list[GeneratedHead]:
    """Return the heads of `settings`, in metres at life size, `settings.variants` of them.

    callback(stage, fraction of the whole) hears of progress; what it raises ends the work.
    pixels: pictures (H, W, 3 or 4) uint8 sRGB that are in memory already, by the name of the
    setting ("image", "segmentation", "mask"), used in place of files.  The same settings give the
    same heads on the same device.  Raises AvatarError with one sentence.
    """
    settings.check()
    if settings.model == BUNDLED_MODEL:
        return run_request(
            settings,
            lambda model, clock: bundled_pipeline.find(settings, pixels or {}, model, clock),
            callback,
            request_stages(settings),
        )
    official_pipeline.check_request(settings)
    return _make_heads(
        settings, callback, SEED_STAGES, _load_official(settings), _find_official(settings),
        _official_head,
    )  # fmt: skip


def remake(
    latent: np.ndarray,
    settings: GenerateSettings,
    evidence: Evidence | None = None,
    callback: Progress | None = None,
) -> GeneratedHead:
    """Return the head of a latent that a head carries: w (256,), or z (104,) of older heads.

    The same head bit for bit, without the files that it was made from.
    """

    def find(model: LoadedModel, clock: StageClock) -> Found:
        return Found(bundled_pipeline.to_w(latent, model)[None], evidence)

    return run_request(replace(settings, variants=1), find, callback)[0]


def run_request(
    settings: GenerateSettings,
    find: Finder,
    callback: Progress | None = None,
    before: Mapping[str, float] = SEED_STAGES,
) -> list[GeneratedHead]:
    """Return a head of the bundled model for each latent that `find` finds, e.g. of edited ones.

    settings say seed, device and how fine heads are; before: the stages that `find` names, with
    their usual length in units of the time of one head.
    """
    settings.check()
    return _make_heads(
        settings, callback, before, bundled_pipeline.load, find, bundled_pipeline.make_head
    )


def _make_heads(
    settings: GenerateSettings,
    callback: Progress | None,
    before: Mapping[str, float],
    load: Callable[[str, StageClock], LoadedModel | OfficialModel],
    find: Callable[..., Found],
    build: Callable[..., RiggedHead],
) -> list[GeneratedHead]:
    """Load a model, find latents, and build a head of each; progress and errors are told."""
    device = choose_device(settings.device)
    whole = None
    if callback is not None:
        whole = WholeProgress(callback, before, settings.variants)
    clock = StageClock(whole)
    heads = []
    with _explained_memory_errors(device):
        clock(next(iter(before)), 0.0)
        model = load(device, clock)
        found = find(model, clock)
        # what was done for all heads at once counts for each in equal parts
        shared = {name: value / len(found.latents) for name, value in clock.stop().items()}
        for index, latent in enumerate(found.latents):
            if whole is not None:
                whole.start_head(index)
            own = replace(settings, seed=settings.seed + index, variants=1)
            clock = StageClock(whole)
            clock("planes", 0.0)
            with _explained_surface_errors():
                rigged = build(latent, model, own, device, clock)
            seconds = _added(shared, clock.stop())
            report = _report(own, device, model, found, rigged, seconds)
            heads.append(GeneratedHead(rigged, latent, own, report, found.evidence))
    return heads


def _added(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in (*one, *other)}


def _load_official(settings: GenerateSettings) -> Callable[[str, StageClock], OfficialModel]:
    return lambda device, clock: load_official_model(
        settings.model, device, lambda *_: clock.tick()
    )


def _find_official(settings: GenerateSettings) -> Callable[..., Found]:
    def find(model: OfficialModel, clock: StageClock) -> Found:
        seeds = range(settings.seed, settings.seed + settings.variants)
        latents = [
            official_pipeline.make_latent(replace(settings, seed=seed), model) for seed in seeds
        ]
        return Found(np.stack(latents))

    return find


def _official_head(
    latent: np.ndarray,
    model: OfficialModel,
    settings: GenerateSettings,
    device: str,
    clock: StageClock,
) -> RiggedHead:
    generated = official_pipeline.make_field(latent, model, settings.truncation, tick=clock.tick)
    clock("surface", 0.0)
    return official_pipeline.make_head(generated, model, settings, clock)


@contextmanager
def _explained_surface_errors() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        logger.debug("no head", exc_info=True)
        raise AvatarError.no_head(error) from error


@contextmanager
def _explained_memory_errors(device: str) -> Iterator[None]:
    torch = import_torch()
    try:
        yield
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        where = "This computer" if device == "cpu" else f"The device {device}"
        raise AvatarError(
            f"{where} has too little memory for this head; lower resolution and texture."
        ) from error


def _report(
    settings: GenerateSettings,
    device: str,
    model: LoadedModel | OfficialModel,
    found: Found,
    rigged: RiggedHead,
    seconds: dict[str, float],
) -> dict:
    torch = import_torch()
    parts = list(rigged.parts) + ([] if rigged.raw_surface is None else [rigged.raw_surface])
    report = {
        "model": {"id": model.name, "sha256": model.sha256},
        "settings": settings.as_dict(),
        "conditions": {},
        "notes": list(found.notes),
        "resampled": 0,
        **found.report,
        "device": device,
        "versions": {"avatarmmc": VERSION, "torch": torch.__version__, "numpy": np.__version__},
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        "peak_memory_mb": round(peak_memory() / 1e6),
        "joints": list(rigged.joint_names),
        "parts": {part.name: _counts(part) for part in parts},
    }
    if device == "cuda":
        report["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated() / 1e6)
    return report


def _counts(part: Part) -> dict:
    images = [material.image for material in part.materials if material.image is not None]
    return {
        "vertices": len(part.vertices),
        "faces": len(part.faces),
        "shape_keys": len(part.shape_keys),
        "materials": [material.name for material in part.materials],
        "images": [f"{image.shape[1]}x{image.shape[0]}" for image in images],
    }
