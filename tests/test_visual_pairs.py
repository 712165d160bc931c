"""Photos and maps for the denoiser: what is hidden, and that both come from one head."""

import torch

from avatarmmc_blender.backend.training.latents import sample_training_latents
from avatarmmc_blender.backend.training.pairs import draw_views
from avatarmmc_blender.backend.training.visual_masks import draw_masks
from avatarmmc_blender.backend.training.visual_pairs import PooledPairs, RenderedPairs

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


def test_rendered_and_pooled_pairs(images):
    z = sample_training_latents(2, seeded(3))
    with torch.no_grad():
        ws = images.generator.mapping(z)
    image, image_mask, labels, labels_mask = RenderedPairs(images).draw(ws, z, seeded(4))
    assert image.shape == (2, 3, SIZE, SIZE) and labels.shape == (2, SIZE, SIZE)
    assert image_mask.shape == labels_mask.shape == (2, 1, SIZE, SIZE)
    assert labels.dtype == torch.int64 and (labels == 1).any()
    pool = draw_views(images, 3, 1, seeded(5))
    drawn, (image, _, labels, _) = PooledPairs(pool).draw_heads(4, seeded(6))
    assert drawn.shape == (4, 104) and len(image) == len(labels) == 4
    assert all((row == pool.z).all(1).any() for row in drawn)
