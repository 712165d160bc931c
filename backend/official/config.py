"""What a checkpoint says about its generator: widths, rendering, super-resolution."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..generator.renderer import RenderSettings

PLANE_RESOLUTION = 256
PLANE_CHANNELS = 32
NUM_PLANE_WS = 14  # styles of a 256^2 backbone


@dataclass(frozen=True)
class OfficialConfig:
    """Sizes and settings of an EG3D or Next3D generator; defaults are those of the 512 models.

    `superresolution` is the class name in the public program. Without `mapping_features` hidden
    layers of the mapping have w_dim features. `resolution` is that of the raw image.
    """

    z_dim: int = 512
    c_dim: int = 25
    w_dim: int = 512
    mapping_layers: int = 2
    mapping_features: int | None = None
    channel_base: int = 32768
    channel_max: int = 512
    conv_clamp: float | None = None
    superresolution: str = "SuperresolutionHybrid8XDC"
    antialias: bool = True
    decoder_lr_multiplier: float = 1.0
    c_scale: float = 1.0
    zero_condition: bool = False
    resolution: int = 64
    box_warp: float = 1.0
    camera_radius: float = 2.7
    camera_pivot: tuple[float, float, float] = (0.0, 0.0, 0.2)
    rendering: RenderSettings = RenderSettings()

    @classmethod
    def from_checkpoint(
        cls, config: Mapping[str, Any], state: Mapping[str, Tensor], extra: Mapping[str, Any]
    ) -> "OfficialConfig":
        """Read the constructor's arguments; sizes of the mapping come from the stored shapes."""
        rendering = config["rendering_kwargs"]
        _check_supported(rendering)
        prefix = "backbone.mapping."
        c_dim = state[f"{prefix}embed.weight"].shape[1]
        w_dim, layers = state[f"{prefix}w_avg"].shape[0], 0
        while f"{prefix}fc{layers}.weight" in state:
            layers += 1
        hidden, first_in = state[f"{prefix}fc0.weight"].shape
        resolution = extra.get("neural_rendering_resolution", cls.resolution)
        return cls(
            z_dim=first_in - w_dim,
            c_dim=c_dim,
            w_dim=w_dim,
            mapping_layers=layers,
            mapping_features=hidden if layers > 1 else None,
            channel_base=config.get("channel_base", cls.channel_base),
            channel_max=config.get("channel_max", cls.channel_max),
            conv_clamp=config.get("conv_clamp"),
            superresolution=rendering["superresolution_module"].rpartition(".")[2],
            antialias=rendering.get("sr_antialias", cls.antialias),
            decoder_lr_multiplier=rendering.get("decoder_lr_mul", cls.decoder_lr_multiplier),
            c_scale=rendering.get("c_scale", cls.c_scale),
            zero_condition=rendering.get("c_gen_conditioning_zero", cls.zero_condition),
            resolution=int(resolution),
            box_warp=float(rendering.get("box_warp", cls.box_warp)),
            camera_radius=rendering.get("avg_camera_radius", cls.camera_radius),
            camera_pivot=tuple(rendering.get("avg_camera_pivot", cls.camera_pivot)),
            rendering=_render_settings(rendering),
        )


def _check_supported(rendering: Mapping[str, Any]) -> None:
    """Refuse settings that no released model has and that would silently change the picture."""
    expected = {
        "clamp_mode": "softplus",
        "disparity_space_sampling": False,
        "superresolution_noise_mode": "none",
    }
    for name, value in expected.items():
        given = rendering.get(name, value)
        if given != value:
            raise ValueError(
                f"the checkpoint renders with {name} {given!r}, supported is {value!r}; "
                "use a released EG3D or Next3D model"
            )


def _render_settings(rendering: Mapping[str, Any]) -> RenderSettings:
    automatic = "auto" in (rendering.get("ray_start"), rendering.get("ray_end"))
    standard = RenderSettings()
    return RenderSettings(
        depth_resolution=rendering.get("depth_resolution", standard.depth_resolution),
        depth_resolution_importance=rendering.get(
            "depth_resolution_importance", standard.depth_resolution_importance
        ),
        ray_start=None if automatic else rendering.get("ray_start", standard.ray_start),
        ray_end=None if automatic else rendering.get("ray_end", standard.ray_end),
        box_size=float(rendering.get("box_warp", standard.box_size)),
        white_back=rendering.get("white_back", standard.white_back),
    )
