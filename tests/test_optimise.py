"""Optimisation of latents: pictures with gradients, light, cameras, attributes, searches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from avatarmmc_blender.backend.conditions.conditions import (
    Conditions,
    decode_attributes,
    encode_attributes,
)
from avatarmmc_blender.backend.conditions.measure import measure_attributes
from avatarmmc_blender.backend.evaluation.held_out import held_out_head, only
from avatarmmc_blender.backend.latent.w_space import WSpace
from avatarmmc_blender.backend.optimise.attribute_loss import AttributeLoss
from avatarmmc_blender.backend.optimise.camera import fit_camera
from avatarmmc_blender.backend.optimise.lighting import lit
from avatarmmc_blender.backend.optimise.losses import Losses, LossWeights, Target
from avatarmmc_blender.backend.optimise.optimise import (
    Search,
    SearchError,
    optimise,
    personalise,
    search_latent,
)
from avatarmmc_blender.backend.optimise.photo_target import photo_target
from avatarmmc_blender.backend.optimise.picture import draw
from avatarmmc_blender.backend.optimise.visible import Camera, find_visible
from avatarmmc_blender.backend.perception.network import FaceNetwork
from avatarmmc_blender.backend.synthetic.labels import LABEL_INDEX
from avatarmmc_blender.backend.training.latents import sample_training_latents

SIZE = 48
STILL = torch.zeros(1, 52)


@pytest.fixture(scope="module")
def space(images):
    generator = images.generator
    z = sample_training_latents(600, torch.Generator().manual_seed(0))
    with torch.no_grad():
        ws = generator.mapping(z)
        read = generator.readout(ws)
    return WSpace(generator.num_ws, 256).fit(ws[:, 0], read.betas, read.values)


@pytest.fixture(scope="module")
def head(images):
    return held_out_head(images, 1)


@pytest.fixture(scope="module")
def long_hair(images):
    """The first held-out head with hanging hair."""
    for number in range(40):
        z = sample_training_latents(1, torch.Generator().manual_seed(7_770_000_000_000 + number))
        read = images.generator.readout(images.generator.mapping(z))
        if bool(images.generator.has_hanging_hair(read)):
            return held_out_head(images, number)
    raise AssertionError("no head with hanging hair among 40")


@pytest.mark.parametrize("which", ["head", "long_hair"])
def test_pictures_agree_with_the_renderer(images, which, request):
    own = request.getfixturevalue(which)
    visible = find_visible(images, own.ws, STILL, own.camera, 64)
    with torch.no_grad():
        read = images.generator.readout(own.ws)
        picture = draw(images.generator, own.ws, read, STILL, visible)
    posed = images.pose(own.ws, STILL)
    truth = posed.render(own.camera.cam2world, own.camera.intrinsics, 64, 1)
    both = (truth.coverage > 0) & (picture.coverage[0] > 0.5)
    assert both.float().mean() > 0.97 * (truth.coverage > 0).float().mean()
    away = (picture.color - truth.color.permute(2, 0, 1)).abs().mean(0)[both]
    assert away.median() < 0.01 and away.mean() < 0.03
    assert (picture.labels.argmax(0) == truth.label)[both].float().mean() > 0.95
    assert torch.allclose(picture.landmarks, own.landmarks, atol=1e-4)


def test_gradients_point_to_the_truth(images, space, head):
    """Along the way from a nearby head to the true one the loss falls, as its gradient says."""
    exact = space.encode(head.ws)
    rng = torch.Generator().manual_seed(2)
    start = exact + 0.25 * torch.randn(exact.shape, generator=rng)
    target = Target(only(head.conditions, "labels"), head.camera, head.landmarks)
    losses = Losses(target, images.generator, LossWeights(), SIZE)
    latent = start.clone().requires_grad_()
    ws = space.decode(latent)
    visible = find_visible(images, ws, STILL, head.camera, SIZE)
    read = images.generator.readout(ws)
    found = losses(latent, exact, read, draw(images.generator, ws, read, STILL, visible))
    (found["labels"] + found["landmarks"]).backward()
    assert ((exact - start) * latent.grad).sum() < 0


@pytest.mark.parametrize("kept", [("labels",), ("image",)])
def test_searches_meet_what_is_asked(images, space, head, kept):
    seen: list[dict[str, float]] = []
    latent = optimise(
        images,
        space,
        Target(only(head.conditions, *kept), head.camera),
        search=Search(steps=20, size=SIZE, rate=0.08),
        progress=lambda step, x, losses: seen.append(losses),
    )
    # the light of a photo is explained, which leaves less of its error to the head
    name, share = {"labels": ("labels", 0.75), "image": ("pixels", 0.9)}[kept[0]]
    assert len(seen) == 20 and torch.isfinite(latent).all()
    assert seen[-1][name] < share * seen[0][name]


def test_face_network_features_take_part(images, space, head):
    seen = []
    search_latent(
        images, space, Target(only(head.conditions, "image"), head.camera),
        torch.zeros(1, *space.shape), Search(steps=2, size=32), LossWeights(),
        FaceNetwork().eval().requires_grad_(False),
        progress=lambda step, x, losses: seen.append(losses),
    )  # fmt: skip
    assert seen[0]["features"] > 0


def test_attributes_alone_need_no_picture(images, space, head):
    names = {"hair_style": "long", "beard": "none", "glasses": "round", "age": 0.6,
             "nose_width": 0.7, "skin_tone": 0.5, "freckles": 0.8, "iris_hue": 0.8}  # fmt: skip
    conditions = Conditions(*encode_attributes([names]))
    latent = optimise(images, space, Target(conditions, head.camera), search=Search(steps=150))
    generator = images.generator
    read = generator.readout(space.decode(latent))
    measured, shows = measure_attributes(read.betas, read.values, generator.model)
    got = decode_attributes(measured, shows)[0]
    assert got["hair_style"] == "long" and got["glasses"] == "round"
    for name in ("nose_width", "skin_tone"):
        assert abs(got[name] - names[name]) < 0.25, name


def test_a_head_has_its_own_attributes(images, head):
    generator = images.generator
    read = generator.readout(head.ws)
    values = read.values.clone().requires_grad_()
    own = replace(read, values=values, betas=read.betas.clone().requires_grad_())
    loss = AttributeLoss(only(head.conditions, "attributes"), generator)(own)
    loss.backward()
    assert torch.isfinite(values.grad).all() and torch.isfinite(own.betas.grad).all()
    other = encode_attributes([{"masculinity": -1.0, "skin_tone": 1.0, "hair_style": "afro"}])
    assert loss < 0.5 * AttributeLoss(Conditions(*other), generator)(read)


def test_nothing_asked_is_no_loss(images, head):
    loss = AttributeLoss(Conditions.none(1), images.generator)
    assert float(loss(images.generator.readout(head.ws))) == 0.0


def test_light_is_explained_and_white_light_changes_nothing():
    rng = torch.Generator().manual_seed(0)
    normal = torch.nn.functional.normalize(torch.randn(3, 24, 24, generator=rng), dim=0)
    color = 0.3 + 0.3 * torch.rand(3, 24, 24, generator=rng)
    mask = torch.ones(1, 24, 24)
    same = lit(color, normal, color, mask)
    assert torch.allclose(same, color, atol=2e-3)
    shade = (0.7 + 0.4 * normal[:1]).clamp_min(0.05)
    photo = (color**2.2 * shade) ** (1 / 2.2)
    assert (lit(color, normal, photo, mask) - photo).abs().mean() < 0.02
    assert torch.isfinite(lit(color, normal, photo, 0 * mask)).all()


@pytest.mark.parametrize("number", [0, 3])
def test_cameras_are_found_from_landmarks(images, number):
    own = held_out_head(images, number)
    points = images.pose(own.ws, STILL).landmarks.clone()
    found = fit_camera(own.landmarks, points)
    assert (found.project(points) - own.landmarks).norm(dim=-1).mean() < 0.01
    turn = found.cam2world[:3, :3].T @ own.camera.cam2world[:3, :3]
    assert torch.rad2deg(torch.acos(((turn.trace() - 1) / 2).clamp(-1, 1))) < 8
    with pytest.raises(ValueError, match="expected landmarks"):
        fit_camera(own.landmarks[:5], points)


def test_a_refined_head_is_nearer_to_its_photo_and_to_itself(images, space, head):
    rng = torch.Generator().manual_seed(4)
    start = space.encode(head.ws) + 0.3 * torch.randn(1, *space.shape, generator=rng)
    target = Target(head.conditions.without("attributes"), head.camera, head.landmarks)
    seen = []
    refined = personalise(
        images, space, start, target, search=Search(steps=12, rate=0.02, size=SIZE),
        progress=lambda step, x, losses: seen.append(sum(losses.values())),
    )  # fmt: skip
    assert seen[-1] < seen[0]
    assert (refined - start).square().mean() < start.square().mean()


def test_a_photo_that_was_read_is_a_target(images, space, head):
    """The average head is drawn to a photo whose camera nobody knows."""
    start = torch.zeros(1, *space.shape)
    target = photo_target(
        images.generator,
        space.decode(start),
        only(head.conditions, "image", "labels"),
        head.landmarks,
        head.camera.cam2world[:3, :3].T,
    )
    seen = []
    personalise(
        images, space, start, target, search=Search(steps=10, rate=0.05, size=SIZE),
        progress=lambda step, x, losses: seen.append(losses),
    )  # fmt: skip
    assert seen[0]["landmarks"] < 0.1 and seen[-1]["labels"] < seen[0]["labels"]


def test_what_is_worn_is_no_part_of_the_head(images, head):
    labels = head.labels.clone()
    labels[90:] = LABEL_INDEX["cloth"]
    conditions = replace(only(head.conditions, "labels", "image"), labels=labels[None])
    losses = Losses(Target(conditions, head.camera), images.generator, LossWeights(), 64)
    assert not losses.labels_mask[0, 46:].any() and losses.labels_mask[0, :44].all()
    assert losses.worn[0, 46:].all()


def test_searches_are_cancelled_and_checked(images, space, head):
    target = Target(only(head.conditions, "attributes"), head.camera)

    def stop(step, latent, losses):
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimise(images, space, target, progress=stop)
    with pytest.raises(ValueError, match="expected a latent"):
        personalise(images, space, torch.zeros(2, 16, 16), target)
    with pytest.raises(ValueError, match="at least 1 step"):
        Search(steps=0)
    with pytest.raises(ValueError, match="one head"):
        Target(head.conditions.repeat(2), Camera(torch.eye(4), torch.eye(3)))


def test_a_search_without_direction_says_so(images, space, head, monkeypatch, caplog):
    target = Target(only(head.conditions, "attributes"), head.camera)
    steps = []

    def broken(self, latent, centre, read, picture):
        steps.append(latent.detach().clone())
        bad = len(steps) == 2 or len(steps) > 3
        return {"prior": (latent - 1).square().sum() * (float("nan") if bad else 1.0)}

    monkeypatch.setattr(Losses, "__call__", broken)
    with pytest.raises(SearchError, match="since step 3 .prior."):
        optimise(images, space, target, search=Search(steps=20))
    assert "step 1 of the search" in caplog.text and len(steps) == 8
    assert torch.equal(steps[1], steps[2]) and not torch.equal(steps[0], steps[1])
