"""From settings to a rigged head with the bundled model: latents, field, surface, dressed template.

The same stations as with an official model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from .answers import Found, find_answers
from .errors import AvatarError
from .models import LoadedModel, import_torch, load_model

if TYPE_CHECKING:
    from .backend.generator.field import GeneratedField
    from .meshing.rigged_head import RiggedHead
    from .settings import GenerateSettings
    from .stages import StageClock

# The model's head is larger than life; every length is divided by this once, here.
LIFE_SCALE = 1.0 / 1.2134


def load(device: str, clock: StageClock) -> LoadedModel:
    """Return the model on a device."""
    return load_model(device)


def find(
    settings: GenerateSettings,
    pixels: Mapping[str, np.ndarray],
    model: LoadedModel,
    clock: StageClock,
) -> Found:
    """Latents of a request: of the seeds alone, or answers to what is asked beside them."""
    from .backend.synthetic.latent import sample_latents

    if settings.conditioned:
        return find_answers(settings, pixels, model, clock)
    seeds = range(settings.seed, settings.seed + settings.variants)
    latents = [sample_latents(1, seed, settings.truncation)[0].numpy() for seed in seeds]
    return Found(np.stack([to_w(latent, model) for latent in latents]))


def to_w(latent: np.ndarray, model: LoadedModel) -> np.ndarray:
    """Return w (256,) float32 of a stored latent: w itself, or z (104,) of older heads.

    Raises AvatarError for a latent of another length.
    """
    torch = import_torch()
    generator = model.generator
    latent = np.asarray(latent, np.float32)
    if latent.shape == (generator.config.w_dim,):
        return latent
    if latent.shape != (generator.z_dim,):
        raise AvatarError(
            f"The latent has {latent.size} numbers, expected {generator.config.w_dim} "
            f"(or {generator.z_dim}); it is not of the bundled model."
        )
    with torch.inference_mode():
        z = torch.as_tensor(latent, device=generator.model.device)[None]
        return generator.mapping(z)[0, 0].cpu().numpy()


def make_field(
    latent: np.ndarray, model: LoadedModel, device: str, tick: Callable[[], None] | None = None
) -> GeneratedField:
    """Return the field of a latent: w (256,), or z (104,), which is truncated already."""
    from .backend.generator.field import GeneratedField

    torch = import_torch()
    with torch.inference_mode():
        w = torch.as_tensor(to_w(latent, model), device=device)
        ws = w.expand(1, model.generator.num_ws, -1)
        return GeneratedField(model.generator, ws, tick=tick)


def make_head(
    latent: np.ndarray,
    model: LoadedModel,
    settings: GenerateSettings,
    device: str,
    clock: StageClock,
) -> RiggedHead:
    """Return the head of a latent, w (256,) or z (104,), in metres at life size; raises ValueError
    if it has none."""
    from .meshing.assemble import assemble_head
    from .meshing.surface import extract_surface

    generated = make_field(latent, model, device, tick=clock.tick)
    clock("surface", 0.0)
    surface = extract_surface(generated, settings.resolution, callback=clock)
    rigged = assemble_head(
        generated,
        surface,
        model.template,
        texture=settings.texture,
        raw_surface=settings.raw_surface,
        callback=clock,
    )
    return rigged.scaled(LIFE_SCALE)
