"""From settings to a rigged head: latent, planes, field, surface, fitted and dressed template.

Knows nothing of Blender; runs in any thread of a process that has torch.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import official_pipeline
from .errors import AvatarError
from .memory import peak_memory
from .meshing.rigged_head import Part, RiggedHead
from .models import LoadedModel, choose_device, import_torch, load_model
from .official_models import OfficialModel, load_official_model
from .settings import BUNDLED_MODEL, GenerateSettings
from .stages import Progress, StageClock
from .version import VERSION

if TYPE_CHECKING:
    from .backend.generator.field import GeneratedField

logger = logging.getLogger(__name__)

# The model's head is larger than life; every length is divided by this once, here.
LIFE_SCALE = 1.0 / 1.2134


@dataclass(frozen=True)
class GeneratedHead:
    """A head, the latent (D,) float32 that it came from, and how it was made."""

    rigged: RiggedHead
    latent: np.ndarray
    settings: GenerateSettings
    report: dict


def generate(settings: GenerateSettings, callback: Progress | None = None) -> GeneratedHead:
    """Return the head of `settings`, in metres at life size.

    callback(stage, fraction) hears of progress; what it raises ends the work.  The same settings
    give the same head on the same device.  Raises AvatarError with one sentence.
    """
    settings.check()
    device = choose_device(settings.device)
    clock = StageClock(callback)
    with _explained_memory_errors(device):
        clock("latent", 0.0)
        if settings.model == BUNDLED_MODEL:
            model, latent, rigged = _bundled_head(settings, device, clock)
        else:
            model, latent, rigged = _official_head(settings, device, clock)
    seconds = clock.stop()
    report = _report(settings, device, model, rigged, seconds)
    return GeneratedHead(rigged, latent, settings, report)


def _bundled_head(
    settings: GenerateSettings, device: str, clock: StageClock
) -> tuple[LoadedModel, np.ndarray, RiggedHead]:
    model = load_model(device)
    latent = make_latent(settings, model)
    clock("planes", 0.0)
    field = make_field(latent, model, device, tick=clock.tick)
    with _explained_surface_errors():
        rigged = _make_head(field, model, settings, clock)
    return model, latent, rigged


def _official_head(
    settings: GenerateSettings, device: str, clock: StageClock
) -> tuple[OfficialModel, np.ndarray, RiggedHead]:
    official_pipeline.check_request(settings)
    model = load_official_model(settings.model, device, lambda *_: clock.tick())
    latent = official_pipeline.make_latent(settings, model)
    clock("planes", 0.0)
    field = official_pipeline.make_field(latent, model, settings.truncation, tick=clock.tick)
    clock("surface", 0.0)
    with _explained_surface_errors():
        rigged = official_pipeline.make_head(field, model, settings, clock)
    return model, latent, rigged


def make_latent(settings: GenerateSettings, model: LoadedModel) -> np.ndarray:
    """Return the latent (104,) of the seed, truncated, with the attributes set in it."""
    from .backend.conditions.attributes import apply_attributes
    from .backend.synthetic.latent import sample_latents

    head_model = model.generator.model
    z = sample_latents(1, settings.seed, settings.truncation)[0].to(head_model.v_template)
    try:
        z = apply_attributes(z, dict(settings.attributes), head_model)
    except ValueError as error:
        raise AvatarError.from_error(error) from error
    return z.cpu().numpy().astype(np.float32)


def make_field(latent: np.ndarray, model: LoadedModel, device: str, tick=None) -> GeneratedField:
    """Return the field of a latent (104,), which is truncated already."""
    from .backend.generator.field import GeneratedField

    torch = import_torch()
    with torch.inference_mode():
        z = torch.as_tensor(latent, device=device)[None]
        ws = model.generator.mapping(z)
        return GeneratedField(model.generator, ws, tick=tick)


def _make_head(
    field: GeneratedField, model: LoadedModel, settings: GenerateSettings, clock: StageClock
) -> RiggedHead:
    from .meshing.assemble import assemble_head
    from .meshing.surface import extract_surface

    clock("surface", 0.0)
    surface = extract_surface(field, settings.resolution, callback=clock)
    rigged = assemble_head(
        field,
        surface,
        model.template,
        texture=settings.texture,
        raw_surface=settings.raw_surface,
        callback=clock,
    )
    return rigged.scaled(LIFE_SCALE)


@contextmanager
def _explained_surface_errors() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        logger.debug("no head", exc_info=True)
        raise AvatarError(f"This seed gives no head ({error}); try another seed.") from error


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
    rigged: RiggedHead,
    seconds: dict[str, float],
) -> dict:
    torch = import_torch()
    parts = list(rigged.parts) + ([] if rigged.raw_surface is None else [rigged.raw_surface])
    report = {
        "model": {"id": model.name, "sha256": model.sha256},
        "settings": settings.as_dict(),
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
