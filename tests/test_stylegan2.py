"""StyleGAN2 networks: the numbers of the public program, and the definitions in the papers."""

import pytest
import torch
from torch.nn import functional

from avatarmmc_blender.backend.generator.stylegan2 import (
    MappingNetwork,
    SynthesisBlock,
    SynthesisLayer,
    SynthesisNetwork,
    binomial_filter,
    modulated_conv2d,
    upsample2d,
)
from tests import eg3d_reference


def test_mapping_agrees_with_the_public_program():
    reference = eg3d_reference.reference()
    latent, label = reference["z"], reference["c_conditioning"]
    mapping = eg3d_reference.mapping()
    assert torch.allclose(mapping(latent, label)[:, :1], reference["ws_psi1"], atol=1e-6)
    truncated = mapping(latent, label, 0.7, 14)[:, [0, 7, 8, 13]]
    assert torch.allclose(truncated, reference["ws"], atol=1e-6)
    partly = mapping(latent, label, 0.5, 8)[:, [0, 7, 8, 13]]
    assert torch.allclose(partly, reference["ws_psi0.5_cut8"], atol=1e-6)


def test_planes_agree_with_the_public_program():
    reference = eg3d_reference.reference()
    planes = eg3d_reference.planes()[0]
    assert torch.allclose(planes[..., 4::16, 4::16], reference["planes/s16"], atol=3e-5)
    top, _, left, _ = reference["planes/crop_box"].tolist()
    crop = planes[:, :8, top : top + 12, left : left + 12]
    assert torch.allclose(crop, reference["planes/crop"], atol=3e-5)


def zero_insertion(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    batch, channels, height, width = x.shape
    spread = x.new_zeros(batch, channels, 2 * height, 2 * width)
    spread[:, :, ::2, ::2] = x
    padded = functional.pad(spread, (2, 1, 2, 1))
    weight = (4.0 * kernel).expand(channels, 1, 4, 4)
    return functional.conv2d(padded, weight, groups=channels)


def test_upsampling_is_zero_insertion_and_the_filter():
    x = torch.randn(2, 3, 5, 7)
    assert torch.allclose(upsample2d(x), zero_insertion(x, binomial_filter()), atol=1e-6)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_modulated_convolution_is_that_of_modulated_weights(up, demodulate):
    x, styles = torch.randn(3, 4, 6, 6), torch.randn(3, 4) + 1.0
    weight = torch.randn(5, 4, 3, 3)
    kernel = binomial_filter()
    expected = []
    for sample, style in zip(x, styles, strict=True):
        own = weight * style[:, None, None]
        if demodulate:
            own = own / (own.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            spread = functional.conv_transpose2d(sample[None], own.transpose(0, 1), stride=2)
            filters = (4.0 * kernel).expand(5, 1, 4, 4)
            expected.append(functional.conv2d(spread, filters, padding=1, groups=5))
        else:
            expected.append(functional.conv2d(sample[None], own, padding=1))
    result = modulated_conv2d(x, weight, styles, up=up, demodulate=demodulate, kernel=kernel)
    assert torch.allclose(result, torch.cat(expected), atol=1e-5)


def test_styles_scale_activations_only_where_they_are_not_demodulated():
    x, styles, weight = torch.randn(2, 4, 8, 8), torch.rand(2, 4) + 0.5, torch.randn(3, 4, 1, 1)
    plain = modulated_conv2d(x, weight, styles, demodulate=False)
    doubled = modulated_conv2d(x, weight, 2.0 * styles, demodulate=False)
    assert torch.allclose(doubled, 2.0 * plain, atol=1e-5)
    plain = modulated_conv2d(x, weight, styles)
    assert torch.allclose(modulated_conv2d(x, weight, 2.0 * styles), plain, atol=1e-4)


def test_noise_modes():
    torch.manual_seed(0)
    layer = SynthesisLayer(4, 4, 8, 16)
    x, w = torch.randn(1, 4, 16, 16), torch.randn(1, 8)
    assert torch.equal(layer(x, w, "const"), layer(x, w, "none"))
    with torch.no_grad():
        layer.noise_strength.fill_(0.5)
    assert torch.equal(layer(x, w, "const"), layer(x, w, "const"))
    assert not torch.equal(layer(x, w, "const"), layer(x, w, "none"))
    assert not torch.equal(layer(x, w, "random"), layer(x, w, "random"))


def test_a_block_without_doubling_keeps_the_size_and_adds_to_the_image():
    torch.manual_seed(0)
    block = SynthesisBlock(8, 4, 16, 12, 3, up=False, conv_clamp=256.0)
    x, image, ws = torch.randn(2, 8, 12, 12), torch.randn(2, 3, 12, 12), torch.randn(2, 3, 16)
    features, result = block(x, image, ws)
    assert features.shape == (2, 4, 12, 12)
    _, from_nothing = block(x, None, ws)
    assert torch.allclose(result - image, from_nothing, atol=1e-5)


def test_truncation_to_zero_is_the_mean_and_leaves_the_rest():
    torch.manual_seed(0)
    mapping = MappingNetwork(8, 16, 6)
    mapping.w_avg.normal_()
    ws = mapping(torch.randn(2, 8))
    cut = mapping.truncate(ws, 0.0, 4)
    assert torch.allclose(cut[:, :4], mapping.w_avg.expand(2, 4, 16), atol=1e-6)
    assert torch.equal(cut[:, 4:], ws[:, 4:])


def test_gradients_reach_every_parameter_and_bfloat16_stays_close():
    torch.manual_seed(0)
    network = SynthesisNetwork(16, 32, 6, 256, 16)
    ws = torch.randn(2, network.num_ws, 16)
    image = network(ws)
    assert image.shape == (2, 6, 32, 32)
    image.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        rough = network(ws)
    assert rough.dtype == torch.float32
    assert (rough - image).abs().mean() < 0.03 * image.abs().mean()


@pytest.mark.parametrize("resolution", [3, 96])
def test_resolutions_are_powers_of_two(resolution):
    with pytest.raises(ValueError, match="power of two"):
        SynthesisNetwork(16, resolution, 3)


def test_the_number_of_styles_is_checked():
    network = SynthesisNetwork(16, 16, 3, 64, 8)
    with pytest.raises(ValueError, match=r"expected ws \(B, 6, w_dim\), got \(2, 5, 16\)"):
        network(torch.zeros(2, 5, 16))
