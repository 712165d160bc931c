"""The shipped generator: latents to field, read-out, fast paths, damaged weights."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from avatarmmc_blender.backend.generator.field import GeneratedField
from avatarmmc_blender.backend.generator.guide import find_guide, guide_from_barycentric
from avatarmmc_blender.backend.generator.weights import (
    BUNDLED_WEIGHTS,
    WeightsError,
    load_bundled,
    load_generator,
)
from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.backend.head_model.closest import ClosestPoint
from avatarmmc_blender.backend.synthetic.latent import (
    APPEARANCE_INDEX,
    SHAPE_DIM,
    STYLE_DIRECTIONS,
    STYLE_SLICE,
    sample_latents,
)
from avatarmmc_blender.backend.synthetic.styles import STYLE_NAMES


@pytest.fixture(scope="module")
def generator():
    return load_bundled()


def latent_with_style(style: str, seed: int = 3) -> torch.Tensor:
    z = sample_latents(1, seed, 0.6)
    z[0, STYLE_SLICE] = 2.4 * STYLE_DIRECTIONS[STYLE_NAMES.index(style)]
    return z


def points_about(field: GeneratedField, count: int, spread: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    surface = field.surface.numpy()
    chosen = surface[rng.integers(len(surface), size=count)]
    return (chosen + rng.normal(scale=spread, size=chosen.shape)).astype(np.float32)


def test_same_latent_same_field_and_other_latent_another(generator):
    z = sample_latents(2, 5)
    points = points_about(GeneratedField(generator, generator.mapping(z[:1])), 500, 0.004)
    first, again, other = (
        GeneratedField(generator, generator.mapping(one)).sample(points)
        for one in (z[:1], z[:1], z[1:])
    )
    assert first.sdf.tobytes() == again.sdf.tobytes()
    assert first.color.tobytes() == again.color.tobytes()
    assert np.abs(first.sdf - other.sdf).mean() > 5e-4


def test_truncation_leads_to_the_average_head(generator):
    z = sample_latents(2, 1)
    ws = generator.mapping(z, truncation=0.0)
    assert torch.allclose(ws[0], ws[1], atol=1e-5)
    near, far = (generator.readout(generator.mapping(z, t)).betas.norm() for t in (0.3, 1.0))
    assert near < 0.5 * far


def test_read_out_recovers_the_shape_of_the_mesh(generator):
    z = sample_latents(64, 2)
    betas = generator.readout(generator.mapping(z)).betas
    error = (generator.model.shaped(betas) - generator.model.shaped(z[:, :SHAPE_DIM])).norm(dim=-1)
    assert error.mean() < 3e-4


def test_read_out_tells_who_wears_glasses(generator):
    z = sample_latents(2, 4, 0.5)
    z[0, APPEARANCE_INDEX["glasses"]], z[1, APPEARANCE_INDEX["glasses"]] = 2.0, -1.0
    glass = generator.part_values(generator.readout(generator.mapping(z))).glass
    assert glass[0] > 0.8 and glass[1] < 0.2


def test_sample_and_sdf_agree_and_labels_are_probabilities(generator):
    field = GeneratedField(generator, generator.mapping(sample_latents(1, 7)))
    points = points_about(field, 2000, 0.01)
    sample = field.sample(points)
    assert np.allclose(sample.sdf, field.sdf(points), atol=1e-6)
    assert np.allclose(sample.labels.sum(1), 1, atol=1e-4)
    assert sample.color.min() >= 0 and sample.color.max() <= 1
    assert sample.labels.shape[1] == 20


@pytest.mark.parametrize("style", ["buzz", "long"])
def test_lattice_path_equals_point_path(generator, style):
    field = GeneratedField(generator, generator.mapping(latent_with_style(style)))
    axes = tuple(np.linspace(lo, hi, 60, dtype=np.float32) for lo, hi in field.bounds.T)
    index = np.random.default_rng(1).integers(60, size=(4000, 3))
    points = np.stack([axes[k][index[:, k]] for k in range(3)], 1)
    assert np.abs(field.sdf_lattice(axes, index) - field.sdf(points)).max() < 1e-5


def test_only_hanging_hair_needs_the_volume_branch(generator):
    buzz, long = (
        GeneratedField(generator, generator.mapping(latent_with_style(style)))
        for style in ("buzz", "long")
    )
    assert not buzz.has_volume and long.has_volume
    beside_the_neck = np.array([[0.085, 0.09, -0.12], [-0.085, 0.09, -0.12]], np.float32)
    assert (long.sdf(beside_the_neck) < 0).all() and (buzz.sdf(beside_the_neck) > 0.01).all()


@pytest.mark.parametrize("style", ["bob", "long", "ponytail", "bun"])
def test_no_hair_floats_around_the_head(generator, style):
    for seed in (3, 4):
        field = GeneratedField(generator, generator.mapping(latent_with_style(style, seed)))
        line = np.linspace(-0.3, 0.3, 31, dtype=np.float32)
        x, y, z = np.meshgrid(line, line, line, indexing="ij")
        points = np.stack([x, y + 0.075, z], -1).reshape(-1, 3)
        in_front = (points[:, 1] < -0.085) & (points[:, 2] > -0.06)
        assert (field.sdf(points[in_front]) > 0).all()
        assert (field.sdf(points[np.abs(points[:, 0]) > 0.18]) > 0).all()


def test_jaw_moves_the_field(generator):
    ws = generator.mapping(sample_latents(1, 9))
    expression = torch.zeros(1, len(EXPRESSIONS))
    expression[0, EXPRESSIONS.index("jawOpen")] = 1.0
    rest, opened = GeneratedField(generator, ws), GeneratedField(generator, ws, expression)
    moved = (opened.surface - rest.surface).norm(dim=1)
    crown = rest.surface[:, 2] > 0.09
    assert moved.max() > 0.02 and moved[crown].max() < 0.001


def test_gradients_reach_the_style_rows(generator):
    ws = generator.mapping(sample_latents(1, 3)).clone().requires_grad_(True)
    field = GeneratedField(generator, ws.detach())
    points = torch.from_numpy(points_about(field, 300, 0.003))
    guide = find_guide(generator.model, field.closest, points)
    planes, values = generator.synthesis(ws), generator.readout(ws)
    surface = generator.surface_branch(ws, planes, values, guide, field.state)
    surface.color.mean().backward()
    assert torch.isfinite(ws.grad).all() and ws.grad.abs().sum() > 0


def test_guide_search_finds_what_barycentric_points_say(generator):
    model = generator.model
    surface = model.subdivide(model.v_template[None])[0]
    rng = torch.Generator().manual_seed(0)
    open_faces = (model.surface_ao[model.surface_faces].mean(1) > 0.8).nonzero()[:, 0]
    face = open_faces[torch.randint(len(open_faces), (400,), generator=rng)]
    bary = torch.full((400, 3), 1 / 3)
    corners = surface[model.surface_faces[face]]
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal = torch.nn.functional.normalize(normal, dim=-1)
    points = corners.mean(1) + 5e-4 * normal
    known = guide_from_barycentric(model, face[None], bary[None], torch.full((1, 400), 5e-4))
    found = find_guide(model, ClosestPoint(surface, model.surface_faces), points)
    assert (found.canonical - known.canonical).norm(dim=-1).median() < 1e-4
    assert (found.distance - known.distance).abs().median() < 1e-5


def test_cancel_by_tick(generator):
    class CancelError(Exception):
        pass

    def tick():
        raise CancelError

    field = GeneratedField(generator, generator.mapping(sample_latents(1, 1)), tick=tick)
    with pytest.raises(CancelError):
        field.sdf(np.zeros((10, 3), np.float32))


def test_points_of_a_wrong_shape_are_refused(generator):
    field = GeneratedField(generator, generator.mapping(sample_latents(1, 1)))
    with pytest.raises(ValueError, match=r"expected points of shape \(N, 3\)"):
        field.sdf(np.zeros((10, 2), np.float32))


def test_missing_or_damaged_weights_say_so(generator, tmp_path):
    model = generator.model
    with pytest.raises(WeightsError, match="missing"):
        load_generator(tmp_path / "none.safetensors", model)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(BUNDLED_WEIGHTS.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="damaged"):
        load_generator(cut, model)
    strange = tmp_path / "strange.safetensors"
    save_file({"a": torch.zeros(3)}, strange)
    with pytest.raises(WeightsError, match="expected avatarmmc"):
        load_generator(strange, model)


def test_weights_with_nan_are_refused(generator, tmp_path):
    from safetensors import safe_open

    state = load_file(BUNDLED_WEIGHTS)
    with safe_open(BUNDLED_WEIGHTS, framework="pt") as file:
        header = file.metadata()
    state["static_planes"][0, 0, 0, 0] = float("nan")
    path = tmp_path / "nan.safetensors"
    save_file(state, path, metadata=header)
    with pytest.raises(WeightsError, match="not finite"):
        load_generator(path, generator.model)
