"""Strokes of soft and faint brushes on a label map, as labels."""

import numpy as np
import pytest

from avatarmmc_blender.backend.conditions.brushwork import settle_strokes
from avatarmmc_blender.backend.conditions.painted import read_painted
from avatarmmc_blender.backend.conditions.palette import PALETTE

SKIN, NOSE, EYE, HAIR, NECK = 1, 2, 5, 13, 17
COLORS = np.array(PALETTE, np.uint8)
SIDE = 256


@pytest.fixture
def before():
    """A face: skin with a nose and an eye in it, neck below, hair above, background around."""
    labels = np.zeros((128, 128), np.uint8)
    labels[20:100, 30:98] = SKIN
    labels[100:120, 50:78] = NECK
    labels[10:30, 25:103] = HAIR
    labels[50:75, 58:70] = NOSE
    labels[45:50, 40:52] = EYE
    return labels


def picture(labels):
    pixels = np.dstack([COLORS[labels], np.full(labels.shape, 255, np.uint8)])
    return pixels.repeat(2, 0).repeat(2, 1)


def stroke(pixels, label, cover):
    """Paint with a brush that covers `cover` (H, H) 0..1 of each pixel."""
    own = cover[..., None]
    pixels[..., :3] = np.rint(pixels[..., :3] * (1 - own) + COLORS[label] * own)


def disc(x, y, core, edge):
    """A brush that is full up to `core` and fades to nothing at `edge` pixels."""
    line = np.arange(SIDE)
    away = np.hypot(line - x, line[:, None] - y)
    return np.clip((edge - away) / (edge - core), 0, 1)


def shown(pixels, before):
    settled = settle_strokes(pixels, before)
    labels = read_painted(settled, "a", size=SIDE).labels
    assert np.array_equal(settled[..., :3], COLORS[labels])
    return labels


def test_an_untouched_map_stays_as_it_is(before):
    pixels = picture(before)
    pixels[:40, :, 3] = 0
    assert np.array_equal(settle_strokes(pixels, before), pixels)


@pytest.mark.parametrize("label", [HAIR, SKIN, 0])
def test_a_soft_stroke_counts_where_it_covers_half(before, label):
    pixels, cover = picture(before), disc(128, 128, 10, 70)
    stroke(pixels, label, cover)
    labels, old = shown(pixels, before), before.repeat(2, 0).repeat(2, 1)
    assert (labels[cover > 0.55] == label).mean() > 0.995
    assert (labels[cover < 0.45] == old[cover < 0.45]).mean() > 0.995


@pytest.mark.parametrize("strength, taken", [(0.4, False), (0.6, True)])
def test_a_faint_stroke_with_no_core(before, strength, taken):
    pixels = picture(before)
    cover = strength * (disc(128, 110, 40, 41) > 0)
    stroke(pixels, HAIR, cover)
    labels, old = shown(pixels, before), before.repeat(2, 0).repeat(2, 1)
    under = cover > 0
    assert (labels[under] == (HAIR if taken else old[under])).mean() > 0.99
    assert np.array_equal(labels[~under], old[~under])


def test_the_edge_between_two_strokes_is_one_of_them(before):
    pixels = picture(before)
    stroke(pixels, HAIR, (disc(40, 180, 60, 61) > 0).astype(float))
    cover = disc(40, 180, 15, 35)
    stroke(pixels, SKIN, cover)
    edge = (cover > 0) & (disc(40, 180, 40, 41) > 0)
    assert set(np.unique(shown(pixels, before)[edge])) == {SKIN, HAIR}
