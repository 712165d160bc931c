"""Latent spaces map to style rows and back exactly, and styles reach the networks as values."""

from __future__ import annotations

import pytest
import torch

from avatarmmc_blender.backend.generator.mapping import Mapping
from avatarmmc_blender.backend.generator.stylegan2 import SynthesisNetwork
from avatarmmc_blender.backend.head_model import load_bundled
from avatarmmc_blender.backend.latent.style_space import (
    PADDING,
    StyleLayer,
    StyleSpace,
    style_layers,
)
from avatarmmc_blender.backend.latent.w_space import NUM_ROWS, ROW_NAMES, ROW_WIDTH, WSpace
from avatarmmc_blender.backend.synthetic.latent import SHAPE_DIM, derive
from avatarmmc_blender.backend.synthetic.params import VECTOR_DIM, vector_slice
from avatarmmc_blender.backend.training.latents import sample_training_latents


@pytest.fixture(scope="module")
def heads():
    """Latents, derived values and style rows of a mapping network as initialised."""
    torch.manual_seed(0)
    z = sample_training_latents(3000, torch.Generator().manual_seed(0))
    values = derive(z, load_bundled()).vector()
    mapping = Mapping(VECTOR_DIM + SHAPE_DIM, 256, 19)
    with torch.no_grad():
        ws = mapping(torch.cat([values, 0.7 * z[:, :SHAPE_DIM]], 1))
    return z, values, ws


@pytest.fixture(scope="module")
def space(heads):
    z, values, ws = heads
    return WSpace(19, 256).fit(ws[:, 0], z[:, :SHAPE_DIM], values)


def test_w_comes_back(space, heads):
    ws = heads[2]
    x = space.encode(ws)
    assert x.shape == (len(ws), NUM_ROWS, ROW_WIDTH)
    assert torch.allclose(space.decode(x), ws, atol=2e-5)
    noise = torch.randn(8, NUM_ROWS, ROW_WIDTH)
    assert torch.allclose(space.encode(space.decode(noise)), noise, atol=1e-2)


def test_w_is_white_where_heads_vary(space, heads):
    x = space.encode(heads[2]).flatten(1)
    deviation = x.std(0)
    assert deviation.max() < 1.05 and (deviation > 0.9).sum() > 90
    strong = x[:, deviation > 0.9]
    correlation = torch.corrcoef(strong.T) - torch.eye(strong.shape[1])
    assert correlation.abs().max() < 0.1


@pytest.mark.parametrize(
    ("value", "part"),
    [("redness", "skin"), ("brow_arch", "eyes"), ("grey", "hair color"), ("glass", "accessories")],
)
def test_rows_hold_the_parts_they_are_named_for(space, heads, value, part):
    _, values, ws = heads
    x = space.encode(ws)
    own = [i for i, name in enumerate(ROW_NAMES) if name == part]
    target = values[:, vector_slice(value)]
    features = torch.cat([x[:, own].flatten(1), torch.ones(len(x), 1)], 1)
    rest = target - features @ torch.linalg.lstsq(features, target).solution
    assert rest.var() < 0.1 * target.var()


def test_rows_that_differ_are_refused(space, heads):
    ws = heads[2][:1].clone()
    ws[:, 3] += 1
    with pytest.raises(ValueError, match="one style repeated"):
        space.encode(ws)
    with pytest.raises(ValueError, match="expected w of 256"):
        WSpace(19, 128)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return SynthesisNetwork(16, 16, 6, channel_base=64, channel_max=12).eval()


def test_styles_pack_and_unpack_exactly(network):
    layers = style_layers(network, "", 0)
    assert len(layers) == 8
    assert [layer.row for layer in layers] == [0, 1, 1, 2, 3, 3, 4, 5]
    space = StyleSpace(layers)
    assert space.shape == (8, 12)
    styles = space.styles(network, torch.randn(3, network.num_ws, 16))
    packed = space.pack(styles)
    for i, (layer, style) in enumerate(zip(layers, space.unpack(packed), strict=True)):
        assert torch.equal(style, styles[i])
        assert (packed[:, i, layer.width :] == PADDING).all()


def test_normalised_styles_come_back(network):
    space = StyleSpace(style_layers(network, "", 0))
    ws = torch.randn(200, network.num_ws, 16)
    styles = space.styles(network, ws)
    space.fit(space.pack(styles))
    x = space.encode(styles)
    assert torch.isfinite(x).all()
    for a, b in zip(space.decode(x), styles, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_styles_given_as_values_make_the_same_image(network):
    space = StyleSpace(style_layers(network, "", 0))
    ws = torch.randn(1, network.num_ws, 16)
    with torch.no_grad():
        expected = network(ws)
        styles = space.styles(network, ws)
        assert torch.equal(space.call(network, styles, torch.randn_like(ws)), expected)
        changed = space.call(network, [style + 0.1 for style in styles], ws)
        assert not torch.allclose(changed, expected)
        assert torch.equal(network(ws), expected)


def test_wrong_styles_are_refused(network):
    space = StyleSpace(style_layers(network, "", 0))
    styles = space.styles(network, torch.randn(2, network.num_ws, 16))
    with pytest.raises(ValueError, match="widths"):
        space.pack(styles[:-1])
    with pytest.raises(ValueError, match="styles of one head"):
        space.call(network, styles, None)
    with pytest.raises(ValueError, match="expected rows"):
        space.unpack(torch.zeros(2, 3, 4))
    assert StyleLayer("a", 0, 4) == StyleLayer("a", 0, 4)
