"""EG3D against the public program's numbers, and how the fast field and loading behave."""

import dataclasses
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from avatarmmc_blender.backend.checkpoints.released import SUPER_RESOLUTIONS
from avatarmmc_blender.backend.generator.plane_field import PlaneField
from avatarmmc_blender.backend.generator.renderer import Draws, camera_rays, render_rays
from avatarmmc_blender.backend.official.config import OfficialConfig
from avatarmmc_blender.backend.official.generator import camera_of_label
from avatarmmc_blender.backend.official.load import load_official
from avatarmmc_blender.backend.official.superresolution import SuperResolution
from avatarmmc_blender.backend.official.verify import verify_folder
from tests.official_reference import DATA, reference
from tests.plane_reading import read_planes

FOLDER = DATA / "eg3d_tiny"


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def checkpoint(**changes):
    prefix = str(FOLDER / "eg3d")
    state = {k: torch.from_numpy(v) for k, v in np.load(f"{prefix}_state.npz").items()}
    extra = {k: torch.from_numpy(v) for k, v in np.load(f"{prefix}_nonstate.npz").items()}
    config = reference("eg3d").config["kwargs"]
    parts = {"family": "eg3d", "config": config, "state": state, "extra": extra}
    return SimpleNamespace(**{**parts, **changes})


def planes():
    inputs, generator = reference("eg3d").inputs, reference("eg3d").generator
    ws = generator.mapping(inputs["z"], inputs["c_conditioning"], 0.7, 14)
    return generator.planes(generator.prepare(ws)), ws


def test_everything_agrees_with_the_public_program():
    comparisons = verify_folder(FOLDER)
    assert [c.line() for c in comparisons if not c.passed] == []
    assert {c.kind for c in comparisons} >= {"styles", "planes", "sigma", "rgb", "raw", "image"}
    assert len(comparisons) >= 20


def test_changed_weights_are_noticed(tmp_path):
    folder = tmp_path / "changed"
    shutil.copytree(FOLDER, folder)
    with np.load(folder / "eg3d_state.npz") as arrays:
        state = dict(arrays)
    state["backbone.synthesis.b256.conv1.noise_strength"] += 0.01
    np.savez(folder / "eg3d_state.npz", **state)
    with np.load(folder / "eg3d_outputs.npz") as arrays:
        outputs = dict(arrays)
    np.savez(folder / "eg3d_outputs.npz", surprise=np.zeros(3), **outputs)
    failed = {c.name for c in verify_folder(folder) if not c.passed}
    assert {"planes/s24", "sigma", "det/image_raw", "surprise"} <= failed
    assert not {"ws", "ray_origins"} & failed


def test_a_folder_without_references_is_named(tmp_path):
    with pytest.raises(ValueError, match="next3d_config.json or eg3d_config.json"):
        verify_folder(tmp_path)
    shutil.copy(FOLDER / "eg3d_config.json", tmp_path)
    with pytest.raises(ValueError, match="expected to hold eg3d_inputs.npz"):
        verify_folder(tmp_path)


def test_the_fast_field_is_the_decoder_of_plane_features():
    torch.manual_seed(0)
    generator = reference("eg3d").generator
    own = torch.randn(2, 3, 32, 16, 24)
    points = torch.rand(2, 500, 3) * 1.4 - 0.7  # some outside the planes
    points[:, 0] = 1e9
    fast = PlaneField(own, generator.plane_axes, 1.0, generator.decoder)
    colors, density = fast(points)
    features = read_planes(own, generator.plane_axes, points, 1.0)
    expected_colors, expected_density = generator.decoder(features)
    assert torch.allclose(colors, expected_colors, atol=1e-5)
    assert torch.allclose(density, expected_density, atol=1e-4)
    assert torch.allclose(fast.density(points), expected_density, atol=1e-4)


def test_lattices_are_the_field_at_their_points():
    own, _ = planes()
    field = reference("eg3d").generator.field(own)
    axes = tuple(torch.linspace(-0.6, 0.55, n) for n in (5, 7, 6))
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(1, -1, 3)
    expected = field.density(points)[0, :, 0]
    index = torch.cartesian_prod(*(torch.arange(n) for n in (5, 7, 6)))
    assert torch.allclose(field.lattice(axes).density(index), expected, atol=1e-4)
    turned = field.to_planes.clone()
    turned[0] = 0.5
    field.to_planes = turned
    with pytest.raises(ValueError, match="along two coordinate axes"):
        field.lattice(axes)


