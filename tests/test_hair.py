"""Detail fields, scalp hair, beards and hair volumes."""

from __future__ import annotations

import pytest
import torch

from avatarmmc_blender.backend.head_model import load_bundled
from avatarmmc_blender.backend.synthetic.beard import beard
from avatarmmc_blender.backend.synthetic.detail import (
    DETAIL_DIM,
    DETAIL_NAMES,
    column,
    detail_fields,
)
from avatarmmc_blender.backend.synthetic.hair import scalp_hair
from avatarmmc_blender.backend.synthetic.hair_volume import FAR, hair_volume
from avatarmmc_blender.backend.synthetic.latent import (
    APPEARANCE_INDEX,
    LATENT_DIM,
    SHAPE_DIM,
    STYLE_DIRECTIONS,
    STYLE_SLICE,
    derive,
    measure,
    sample_latents,
)
from avatarmmc_blender.backend.synthetic.styles import STYLE_NAMES


@pytest.fixture(scope="module")
def model():
    return load_bundled()


@pytest.fixture(scope="module")
def skin(model):
    """Canonical skin points (1, N, 3) and their detail fields."""
    p = model.surface_canonical[None]
    return p, detail_fields(p)


def styled(model, style, masc=0.0, **gaussians):
    z = torch.zeros(1, LATENT_DIM)
    z[0, :SHAPE_DIM] = masc * model.directions["masc"]
    z[0, STYLE_SLICE] = 2.4 * STYLE_DIRECTIONS[STYLE_NAMES.index(style)]
    for name, value in gaussians.items():
        z[0, APPEARANCE_INDEX[name]] = value
    return z


def hair_of(model, skin, style, **kwargs):
    return scalp_hair(*skin, derive(styled(model, style, **kwargs), model))


def test_detail_fields_are_bounded_and_alive(skin):
    p, detail = skin
    assert detail.shape == (*p.shape[:2], DETAIL_DIM)
    assert torch.isfinite(detail).all() and detail.abs().max() <= 1
    dead = [name for name in DETAIL_NAMES if column(detail, name).std() < 1e-3]
    assert not dead


def test_detail_fields_do_not_depend_on_the_batch(skin):
    p, detail = skin
    some = torch.arange(0, p.shape[1], 97)
    assert torch.allclose(detail_fields(p[0, some]), detail[0, some], atol=1e-5)


def test_locks_have_no_seam_behind_the_head():
    side = torch.tensor([[1e-6, 0.2, -0.02], [-1e-6, 0.2, -0.02]])
    whorl = torch.tensor([[0.012 + 1e-6, 0.2, 0.05], [0.012 - 1e-6, 0.2, 0.05]])
    for pair in (side, whorl):
        left, right = detail_fields(pair)
        assert (left - right).abs().max() < 0.02


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_hair_stays_off_the_face_and_in_range(model, skin, style):
    thickness, cover, shade = hair_of(model, skin, style)
    assert torch.isfinite(torch.stack([thickness, cover, shade])).all()
    assert thickness.min() >= 0 and thickness.max() < 0.09
    assert cover.min() >= 0 and cover.max() <= 1
    assert shade.min() > 0.1 and shade.max() < 1.6
    p = skin[0][0]
    face = (p[:, 1] < 0.03) & (p[:, 2] < 0.025)
    assert thickness[0, face].max() < 1e-3
    assert cover[0, face].max() < 0.05
    ears = (p[:, 0].abs() > 0.09) & (p[:, 2] < 0)
    assert thickness[0, ears].max() < 2e-3


def test_styles_differ_as_their_names_say(model, skin):
    top = skin[0][0, :, 2] > 0.12
    height = {s: float(hair_of(model, skin, s)[0][0, top].mean()) for s in STYLE_NAMES}
    assert height["bald"] < 5e-4 and height["horseshoe"] < 2e-3
    assert height["buzz"] < 4e-3 < height["crop"] < height["afro"]
    volume = hair_of(model, skin, "crop", volume=2.0)[0].mean()
    assert volume > 1.1 * hair_of(model, skin, "crop", volume=-2.0)[0].mean()


