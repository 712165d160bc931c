"""Stage 2: discriminator, augmentation, images of heads with gradients, pool of true views."""

import pytest
import torch

from avatarmmc_blender.backend.generator.cameras import (
    camera_label,
    intrinsics_from_angle,
    orbit_camera,
)
from avatarmmc_blender.backend.generator.generator import Generator
from avatarmmc_blender.backend.generator.guide import find_guide
from avatarmmc_blender.backend.generator.images import density, render_images
from avatarmmc_blender.backend.generator.weights import load_bundled, save_generator
from avatarmmc_blender.backend.head_model import model as head_model
from avatarmmc_blender.backend.head_model.arkit import EXPRESSIONS
from avatarmmc_blender.backend.synthetic.head import SyntheticHeads
from avatarmmc_blender.backend.synthetic.latent import sample_latents
from avatarmmc_blender.backend.training import image_pool
from avatarmmc_blender.backend.training.adversarial import (
    AdversarialSettings,
    AdversarialTrainer,
)
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


@pytest.fixture(scope="module")
def views() -> image_pool.Views:
    return image_pool.head_views(head_model.load_bundled(), 16, torch.Generator().manual_seed(5))


def test_views_show_heads_and_keep_the_mesh_guidance_of_their_samples(views):
    weight = views.pixels[..., 3].float()
    assert len(views) == image_pool.VIEWS and views.size == 16
    assert weight[views.hit].mean() > 0.9 and (weight[~views.hit] == 0).all()
    assert (views.pixels[..., 4:].float().sum(-1) - weight).abs().max() < 0.01

    model = head_model.load_bundled()
    heads = SyntheticHeads(views.z[:1], views.expression[:1], model)
    bands, pixel = views.bands(model)
    counts = views.hit.gather(1, pixel)[0]
    samples = counts[:, None].expand(-1, image_pool.SAMPLES).flatten()
    found = find_guide(model, _Closest(heads), bands.points[0][samples])
    assert (found.distance[0] - bands.guide.distance[0][samples]).abs().max() < 1e-5
    assert (found.canonical[0] - bands.guide.canonical[0][samples]).norm(dim=-1).max() < 2e-5


class _Closest:
    def __init__(self, heads: SyntheticHeads):
        self.heads = heads

    def __call__(self, points: torch.Tensor):
        return self.heads.closest(points)


def test_pool_goes_on_where_it_was_interrupted(tmp_path, views, monkeypatch):
    made = []
    monkeypatch.setattr(image_pool, "HEADS_A_SHARD", 2)
    monkeypatch.setattr(image_pool, "head_views", lambda *_: made.append(1) or views)
    image_pool.fill_pool(tmp_path, 4, 16, seed=0)
    next(tmp_path.glob("*_00001.safetensors")).unlink()
    image_pool.fill_pool(tmp_path, 4, 16, seed=0)
    assert len(made) == 6
    loaded = image_pool.load_views(tmp_path, 4, 16)
    assert len(loaded) == 4 * image_pool.VIEWS
    assert torch.equal(loaded.pixels[: len(views)], views.pixels)


def test_the_discriminator_learns_first_and_then_the_generator_too(tmp_path, views):
    torch.manual_seed(0)
    model = head_model.load_bundled()
    save_generator(Generator(model), tmp_path / "start.safetensors")
    settings = AdversarialSettings(batch=2, size=16, steps=10, warm_up=1)
    trainer = AdversarialTrainer(settings, tmp_path / "start.safetensors", views, "cpu")
    pixels = trainer.fake_pixels(views)
    assert pixels.shape == views.pixels.shape
    assert trainer.as_images(pixels).shape == (len(views), 6, 16, 16)
    planes, score = trainer.generator.static_planes, trainer.discriminator.score.weight
    start = planes.detach().clone(), score.detach().clone()
    trainer.run_step()  # the warm-up: the discriminator alone
    assert torch.equal(planes, start[0]) and not torch.equal(score, start[1])
    losses = trainer.run_step()
    assert all(torch.isfinite(torch.tensor(value)) for value in losses.values())
    assert not torch.equal(planes, start[0])
