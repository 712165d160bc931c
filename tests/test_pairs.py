"""Views of generated heads: geometry that agrees, shards that repeat, pools that resume."""

from dataclasses import fields

import pytest
import torch

from avatarmmc_blender.backend.generator.cameras import look_at
from avatarmmc_blender.backend.generator.fast_images import project
from avatarmmc_blender.backend.perception.framing import SIZE, Frame, crop_intrinsics, frame_around
from avatarmmc_blender.backend.synthetic.latent import LATENT_DIM, SHAPE_DIM, STYLE_SLICE
from avatarmmc_blender.backend.training.pairs import (
    Views,
    draw_views,
    random_camera,
    read_pool,
    restyle,
    shard_path,
    write_pool,
)


@pytest.fixture(scope="module")
def views(images):
    return draw_views(images, 2, 2, torch.Generator().manual_seed(3))


def test_views_have_the_documented_shapes(views):
    assert len(views) == 4 and views.head.tolist() == [0, 0, 1, 1]
    assert views.z.shape == (4, LATENT_DIM) and views.camera.shape == (4, 25)
    assert views.color.shape == (4, 3, SIZE, SIZE) and views.color.dtype == torch.uint8
    assert views.label.shape == (4, SIZE, SIZE) and int(views.label.max()) < 19
    outside = views.coverage == 0
    assert not views.label[outside].any() and not views.color.movedim(1, -1)[outside].any()
    assert torch.equal(views.z[0, :SHAPE_DIM], views.z[1, :SHAPE_DIM])


def test_landmarks_and_rotation_agree_with_the_camera(images, views):
    model = images.generator.model
    for row in range(len(views)):
        cam2world, intrinsics = views.camera[row, :16].view(4, 4), views.camera[row, 16:].view(3, 3)
        assert torch.allclose(views.rotation[row], cam2world[:3, :3].T, atol=1e-6)
        with torch.no_grad():
            values = images.generator.readout(images.generator.mapping(views.z[row : row + 1]))
            posed = model.forward(values.betas, views.expression[row : row + 1])[0][0]
        places = project(posed[model.landmarks], cam2world, intrinsics)[0]
        assert torch.allclose(places, views.landmarks[row], atol=1e-4)


def test_the_picture_is_cut_like_a_photo(views):
    for landmarks in views.landmarks:
        frame = frame_around(landmarks)
        assert abs(frame.x - 0.5) < 0.1 and abs(frame.y - 0.5) < 0.1 and 0.75 < frame.side < 1.3


def test_noses_are_seen_where_the_landmark_is(views):
    for row in range(len(views)):
        column, line = (views.landmarks[row, 30] * SIZE).long().tolist()
        if views.seen[row, 30]:
            around = views.label[row, line - 3 : line + 4, column - 3 : column + 4]
            assert (around == 2).any()


def test_other_hair_leaves_the_person(images):
    z = torch.randn(3, LATENT_DIM)
    changed = restyle(z, torch.Generator().manual_seed(0))
    assert torch.equal(z[:, :SHAPE_DIM], changed[:, :SHAPE_DIM])
    assert not torch.equal(z[:, STYLE_SLICE], changed[:, STYLE_SLICE])


def test_crop_intrinsics_show_the_square():
    intrinsics = crop_intrinsics(Frame(0.1, -0.05, 0.4))
    camera = look_at(
        torch.tensor([[0.0, -1.0, 0.0]]), torch.zeros(1, 3), torch.tensor([0.0, 0.0, 1.0])
    )[0]
    corner = torch.tensor([[-0.1, -0.25, 1.0], [0.3, 0.15, 1.0]]) @ camera[:3, :3].T
    places = project(corner + camera[:3, 3], camera, intrinsics)[0]
    assert torch.allclose(places, torch.tensor([[0.0, 0.0], [1.0, 1.0]]), atol=1e-5)


def test_cameras_stay_before_the_head():
    rng = torch.Generator().manual_seed(0)
    for _ in range(50):
        camera = random_camera(rng)
        assert torch.allclose(camera[:3, :3] @ camera[:3, :3].T, torch.eye(3), atol=1e-5)
        assert camera[1, 3] < 0.1 and 0.6 < camera[:3, 3].norm() < 3.2


def test_pool_is_resumed_and_repeats(images, tmp_path):
    write_pool(images, tmp_path, heads=2, views=1, shard=1, seed=5, weights="abc")
    whole = read_pool(tmp_path)
    assert whole.head.tolist() == [0, 1] and len(read_pool(tmp_path, limit=1)) == 1
    kept = shard_path(tmp_path, 0).stat().st_mtime_ns
    shard_path(tmp_path, 1).unlink()
    write_pool(images, tmp_path, heads=2, views=1, shard=1, seed=5, weights="abc")
    again = read_pool(tmp_path)
    assert shard_path(tmp_path, 0).stat().st_mtime_ns == kept
    for field in fields(Views):
        assert torch.equal(getattr(whole, field.name), getattr(again, field.name)), field.name
    with pytest.raises(ValueError, match="holds no pairs"):
        read_pool(tmp_path / "nothing")