def test_crop_fades_towards_the_ear(model, skin):
    thickness = hair_of(model, skin, "crop")[0][0]
    p = skin[0][0]
    side = (p[:, 0].abs() > 0.06) & (p[:, 1] > 0.05) & (p[:, 1] < 0.10)
    low = thickness[side & (p[:, 2] > 0.025) & (p[:, 2] < 0.035)].mean()
    high = thickness[side & (p[:, 2] > 0.085) & (p[:, 2] < 0.095)].mean()
    assert high > 3 * low


def test_hair_varies_continuously_over_the_skin(model):
    g = torch.Generator().manual_seed(0)
    pick = torch.randint(0, len(model.surface_canonical), (1, 3000), generator=g)
    p = model.surface_canonical[pick[0]][None]
    step = 2e-5 * torch.randn(p.shape, generator=g)
    params = derive(styled(model, "curly"), model)
    here, there = (scalp_hair(x, detail_fields(x), params)[0] for x in (p, p + step))
    slope = (here - there).abs() / step.norm(dim=-1)
    assert slope.quantile(0.99) < 6


def test_beard_needs_its_amounts_and_leaves_lips_free(model, skin):
    p, detail = skin
    none = torch.zeros(p.shape[:2])
    full = styled(model, "bald", masc=1.0, beard=2.0, must=2.0, full=2.0, beard_len=1.0)
    params = derive(full, model)
    thickness, cover, stubble, shade = beard(p, detail, params, none)
    assert 0.004 < thickness.max() < 0.025
    assert cover.max() > 0.8 and stubble.max() > 0.2
    assert shade.min() > 0.4 and shade.max() < 1.4
    upper_face = p[0, :, 2] > 0.03
    assert thickness[0, upper_face].max() == 0
    shaved = beard(p, detail, params, torch.ones_like(none))
    assert shaved[0].max() == 0 and shaved[2].max() == 0
    woman = derive(styled(model, "bob", masc=-1.0, beard=2.0, full=2.0), model)
    assert beard(p, detail, woman, none)[1].max() == 0


def test_volumes_exist_for_long_styles_only(model):
    z = torch.cat([styled(model, s) for s in ("crop", "bob", "long", "ponytail", "bun")])
    params, measures = derive(z, model), measure(model, z[:, :SHAPE_DIM])
    axis = torch.linspace(-0.24, 0.24, 33)
    grid = torch.cartesian_prod(axis, axis + 0.075, axis).expand(5, -1, -1)
    distance, shade = hair_volume(grid, params, measures)
    assert (distance[0] == FAR).all()
    assert torch.isfinite(distance).all() and 0 < shade.min() and shade.max() < 1.4
    lowest = [float(grid[i, distance[i] < 0][:, 2].min()) for i in range(1, 5)]
    bob, long, tail, bun = lowest
    assert long < tail < bun and long < bob - 0.06


def test_volumes_leave_the_face_open(model):
    z = styled(model, "long")
    params, measures = derive(z, model), measure(model, z[:, :SHAPE_DIM])
    p = model.surface_canonical[None]
    face = (p[0, :, 1] < 0.0) & (p[0, :, 2] < 0.05) & (p[0, :, 2] > -0.12)
    assert hair_volume(p, params, measures)[0][0, face].min() > 0


def test_batched_heads_equal_single_heads(model):
    z = sample_latents(5, seed=9)
    p = model.surface_canonical[::50].expand(5, -1, -1)
    detail, params = detail_fields(p), derive(z, model)
    measures = measure(model, z[:, :SHAPE_DIM])
    together = (*scalp_hair(p, detail, params), *hair_volume(p, params, measures))
    for i in range(5):
        one = slice(i, i + 1)
        alone = (
            *scalp_hair(p[one], detail[one], params.select(one)),
            *hair_volume(p[one], params.select(one), measures.select(one)),
        )
        for a, b in zip(together, alone, strict=True):
            assert torch.allclose(a[one], b, atol=1e-5)