def test_the_field_has_gradients_at_points():
    own, _ = planes()
    field = reference("eg3d").generator.field(own)
    with torch.enable_grad():
        points = torch.tensor([[[0.031, -0.02, 0.013]]], requires_grad=True)
        (gradient,) = torch.autograd.grad(field.density(points).sum(), points)
    for k in range(3):
        step = torch.zeros(3)
        step[k] = 1e-4
        slope = (field.density(points + step) - field.density(points - step)) / 2e-4
        assert gradient[0, 0, k].item() == pytest.approx(slope.item(), rel=0.05, abs=0.5)


def test_pictures_in_pieces_are_the_same():
    own, _ = planes()
    generator, camera = reference("eg3d").generator, reference("eg3d").inputs["c_camera"]
    origins, directions = camera_rays(*camera_of_label(camera), 12)
    settings = generator.config.rendering
    draws = Draws.random(origins, settings, torch.Generator().manual_seed(1))
    field = generator.field(own)
    whole = render_rays(field, origins, directions, settings, draws)
    pieces = render_rays(field, origins, directions, settings, draws, rays_at_a_time=50)
    assert torch.allclose(whole.features, pieces.features, atol=1e-5)
    assert torch.allclose(whole.depth, pieces.depth, atol=1e-5)


def test_half_precision_stays_close():
    own, ws = planes()
    inputs = reference("eg3d").inputs
    half = load_official(checkpoint(), half=True)
    image = half.super_resolve(half.render(half.static_planes(ws), inputs["c_camera"]), ws)
    generator = reference("eg3d").generator
    exact = generator.super_resolve(generator.render(own, inputs["c_camera"]), ws)
    assert image.dtype == torch.float32
    assert (image - exact).abs().max() < 5e-2


@pytest.mark.parametrize(
    ("name", "size"),
    [("8XDC", 512), ("8X", 512), ("4X", 256), ("2X", 128)],
)
def test_super_resolutions_have_their_sizes(name, size):
    with torch.device("meta"):
        network = SuperResolution(name, 32, 512, antialias=True)
    assert network.image_resolution == size
    assert len(SUPER_RESOLUTIONS) == 4


@pytest.mark.parametrize("size", [32, 64, 128])
def test_inputs_of_any_size_are_super_resolved(size):
    torch.manual_seed(0)
    network = SuperResolution("2X", 32, 512, antialias=True)
    image = network(torch.zeros(1, 32, size, size), torch.randn(1, 14, 512))
    assert image.shape == (1, 3, 128, 128)


def test_settings_come_from_the_checkpoint():
    config = reference("eg3d").generator.config
    assert (config.z_dim, config.mapping_features, config.resolution) == (64, 64, 32)
    changes = {"ray_start": "auto", "ray_end": "auto", "white_back": True}
    rendering = {**checkpoint().config["rendering_kwargs"], **changes}
    given = {**checkpoint().config, "rendering_kwargs": rendering}
    automatic = OfficialConfig.from_checkpoint(given, checkpoint().state, {})
    assert automatic.rendering.ray_start is None and automatic.rendering.white_back
    assert dataclasses.replace(automatic, resolution=64).rendering.box_size == 1.0


def test_a_zeroed_condition_leaves_the_embedding_of_nothing():
    generator, inputs = reference("eg3d").generator, reference("eg3d").inputs
    zeroed = load_official(checkpoint())
    zeroed.config = dataclasses.replace(zeroed.config, zero_condition=True)
    ws = zeroed.mapping(inputs["z"], inputs["c_conditioning"])
    assert torch.equal(ws, generator.mapping(inputs["z"], torch.zeros(1, 25)))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("clamp_mode", "relu"), ("disparity_space_sampling", True)],
)
def test_unknown_ways_to_render_are_refused(setting, value):
    rendering = {**checkpoint().config["rendering_kwargs"], setting: value}
    with pytest.raises(ValueError, match=f"{setting} {value}, supported is"):
        load_official(checkpoint(config={**checkpoint().config, "rendering_kwargs": rendering}))


def test_missing_and_unexpected_tensors_are_named():
    state = checkpoint().state
    del state["decoder.net.0.bias"]
    with pytest.raises(ValueError, match="lacks .'decoder.net.0.bias'."):
        load_official(checkpoint(state=state))
    state = {**checkpoint().state, "backbone.extra": torch.zeros(1)}
    with pytest.raises(ValueError, match="unexpected .'backbone.extra'."):
        load_official(checkpoint(state=state))
    with pytest.raises(ValueError, match="lacks plane_axes"):
        load_official(checkpoint(extra={}))
    with pytest.raises(ValueError, match="eg3d or next3d, got pigan"):
        load_official(checkpoint(family="pigan"))
