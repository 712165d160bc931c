"""Stage 2 parts: discriminator, augmentation, differentiable images of generated heads."""

import torch

from avatarmmc_blender.backend.generator.cameras import (
    camera_label,
    intrinsics_from_angle,
    orbit_camera,
)
from avatarmmc_blender.backend.generator.images import density, render_images
from avatarmmc_blender.backend.generator.weights import load_bundled
from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.backend.synthetic.latent import sample_latents
from avatarmmc_blender.backend.training.augment import AdaptiveAugment
from avatarmmc_blender.backend.training.discriminator import DualDiscriminator


def front_camera(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    zeros = torch.zeros(count)
    cam2world = orbit_camera(zeros, zeros, 1.5, torch.tensor([0.0, 0.06, 0.0]))
    return cam2world, intrinsics_from_angle(16.0).expand(count, 3, 3)


def test_discriminator_scores_depend_on_image_and_camera():
    torch.manual_seed(0)
    discriminator = DualDiscriminator(32)
    images = torch.randn(3, 6, 32, 32)
    cameras = camera_label(*front_camera(3))
    scores = discriminator(images, cameras)
    assert scores.shape == (3,)
    assert not torch.allclose(scores, discriminator(images.roll(1, 0), cameras))
    assert not torch.allclose(scores, discriminator(images, cameras + 0.5))


def test_discriminator_learns_to_tell_two_kinds_of_images():
    torch.manual_seed(0)
    discriminator = DualDiscriminator(16)
    optimizer = torch.optim.Adam(discriminator.parameters(), 2e-3, (0.0, 0.99))
    cameras = camera_label(*front_camera(4))
    for _ in range(30):
        real, fake = torch.randn(4, 6, 16, 16) + 0.5, torch.randn(4, 6, 16, 16) - 0.5
        loss = torch.nn.functional.softplus(discriminator(fake, cameras)).mean()
        loss = loss + torch.nn.functional.softplus(-discriminator(real, cameras)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.7


def test_augmentation_is_off_at_first_and_grows_when_the_discriminator_overfits():
    torch.manual_seed(0)
    augment = AdaptiveAugment(images_to_full=100)
    images = torch.randn(4, 6, 16, 16, requires_grad=True)
    assert torch.equal(augment(images), images)
    for _ in range(15):
        augment.update(torch.ones(4))
    assert 0.5 < augment.p < 0.7
    changed = augment(images)
    assert not torch.equal(changed, images)
    changed.sum().backward()
    assert torch.isfinite(images.grad).all()
    augment.update(-torch.ones(4))
    assert augment.p < 0.6


def test_density_is_opaque_inside_and_clear_outside():
    sdf = torch.tensor([-0.02, 0.0, 0.02])
    inside, edge, outside = density(sdf)
    assert inside > 100 * outside and abs(edge / inside - 0.5) < 1e-3


def test_images_show_a_head_and_carry_gradients():
    generator = load_bundled()
    ws = generator.mapping(sample_latents(1, 3)).clone().requires_grad_(True)
    expression = torch.zeros(1, len(EXPRESSIONS))
    images = render_images(generator, ws, expression, *front_camera(1), 24)
    assert images.color.shape == (1, 3, 24, 24) and images.labels.shape[1] == 20
    weight = images.weight[0, 0]
    assert weight[12, 12] > 0.95 and weight[0, 0] == 0 and 0.15 < weight.mean() < 0.9
    assert (images.labels.sum(1)[0] - weight).abs().max() < 0.02
    images.color.mean().backward()
    assert ws.grad.abs().sum() > 0
