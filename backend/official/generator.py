"""What EG3D and Next3D share: mapping, backbone, decoder, volume rendering, super-resolution."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..checkpoints.released import PLANE_CHANNELS, PLANE_RESOLUTION
from ..generator.plane_field import PlaneField
from ..generator.renderer import Draws, camera_rays, render_rays
from ..generator.stylegan2 import MappingNetwork, NoiseMode, SynthesisNetwork
from ..generator.triplanes import OSGDecoder
from .config import NUM_PLANE_WS, OfficialConfig
from .superresolution import SuperResolution

# 48 samples each stay near a processor; graphics cards want more work.
RAYS_AT_A_TIME = {"cpu": 512}
RAYS_AT_A_TIME_ELSEWHERE = 8192


@dataclass(frozen=True)
class RawImage:
    """Volume-rendered features (B, 32, R, R) in -1..1, depth and total weight (B, 1, R, R)."""

    features: Tensor
    depth: Tensor
    weight: Tensor

    @property
    def image(self) -> Tensor:
        """The raw image (B, 3, R, R), -1..1."""
        return self.features[:, :3]


def image_bytes(image: Tensor) -> Tensor:
    """Return an image (1, 3, R, R) in about -1..1 as (R, R, 3) uint8."""
    return (image[0].permute(1, 2, 0) * 127.5 + 128.0).clamp(0, 255).to(torch.uint8)


def camera_of_label(label: Tensor) -> tuple[Tensor, Tensor]:
    """Return cam2world (B, 4, 4) and intrinsics (B, 3, 3) of labels (B, 25)."""
    return label[:, :16].reshape(-1, 4, 4), label[:, 16:25].reshape(-1, 3, 3)


class OfficialGenerator(nn.Module):
    """The common parts; state names are those of the public programs.

    `half_precision` is that of super-resolution, as the public programs have it on graphics cards;
    planes and fields, which decide about shape, are float32 at all times.
    """

    def __init__(self, config: OfficialConfig, num_ws: int) -> None:
        super().__init__()
        self.config = config
        self.half_precision = False
        mapping = MappingNetwork(
            config.z_dim,
            config.w_dim,
            num_ws,
            config.mapping_layers,
            c_dim=config.c_dim,
            layer_features=config.mapping_features,
        )
        self.backbone = nn.ModuleDict(
            {"mapping": mapping, "synthesis": self.synthesis_network(3 * PLANE_CHANNELS)}
        )
        self.superresolution = SuperResolution(
            config.superresolution, PLANE_CHANNELS, config.w_dim, config.antialias
        )
        self.decoder = OSGDecoder(
            PLANE_CHANNELS, PLANE_CHANNELS, lr_multiplier=config.decoder_lr_multiplier
        )
        self.register_buffer("plane_axes", torch.zeros(3, 3, 3), persistent=False)

    def synthesis_network(self, channels: int) -> SynthesisNetwork:
        """Return an untrained backbone of 256^2 with the configuration's widths."""
        c = self.config
        return SynthesisNetwork(
            c.w_dim, PLANE_RESOLUTION, channels, c.channel_base, c.channel_max, c.conv_clamp
        )

    def mapping(
        self,
        z: Tensor,
        c: Tensor,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """Return ws (B, num_ws, w_dim) of z (B, z_dim) and conditioning cameras c (B, 25)."""
        condition = c[:, : self.config.c_dim] * self.config.c_scale
        if self.config.zero_condition:
            condition = torch.zeros_like(condition)
        return self.backbone["mapping"](z, condition, truncation_psi, truncation_cutoff)

    def static_planes(self, ws: Tensor, noise_mode: NoiseMode = "const") -> Tensor:
        """Return the backbone's planes (B, 3, 32, 256, 256)."""
        planes = self.backbone["synthesis"](ws[:, :NUM_PLANE_WS], noise_mode)
        return planes.unflatten(1, (3, PLANE_CHANNELS))

    def field(self, planes: Tensor) -> PlaneField:
        """Return colours and raw density as a function of points; keep it for many calls."""
        return PlaneField(planes, self.plane_axes, self.config.box_warp, self.decoder)

    def render(
        self,
        planes: Tensor,
        cameras: Tensor,
        resolution: int | None = None,
        draws: Draws | None = None,
    ) -> RawImage:
        """Render planes (B, 3, 32, R, R) from cameras (B, 25); without draws, without noise."""
        resolution = self.config.resolution if resolution is None else resolution
        origins, directions = camera_rays(*camera_of_label(cameras), resolution)
        settings = self.config.rendering
        draws = Draws.centred(origins, settings) if draws is None else draws
        field = self.field(planes)
        at_a_time = RAYS_AT_A_TIME.get(planes.device.type, RAYS_AT_A_TIME_ELSEWHERE)
        rays = render_rays(field, origins, directions, settings, draws, at_a_time)

        def as_image(values: Tensor) -> Tensor:
            return values.transpose(1, 2).unflatten(2, (resolution, resolution))

        return RawImage(as_image(rays.features), as_image(rays.depth), as_image(rays.weight))

    def super_resolve(self, raw: RawImage, ws: Tensor) -> Tensor:
        """Return the final image (B, 3, 512, 512), or as the checkpoint has it, about -1..1."""
        device = raw.features.device.type
        with torch.autocast(device, torch.float16, enabled=self.half_precision):
            image = self.superresolution(raw.features, ws[:, :NUM_PLANE_WS])
        return image.float()
