"""Latent spaces map to style rows and back exactly, and styles reach the networks as values."""

from __future__ import annotations

import pytest
import torch

from avatarmmc_blender.backend.generator.mapping import Mapping
from avatarmmc_blender.backend.generator.stylegan2 import SynthesisNetwork
from avatarmmc_blender.backend.head_model import load_bundled
from avatarmmc_blender.backend.latent.next3d import next3d_space
from avatarmmc_blender.backend.latent.style_space import (
    PADDING,
    StyleLayer,
    StyleSpace,
    style_layers,
)
from avatarmmc_blender.backend.latent.w_space import NUM_ROWS, ROW_NAMES, ROW_WIDTH, WSpace
from avatarmmc_blender.backend.official.config import OfficialConfig
from avatarmmc_blender.backend.official.next3d import Next3D
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
        assert torch.equal(space.call(network, "forward", styles, torch.randn_like(ws)), expected)
        changed = space.call(network, "forward", [style + 0.1 for style in styles], ws)
        assert not torch.allclose(changed, expected)
        assert torch.equal(network(ws), expected)


def test_wrong_styles_are_refused(network):
    space = StyleSpace(style_layers(network, "", 0))
    styles = space.styles(network, torch.randn(2, network.num_ws, 16))
    with pytest.raises(ValueError, match="widths"):
        space.pack(styles[:-1])
    with pytest.raises(ValueError, match="styles of one head"):
        space.call(network, "forward", styles, None)
    with pytest.raises(ValueError, match="expected rows"):
        space.unpack(torch.zeros(2, 3, 4))
    assert StyleLayer("a", 0, 4) == StyleLayer("a", 0, 4)


@pytest.fixture(scope="module")
def next3d():
    torch.manual_seed(2)
    config = OfficialConfig(w_dim=16, channel_base=256, channel_max=8)
    return Next3D(config, num_faces=4, num_uv=4).eval().requires_grad_(False)


def test_next3d_has_73_style_rows_in_the_order_of_its_networks(next3d):
    space = next3d_space(next3d)
    assert space.shape[0] == 73
    networks = [layer.name.split(".")[0] for layer in space.layers]
    counts = {name: networks.count(name) for name in dict.fromkeys(networks)}
    assert list(counts.items()) == [
        ("texture_backbone", 20),
        ("mouth_backbone", 18),
        ("neural_blending", 9),
        ("backbone", 20),
        ("superresolution", 6),
    ]
    rows = [layer.row for layer in space.layers]
    assert rows[:3] == [14, 15, 15] and rows[20:23] == [1, 2, 3] and rows[-6:] == [13] * 6


@torch.no_grad()
def test_next3d_takes_styles_as_values(next3d):
    ws = torch.randn(1, 28, 16)
    space = next3d_space(next3d)
    styles = space.styles(next3d, ws)
    for a, b in zip(space.unpack(space.pack(styles)), styles, strict=True):
        assert torch.equal(a, b)
    expected = next3d.prepare(ws)
    found = space.call(next3d, "prepare", styles, torch.zeros_like(ws))
    assert torch.allclose(found.texture, expected.texture, atol=1e-5)
    assert torch.allclose(found.static_planes, expected.static_planes, atol=1e-5)
    mouth = next3d.mouth_backbone["synthesis"]
    own = StyleSpace(style_layers(mouth, "", 0))
    image, painted = torch.randn(1, 32, 64, 64), own.styles(mouth, ws)
    answer = own.call(mouth, "forward", painted, image, torch.zeros_like(ws))
    assert torch.allclose(answer, mouth(image, ws), atol=1e-5)
