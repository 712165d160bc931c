"""StyleSpace of Next3D: 73 style layers in the order of AvatarMMC's latents."""

from __future__ import annotations

from torch import nn

from .style_space import StyleLayer, StyleSpace, style_layers

_STATIC_ROWS = 14  # rows before those of the texture network
_LAST_ROW = _STATIC_ROWS - 1  # the super-resolution takes one row for all of its layers


def next3d_space(generator: nn.Module) -> StyleSpace:
    """Texture, mouth, blending and static networks, then super-resolution: 73 rows of 512.

    Widths are read off the generator's layers; statistics are still to be fitted.
    """
    layers: list[StyleLayer] = []
    for name, first_row in (
        ("texture_backbone", _STATIC_ROWS),
        ("mouth_backbone", 0),
        ("neural_blending", 0),
        ("backbone", 0),
    ):
        prefix = f"{name}.synthesis."
        layers += style_layers(generator.get_submodule(prefix[:-1]), prefix, first_row)
    for block in ("block0", "block1"):
        for part in ("conv0", "conv1", "torgb"):
            name = f"superresolution.{block}.{part}.affine"
            width = generator.get_submodule(name).weight.shape[0]
            layers.append(StyleLayer(name, _LAST_ROW, width))
    return StyleSpace(layers)
