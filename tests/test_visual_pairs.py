"""Photos and maps for the denoiser: what is hidden, and that both come from one head."""

import pytest
import torch

from avatarmmc_blender.backend.training.heads import Request
from avatarmmc_blender.backend.training.latent_pairs import GeneratedHeads
from avatarmmc_blender.backend.training.pairs import draw_views
from avatarmmc_blender.backend.training.visual_masks import draw_masks
from avatarmmc_blender.backend.training.visual_pairs import visuals

SIZE = 128


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_masks_keep_all_much_or_little():
    labels = torch.randint(19, (64, SIZE, SIZE), generator=seeded())
    masks = draw_masks(labels, seeded(1))
    assert masks.shape == (64, 1, SIZE, SIZE) and set(masks.unique().tolist()) == {0.0, 1.0}
    share = masks.mean((1, 2, 3))
    assert 0.25 < (share == 1).float().mean() < 0.65 and share.min() < 0.6
    assert torch.equal(masks, draw_masks(labels, seeded(1)))


def test_photos_and_maps_are_of_the_views_and_masked_apart(images):
    views = draw_views(images, 2, 1, seeded(5))
    shown = visuals(views, seeded(4))
    image, labels = shown["image"], shown["labels"]
    assert image.shape == (2, 3, SIZE, SIZE) and labels.shape == (2, SIZE, SIZE)
    assert shown["image_mask"].shape == shown["labels_mask"].shape == (2, 1, SIZE, SIZE)
    off = (shown["landmarks"] - views.landmarks).norm(dim=-1)
    assert 0 < off.mean() < 0.15
    assert labels.dtype == torch.int64 and (labels == 1).any()
    again = visuals(views, seeded(4))
    assert all(torch.equal(value, again[name]) for name, value in shown.items())


def test_processes_share_the_batch_that_one_would_see(images):
    heads = GeneratedHeads(images.generator, draw_views(images, 3, 1, seeded(5)))
    space = heads.fit_space()
    whole = heads.draw(space, Request(32, 2, True), seeded(1))
    parts = [heads.draw(space, Request(32, 2, True, part=(i, 2)), seeded(1)) for i in range(2)]
    order = torch.arange(32).view(2, 2, 8).transpose(0, 1).flatten()
    for name in ("image", "image_mask", "labels", "labels_mask", "landmarks", "attributes_given"):
        joined = torch.cat([getattr(part.conditions, name) for part in parts])
        assert torch.equal(joined, getattr(whole.conditions, name)[order]), name
    for name in ("clean", "noise", "t"):
        joined = torch.cat([getattr(part, name) for part in parts])
        own = getattr(whole, name).unflatten(0, (32, 2))[order].flatten(0, 1)
        assert torch.allclose(joined, own, atol=1e-5), name
    with pytest.raises(ValueError, match="choose a multiple of 16"):
        heads.draw(space, Request(6, pictures=True, part=(0, 2)), seeded(1))
