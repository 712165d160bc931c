"""Synthetic heads: the closed-form field, its labels, expressions and images."""

import math

import pytest
import torch

from avatarmmc_blender.backend.generator.cameras import intrinsics_from_angle, orbit_camera
from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.backend.head_model.model import load_bundled
from avatarmmc_blender.backend.synthetic.expressions import sample_expressions
from avatarmmc_blender.backend.synthetic.face import ExpressionState, face_coordinates
from avatarmmc_blender.backend.synthetic.head import SyntheticHeads
from avatarmmc_blender.backend.synthetic.images import render
from avatarmmc_blender.backend.synthetic.labels import LABEL_INDEX, LABELS, official_labels
from avatarmmc_blender.backend.synthetic.latent import (
    APPEARANCE_INDEX,
    LATENT_DIM,
    sample_latents,
)


@pytest.fixture(scope="module")
def model():
    return load_bundled()


def head(model, seed=1, weights=None, **appearance):
    z = 0.5 * sample_latents(1, seed)
    for name, value in appearance.items():
        z[0, APPEARANCE_INDEX[name]] = value
    expression = torch.zeros(1, len(EXPRESSIONS))
    for name, value in (weights or {}).items():
        expression[0, EXPRESSIONS.index(name)] = value
    return SyntheticHeads(z, expression, model)


def on_surface(heads, count=3000, seed=0):
    """Random places of the guide surface: points, canonical positions and attributes."""
    model = heads.model
    generator = torch.Generator().manual_seed(seed)
    face = torch.randint(len(model.surface_faces), (1, count), generator=generator)
    bary = torch.distributions.Dirichlet(torch.ones(3)).sample((1, count))
    corners = model.surface_faces[face]
    surface = heads.surface[0][corners]
    point = (surface * bary[..., None]).sum(-2)
    edges = surface[..., 1, :] - surface[..., 0, :], surface[..., 2, :] - surface[..., 0, :]
    normal = torch.nn.functional.normalize(torch.linalg.cross(*edges), dim=-1)
    canonical = (model.surface_canonical[corners] * bary[..., None]).sum(-2)
    ao = (model.surface_ao[corners] * bary).sum(-1)
    tongue = (model.surface_tongue[corners] * bary).sum(-1)
    return point, normal, canonical, ao, tongue


def place(x, y, z):
    """One canonical point (1, 1, 3) given in millimetres."""
    return torch.tensor([[[x, y, z]]]) * 1e-3


def guided_at(heads, p, ao=1.0, tongue=0.0):
    one = torch.ones(p.shape[:2])
    return heads.guided(p, 0 * one, torch.full_like(p, 5.0), ao * one, tongue * one)


def test_guided_needs_no_search_and_agrees_with_evaluate(model):
    heads = head(model)
    point, normal, canonical, ao, tongue = on_surface(heads)
    open_skin = ao > 0.9  # elsewhere another part of the skin may be closer
    offset = 0.001
    points = point + offset * normal
    guided = heads.guided(canonical, torch.full_like(ao, offset), points, ao, tongue)
    found = heads.evaluate(points, parts=False)
    error = (guided.sdf - found.sdf).abs()[open_skin]
    assert error.quantile(0.98) < 2e-4
    assert (guided.color - found.color).abs()[open_skin].mean() < 0.01


def test_a_batch_equals_its_heads(model):
    z, expression = 0.7 * sample_latents(2, 4), sample_expressions(2, 3)
    both = SyntheticHeads(z, expression, model)
    points = 0.1 * torch.randn(2, 200, 3, generator=torch.Generator().manual_seed(1))
    together = both.evaluate(points)
    for index in range(2):
        row = slice(index, index + 1)
        alone = SyntheticHeads(z[row], expression[row], model).evaluate(points[row])
        assert torch.allclose(together.sdf[row], alone.sdf, atol=1e-5)
        assert torch.allclose(together.color[row], alone.color, atol=1e-3)


def test_the_field_is_a_head(model):
    heads = head(model)
    places = torch.tensor([[[0.0, 0.08, 0.03], [0.0, 0.08, 0.30], [0.0, -0.15, 0.0]]])
    samples = heads.evaluate(places)
    assert samples.sdf[0, 0] < -0.03
    assert (samples.sdf[0, 1:] > 0.02).all()
    assert samples.label[0, 1] == LABEL_INDEX["background"]


def test_rows_must_match(model):
    with pytest.raises(ValueError, match="expected 2 rows, given 1"):
        SyntheticHeads(torch.zeros(2, LATENT_DIM), torch.zeros(1, 52), model)


