"""What a checkpoint says about its generator: widths, rendering, super-resolution."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..checkpoints.errors import about_file
from ..checkpoints.released import DEFAULTS, RENDERING_DEFAULTS
from ..checkpoints.settings import complete_settings, super_resolution_name
from ..generator.renderer import RenderSettings

NUM_PLANE_WS = 14  # styles of a 256^2 backbone


def _render_settings(rendering: Mapping[str, Any]) -> RenderSettings:
    automatic = rendering["ray_start"] == "auto"
    return RenderSettings(
        depth_resolution=rendering["depth_resolution"],
        depth_resolution_importance=rendering["depth_resolution_importance"],
        ray_start=None if automatic else rendering["ray_start"],
        ray_end=None if automatic else rendering["ray_end"],
        box_size=float(rendering["box_warp"]),
        white_back=rendering["white_back"],
    )


@dataclass(frozen=True)
class OfficialConfig:
    """Sizes and settings of an EG3D or Next3D generator; defaults are those of the 512 models.

    Without `mapping_features` hidden layers of the mapping have w_dim features.  `superresolution`
    is a key of `checkpoints.released.SUPER_RESOLUTIONS`, `resolution` the side of the raw image.
    """

    z_dim: int = DEFAULTS["z_dim"]
    c_dim: int = DEFAULTS["c_dim"]
    w_dim: int = DEFAULTS["w_dim"]
    mapping_layers: int = DEFAULTS["mapping_kwargs"]["num_layers"]
    mapping_features: int | None = None
    channel_base: int = DEFAULTS["channel_base"]
    channel_max: int = DEFAULTS["channel_max"]
    conv_clamp: float | None = DEFAULTS["conv_clamp"]
    superresolution: str = "8XDC"
    antialias: bool = RENDERING_DEFAULTS["sr_antialias"]
    decoder_lr_multiplier: float = RENDERING_DEFAULTS["decoder_lr_mul"]
    c_scale: float = RENDERING_DEFAULTS["c_scale"]
    zero_condition: bool = RENDERING_DEFAULTS["c_gen_conditioning_zero"]
    resolution: int = DEFAULTS["neural_rendering_resolution"]
    camera_radius: float = RENDERING_DEFAULTS["avg_camera_radius"]
    camera_pivot: tuple[float, float, float] = tuple(RENDERING_DEFAULTS["avg_camera_pivot"])
    rendering: RenderSettings = _render_settings(RENDERING_DEFAULTS)

    @property
    def box_warp(self) -> float:
        """Side of the cube that the planes span, in the generator's units."""
        return self.rendering.box_size

    @classmethod
    def from_checkpoint(
        cls, config: Mapping[str, Any], state: Mapping[str, Tensor], extra: Mapping[str, Any]
    ) -> "OfficialConfig":
        """Read the constructor's settings; sizes of the mapping come from the stored shapes.

        Raises CheckpointError for settings that no released model has.
        """
        resolution = extra.get("neural_rendering_resolution")
        with about_file("the checkpoint", "a released EG3D or Next3D model"):
            config = complete_settings(
                [], dict(config), {}, None if resolution is None else int(resolution)
            )
        rendering = config["rendering_kwargs"]
        prefix = "backbone.mapping."
        w_dim, layers = state[f"{prefix}w_avg"].shape[0], 0
        while f"{prefix}fc{layers}.weight" in state:
            layers += 1
        hidden, first_in = state[f"{prefix}fc0.weight"].shape
        return cls(
            z_dim=first_in - w_dim,
            c_dim=state[f"{prefix}embed.weight"].shape[1],
            w_dim=w_dim,
            mapping_layers=layers,
            mapping_features=hidden if layers > 1 else None,
            channel_base=config["channel_base"],
            channel_max=config["channel_max"],
            conv_clamp=config["conv_clamp"],
            superresolution=super_resolution_name(config),
            antialias=rendering["sr_antialias"],
            decoder_lr_multiplier=rendering["decoder_lr_mul"],
            c_scale=rendering["c_scale"],
            zero_condition=rendering["c_gen_conditioning_zero"],
            resolution=config["neural_rendering_resolution"],
            camera_radius=rendering["avg_camera_radius"],
            camera_pivot=tuple(rendering["avg_camera_pivot"]),
            rendering=_render_settings(rendering),
        )
