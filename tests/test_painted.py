"""Pixels read as labels: what brushes leave behind, and what only looks like it."""

import numpy as np
import pytest
import torch

from avatarmmc_blender.backend.conditions.painted import (
    NUM_LABELS,
    LabelMapError,
    read_mask_pixels,
    read_painted,
    resize_labels,
)
from avatarmmc_blender.backend.conditions.palette import PALETTE, TITLES, UNKNOWN_TO_MODEL
from avatarmmc_blender.backend.synthetic.labels import LABELS

SKIN, HAIR, MOUTH = 1, 13, 10


def painted(labels):
    """Labels (H, W) as opaque pixels (H, W, 4) in the palette."""
    colors = np.array(PALETTE, np.uint8)[labels]
    return np.dstack([colors, np.full(labels.shape, 255, np.uint8)])


def halves(side=512):
    """Skin on the left, hair on the right."""
    labels = np.full((side, side), SKIN)
    labels[:, side // 2 :] = HAIR
    return labels


def soft(pixels, width):
    """The same picture with edges as a soft brush leaves them: means over a row's neighbours."""
    pixels = pixels.astype(float)
    shifted = [np.roll(pixels, step, 1) for step in range(-width, width + 1)]
    middle = slice(2 * width, -2 * width)
    pixels[:, middle] = np.mean(shifted, axis=0)[:, middle]
    return np.rint(pixels).astype(np.uint8)


def test_every_class_has_a_colour_and_a_name():
    assert len(PALETTE) == len(TITLES) == NUM_LABELS == len(set(PALETTE))
    assert set(UNKNOWN_TO_MODEL) < set(TITLES)
    assert [LABELS[TITLES.index(name)] for name in ("Hair", "Glasses", "Left Ear")] == [
        "hair", "eye_g", "l_ear",
    ]  # fmt: skip


def test_soft_edges_take_the_labels_beside_them():
    read = read_painted(soft(painted(halves()), 6), "a")
    assert set(np.unique(read.labels)) == {SKIN, HAIR}
    assert np.array_equal(read.labels, halves(128))
    assert "label beside them" in read.notes[0]


def test_crossing_soft_strokes_take_labels_that_are_there():
    labels = halves()
    labels[200:300] = MOUTH
    pixels = soft(soft(painted(labels), 6).swapaxes(0, 1), 6)
    read = read_painted(pixels, "a")
    assert set(np.unique(read.labels)) == {SKIN, HAIR, MOUTH}
    assert "label's colour" not in " ".join(read.notes)


def test_rounding_of_colour_management_is_no_other_colour():
    pixels = painted(halves())
    pixels[..., :3] += ((pixels[..., :3] < 254) * 2).astype(np.uint8)
    read = read_painted(pixels, "a")
    assert read.notes == () and np.array_equal(read.labels, halves(128))


def test_a_colour_that_is_no_mixture_is_foreign():
    pixels = painted(halves())
    pixels[100, 256] = (100, 200, 90, 255)
    with pytest.raises(LabelMapError, match=r"1 pixels .* #64c85a at \(256, 100\).*snap"):
        read_painted(pixels, "a")
    assert "nearest label's colour" in read_painted(pixels, "a", snap=True).notes[0]


def test_a_stroke_at_half_strength_is_foreign():
    pixels = painted(np.full((512, 512), SKIN))
    pixels[100:300, 100:300, :3] = (102, 0, 102)
    with pytest.raises(LabelMapError, match="40000 pixels in 1 colours"):
        read_painted(pixels, "a")


def test_an_untouched_map_is_the_same_after_enlarging():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, NUM_LABELS, (128, 128))
    large = labels.repeat(4, 0).repeat(4, 1)
    assert np.array_equal(read_painted(painted(large), "a").labels, labels)


@pytest.mark.parametrize("side", [32, 128, 100, 300, 3000])
def test_maps_of_any_size_are_read(side):
    read = read_painted(painted(halves(side)), "a")
    assert read.labels.shape == read.given.shape == (128, 128)
    assert np.mean(read.labels == halves(128)) > 0.98


def test_resizing_agrees_with_areas():
    labels = np.random.default_rng(1).integers(0, 5, (200, 200))
    shares = torch.from_numpy(np.stack([labels == c for c in range(5)])).double()
    best = torch.nn.functional.adaptive_avg_pool2d(shares, 128)
    assert np.array_equal(resize_labels(labels, 128), best.argmax(0).numpy())


def test_class_numbers_in_grey():
    labels = halves(128)
    pixels = np.dstack([labels] * 3 + [np.full(labels.shape, 255)]).astype(np.uint8)
    assert np.array_equal(read_painted(pixels, "a").labels, labels)


def test_erased_parts_are_not_given():
    pixels = painted(halves())
    pixels[:256, :, 3] = 0
    read = read_painted(pixels, "a")
    assert not read.given[:64].any() and read.given[64:].all()
    pixels[..., 3] = 0
    with pytest.raises(LabelMapError, match="transparent all over"):
        read_painted(pixels, "a")


def test_masks_are_white_or_what_is_opaque():
    pixels = np.zeros((256, 256, 4), np.uint8)
    pixels[..., 3] = 255
    with pytest.raises(LabelMapError, match="is empty"):
        read_mask_pixels(pixels, "a")
    pixels[:128, :, :3] = 255
    mask = read_mask_pixels(pixels, "a")
    assert mask[:64].all() and not mask[64:].any()
    pixels[:, :128, 3] = 0
    mask = read_mask_pixels(pixels, "a")
    assert mask[:, 64:].all() and not mask[:, :64].any()
