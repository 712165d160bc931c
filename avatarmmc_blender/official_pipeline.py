"""From settings to a rigged head with an official generator: latent, planes, field, FLAME head.

The same stations as with the bundled model.  A seed names the latent that it names in the public
programs, so that heads can be compared with their pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from .errors import AvatarError
from .models import import_torch
from .models_store import listed_models
from .official_models import OfficialModel

if TYPE_CHECKING:
    from torch import Tensor

    from .backend.official.field import OfficialField
    from .backend.official.generator import OfficialGenerator
    from .meshing.rigged_head import RiggedHead
    from .settings import GenerateSettings
    from .stages import Progress

TRUNCATED = 14  # style rows that truncation acts on, as in the public programs
FOCAL_LENGTH = 4.2647  # in image widths, of the cameras that the generators were trained with


def check_request(settings: GenerateSettings) -> None:
    """Raise AvatarError if an official model cannot be asked for `settings`; loads nothing."""
    if settings.attributes:
        raise AvatarError(
            f"The model {settings.model} knows no attributes; "
            "leave them out or use the bundled model."
        )
    if settings.image or settings.segmentation:
        raise AvatarError(
            f"The model {settings.model} cannot be asked for a photo or a label map; "
            "leave them out or use the bundled model."
        )
    info = next((item for item in listed_models() if item.id == settings.model), None)
    if info is not None and info.problem:
        raise AvatarError(f"The model {settings.model} cannot make heads: {info.problem}.")


def make_latent(settings: GenerateSettings, model: OfficialModel) -> np.ndarray:
    """Return the latent z (z_dim,) float32 of the seed; truncation acts on what is made of it."""
    random = np.random.RandomState(settings.seed)
    return random.randn(model.generator.config.z_dim).astype(np.float32)


def make_styles(latent: np.ndarray, model: OfficialModel, truncation: float) -> Tensor:
    """Return the style rows (1, N, w_dim) of a latent (z_dim,), on the model's device."""
    torch = import_torch()
    with torch.inference_mode():
        camera = front_camera(model)
        z = torch.from_numpy(latent)[None].to(camera.device)
        return model.generator.mapping(z, camera, truncation, TRUNCATED)


def make_planes(ws: Tensor, model: OfficialModel, tick: Callable[[], None] | None = None) -> Tensor:
    """Return the planes (1, 3, 32, R, R) of style rows, for Next3D those of FLAME at rest."""
    torch = import_torch()
    generator = model.generator
    with torch.inference_mode(), ticking(generator, tick):
        identity = generator.prepare(ws)
        if model.family == "eg3d":
            return generator.planes(identity)
        return generator.planes(identity, _guiding_mesh(model), model.blending)


def make_field(
    latent: np.ndarray,
    model: OfficialModel,
    truncation: float,
    tick: Callable[[], None] | None = None,
) -> OfficialField:
    """Return the field of a latent (z_dim,); raises AvatarError if it has no surface."""
    planes = make_planes(make_styles(latent, model, truncation), model, tick)
    return field_of(planes, model, tick)


def field_of(
    planes: Tensor, model: OfficialModel, tick: Callable[[], None] | None = None
) -> OfficialField:
    """Return the field of planes (1, 3, 32, R, R); raises AvatarError if it has no surface."""
    torch = import_torch()
    from .backend.official.field import OfficialField

    generator = model.generator
    try:
        with torch.inference_mode():
            return OfficialField(generator.field(planes), generator.config.box_warp, tick)
    except ValueError as error:
        raise AvatarError.from_error(error) from error


def make_head(
    field: OfficialField, model: OfficialModel, settings: GenerateSettings, callback: Progress
) -> RiggedHead:
    """Return the head of a field in FLAME's topology, metres; raises ValueError if it has none."""
    from .meshing.flame_head import assemble_flame_head
    from .meshing.surface import extract_surface

    surface = extract_surface(field, settings.resolution, callback=callback)
    return assemble_flame_head(
        field,
        surface,
        model.template,
        texture=settings.texture,
        raw_surface=settings.raw_surface,
        callback=callback,
    )


def render_test(
    model: OfficialModel,
    seed: int = 0,
    truncation: float = 0.7,
    tick: Callable[[], None] | None = None,
) -> np.ndarray:
    """Return the generator's own picture (H, W, 3) uint8 of a seed from the front."""
    torch = import_torch()
    from .settings import GenerateSettings

    latent = make_latent(GenerateSettings(seed=seed), model)
    try:
        ws = make_styles(latent, model, truncation)
        planes = make_planes(ws, model, tick)
        with torch.inference_mode(), ticking(model.generator, tick):
            raw = model.generator.render(planes, front_camera(model))
            image = model.generator.super_resolve(raw, ws)[0]
    except ValueError as error:
        raise AvatarError.from_error(error) from error
    if not torch.isfinite(image).all():
        raise AvatarError(f"The picture of {model.name} is not finite; its file may be damaged.")
    pixels = (image * 127.5 + 128.0).clamp(0, 255).to(torch.uint8)
    return pixels.permute(1, 2, 0).cpu().numpy()


@contextmanager
def ticking(generator: OfficialGenerator, tick: Callable[[], None] | None) -> Iterator[None]:
    """Call `tick` before every layer, so that what it raises ends the seconds of a network."""
    layers = [] if tick is None else generator.modules()
    hooks = [layer.register_forward_pre_hook(lambda *_: tick()) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def front_camera(model: OfficialModel) -> Tensor:
    """Return the label (1, 25) of the camera straight ahead."""
    torch = import_torch()
    from .backend.generator.cameras import camera_label, look_at_pose

    config, device = model.generator.config, model.generator.plane_axes.device
    ahead = torch.full((1,), math.pi / 2, device=device)
    pivot = torch.tensor(config.camera_pivot, device=device, dtype=torch.float32)
    pose = look_at_pose(ahead, ahead, pivot, config.camera_radius)
    focal = FOCAL_LENGTH
    intrinsics = torch.tensor([[focal, 0.0, 0.5], [0.0, focal, 0.5], [0.0, 0.0, 1.0]])
    return camera_label(pose, intrinsics.to(device))


def _guiding_mesh(model: OfficialModel) -> Tensor:
    if model.flame is None:
        raise AvatarError(
            f"The model {model.name} is guided by a FLAME mesh and has no FLAME file; "
            "add its file again together with a FLAME file (`models add FILE --flame FILE`)."
        )
    try:
        return model.flame.neutral_mesh()
    except ValueError as error:
        raise AvatarError.from_error(error) from error