def test_features_lie_where_they_belong(model):
    heads = head(model, beard=-2.5, must=-2.5, goatee=-2.5, full=-2.5)
    expected = {
        "u_lip": place(6, -40, -77),
        "l_lip": place(6, -37, -90),
        "nose": place(0, -50, -40),
        "l_ear": place(95, 90, -20),
        "r_ear": place(-95, 90, -20),
        "neck": place(0, 80, -140),
        "hair": place(0, 100, 135),
    }
    for name, p in expected.items():
        assert LABELS[guided_at(heads, p).label] == name
    brow = place(32, -25, 23.5)
    assert LABELS[guided_at(heads, brow).label] == "l_brow"
    assert LABELS[guided_at(heads, brow * torch.tensor([-1.0, 1, 1])).label] == "r_brow"


def test_official_labels_have_no_beard():
    labels = torch.arange(len(LABELS))
    folded = official_labels(labels)
    assert folded[-1] == LABEL_INDEX["skin"] and (folded[:-1] == labels[:-1]).all()
    assert LABELS[:19] == (
        "background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear",
        "r_ear", "mouth", "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth",
    )  # fmt: skip


def test_melanin_darkens_and_mouth_stays_red(model):
    cheek, mouth = place(55, -10, -40), place(5, -15, -90)
    light = guided_at(head(model, melanin=-2.0), cheek).color
    dark = guided_at(head(model, melanin=2.0), cheek).color
    assert (light > dark + 0.3).all()
    inner = guided_at(head(model), mouth, ao=0.05)
    red, green, _ = inner.color[0, 0]
    assert LABELS[inner.label] == "mouth" and red > 0.3 and red > 2 * green


def test_age_cuts_wrinkles(model):
    line = place(0, -30, 55)  # the bottom of a forehead line
    young = guided_at(head(model, age=-2.0), line).offset
    old = guided_at(head(model, age=2.5), line).offset
    assert old < young - 5e-4


def test_a_blink_flattens_the_lashes_of_its_own_eye(model):
    u_outer = place(46, -16, 2.4)
    mirrored = u_outer * torch.tensor([-1.0, 1.0, 1.0])
    wide = head(model, lash=2.0)
    shut = head(model, weights={"eyeBlinkLeft": 1.0}, lash=2.0)
    assert guided_at(shut, u_outer).offset < guided_at(wide, u_outer).offset - 3e-4
    assert torch.equal(guided_at(shut, mirrored).offset, guided_at(wide, mirrored).offset)


def test_lips_are_sealed_until_the_mouth_opens():
    expression = torch.zeros(3, 52)
    expression[1:, EXPRESSIONS.index("jawOpen")] = torch.tensor([0.1, 0.4])
    seal = ExpressionState.from_weights(expression).lip_seal[:, 0]
    assert seal[0] == 1 and 0 < seal[1] < 1 and seal[2] == 0


def test_face_coordinates_mirror():
    p = 0.05 * torch.randn(1, 50, 3, generator=torch.Generator().manual_seed(2))
    left, right = face_coordinates(p), face_coordinates(p * torch.tensor([-1.0, 1.0, 1.0]))
    assert torch.equal(left.lid_u, right.lid_u)
    assert torch.equal(left.above_lip_line, right.above_lip_line)


def test_sampled_expressions():
    weights = sample_expressions(2000, seed=5)
    assert torch.equal(weights, sample_expressions(2000, seed=5))
    assert weights.min() >= 0 and weights.max() <= 1
    moving = weights.sum(1) > 0
    assert 0.6 < moving.float().mean() < 0.72
    for name in ("jawOpen", "eyeBlinkLeft"):
        share = (weights[moving][:, EXPRESSIONS.index(name)] > 0).float().mean()
        assert 0.35 < share < 0.6


def test_images(model):
    heads = head(model)
    target = torch.tensor([0.0, 0.05, 0.0])
    camera = orbit_camera(torch.tensor([0.3]), torch.tensor([0.0]), 1.2, target)
    intrinsics = intrinsics_from_angle(20.0)[None]
    images = render(heads, camera, intrinsics, 40)
    shown = set(images.label.unique().tolist())
    assert {LABEL_INDEX[name] for name in ("background", "skin", "hair", "nose", "neck")} <= shown
    hit = images.depth.isfinite()
    assert torch.equal(hit, images.label > 0)
    assert 0.1 < hit.float().mean() < 0.6
    assert (images.depth[hit] - 1.2).abs().max() < 0.25
    towards = (images.normal * camera[:, None, None, :3, 2]).sum(-1)
    assert (towards[hit] < 0.3).float().mean() > 0.97
    assert math.isclose(images.normal[hit].norm(dim=-1).mean().item(), 1.0, abs_tol=1e-3)
    with pytest.raises(ValueError, match="cameras"):
        render(heads, camera[0], intrinsics, 8)
