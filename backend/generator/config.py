"""Sizes of the bundled generator; stored beside its weights so that a file describes itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GeneratorConfig:
    """Architecture of the bundled tri-plane generator.

    `w_dim` is the width of one style row; `plane_resolution` that of the generated planes;
    `static_resolution` that of the learned planes every head shares.
    """

    w_dim: int = 256
    plane_resolution: int = 64
    channel_base: int = 2048
    channel_max: int = 128
    canonical_channels: int = 12
    observation_channels: int = 12
    static_channels: int = 12
    static_resolution: int = 256
    surface_width: int = 128
    volume_width: int = 96
    hidden_layers: int = 2
