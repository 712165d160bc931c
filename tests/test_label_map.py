"""Painted label maps: what is read, what is refused, what snapping does."""

import numpy as np
import pytest
import torch
from PIL import Image

from avatarmmc_blender.backend.conditions.label_map import (
    LabelMapError,
    paint_label_map,
    read_label_map,
    read_mask,
    write_label_map,
)
from avatarmmc_blender.backend.conditions.painted import NUM_LABELS

SKIN, HAIR = 1, 13


def some_labels(size=128):
    """Every class somewhere, in blocks of 4 x 4 pixels."""
    rng = torch.Generator().manual_seed(0)
    coarse = torch.randint(NUM_LABELS, (size // 4, size // 4), generator=rng)
    return coarse.repeat_interleave(4, 0).repeat_interleave(4, 1)


def save(path, array):
    Image.fromarray(array).save(path)
    return path


def test_painted_map_comes_back_exactly(tmp_path):
    labels = some_labels()
    write_label_map(labels, tmp_path / "a.png")
    read = read_label_map(tmp_path / "a.png")
    assert torch.equal(read.labels, labels) and read.given.all() and read.notes == ()


def test_class_numbers_are_read_too(tmp_path):
    labels = some_labels()
    path = save(tmp_path / "a.png", labels.numpy().astype(np.uint8))
    assert torch.equal(read_label_map(path).labels, labels)


@pytest.mark.parametrize("size", [32, 64, 256, 512, 300])
def test_other_sizes_keep_the_class_that_fills_most(tmp_path, size):
    labels = torch.full((size, size), HAIR)
    labels[size // 2 :] = SKIN
    write_label_map(labels, tmp_path / "a.png")
    read = read_label_map(tmp_path / "a.png").labels
    assert read.shape == (128, 128)
    assert (read[:64] == HAIR).all() and (read[64:] == SKIN).all()


def test_other_colours_are_refused_or_snapped(tmp_path):
    painted = paint_label_map(torch.full((128, 128), SKIN))
    painted[5, 7] = (10, 20, 200)
    path = save(tmp_path / "a.png", painted)
    with pytest.raises(
        LabelMapError, match=r"1 pixels .* #0a14c8 at \(7, 5\), nearest to hair: .*snap"
    ):
        read_label_map(path)
    read = read_label_map(path, snap=True)
    assert read.labels[5, 7] == HAIR and "nearest label" in read.notes[0]


def test_oblong_maps_are_refused_or_cut(tmp_path):
    painted = paint_label_map(torch.full((128, 200), SKIN))
    path = save(tmp_path / "a.png", painted)
    with pytest.raises(LabelMapError, match="200 x 128 pixels, expected a square"):
        read_label_map(path)
    assert "middle 128 x 128" in read_label_map(path, snap=True).notes[0]


def test_transparent_parts_are_not_given(tmp_path):
    painted = np.dstack([paint_label_map(some_labels()), np.full((128, 128), 255, np.uint8)])
    painted[:, :64, 3] = 0
    read = read_label_map(save(tmp_path / "a.png", painted))
    assert not read.given[0, :, :64].any() and read.given[0, :, 64:].all()


def test_empty_maps_and_masks_are_refused(tmp_path):
    black = np.zeros((128, 128, 3), np.uint8)
    with pytest.raises(LabelMapError, match="background only"):
        read_label_map(save(tmp_path / "a.png", black))
    with pytest.raises(LabelMapError, match="is empty"):
        read_mask(save(tmp_path / "b.png", black))
    with pytest.raises(LabelMapError, match="transparent all over"):
        read_label_map(save(tmp_path / "c.png", np.zeros((128, 128, 4), np.uint8)))


def test_mask(tmp_path):
    white = np.zeros((256, 256), np.uint8)
    white[:128] = 255
    mask = read_mask(save(tmp_path / "a.png", white))
    assert mask.dtype == torch.bool and mask[:64].all() and not mask[64:].any()


@pytest.mark.parametrize("size", [(1, 1), (20_000, 20_000)])
def test_odd_sizes_are_refused(tmp_path, size):
    Image.new("1", size).save(tmp_path / "a.png")
    with pytest.raises(LabelMapError, match="use a square one of 32 to"):
        read_label_map(tmp_path / "a.png")


def test_damaged_files_are_refused(tmp_path):
    write_label_map(some_labels(), tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:300])
    (tmp_path / "b.png").write_bytes(b"no picture")
    for name in ("a.png", "b.png", "missing.png"):
        with pytest.raises(LabelMapError):
            read_label_map(tmp_path / name)
