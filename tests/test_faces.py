"""Faces found in photos: the true ones, the largest of them, none where there is none."""

import numpy as np
import pytest
import torch
from PIL import Image

from avatarmmc_blender.backend.perception.cascade import detect
from avatarmmc_blender.backend.perception.face import find_face
from avatarmmc_blender.backend.perception.framing import Frame
from avatarmmc_blender.backend.perception.landmarks import uncertainty
from avatarmmc_blender.backend.perception.photo import Photo, PhotoError, photo_of_pixels
from avatarmmc_blender.backend.perception.photo_file import load_photo
from avatarmmc_blender.backend.perception.reading import read_face
from avatarmmc_blender.backend.perception.weights import load_face_network

data = pytest.importorskip("skimage.data")
HEAD = (224, 109, 226)  # middle and side of the astronaut's square


@pytest.fixture(scope="module")
def network():
    return load_face_network()


@pytest.fixture(scope="module")
def astronaut():
    """A portrait in which the cascade takes a helmet for a second face."""
    return data.astronaut()


def resized(pixels, size):
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.LANCZOS))


def assert_near(frame, expected):
    x, y, side = expected
    assert abs(frame.x - x) + abs(frame.y - y) < 0.12 * side
    assert 0.85 < frame.side / side < 1.18


def test_what_the_cascade_takes_for_a_face_is_looked_at(network, astronaut):
    photo = photo_of_pixels(astronaut)
    assert len(next(detect(photo.image))) == 2
    found = find_face(photo, network)
    assert found.notes == ()
    assert_near(found.frame, HEAD)
    assert found.landmarks.shape == (68, 2)


def test_of_several_faces_the_largest_is_used(network, astronaut):
    large = astronaut[:250, 100:350]
    small = np.full_like(large, 120)
    small[25:225, 25:225] = resized(large, 200)
    found = find_face(photo_of_pixels(np.concatenate([small, large], 1)), network)
    assert_near(found.frame, (HEAD[0] + 150, *HEAD[1:]))
    assert found.notes == ("the photo shows 2 faces; the largest is used",)


@pytest.mark.parametrize("name", ["chelsea", "coffee", "brick"])
def test_pictures_without_a_face(network, name):
    pixels = getattr(data, name)()
    pixels = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)
    with pytest.raises(PhotoError, match="no face was found"):
        find_face(photo_of_pixels(pixels), network)


def test_a_wall(network):
    wall = Photo(torch.full((3, 200, 200), 0.5), torch.ones(1, 200, 200))
    with pytest.raises(PhotoError, match="no face was found"):
        find_face(wall, network)


@pytest.mark.parametrize("left, top", [(200, 0), (0, 90)], ids=["left", "top"])
def test_a_face_at_the_border(network, astronaut, left, top):
    found = find_face(photo_of_pixels(astronaut[top:, left:]), network)
    assert_near(found.frame, (HEAD[0] - left, HEAD[1] - top, HEAD[2]))


@pytest.mark.parametrize("size", [64, 4096])
def test_tiny_and_large_photos(network, astronaut, size):
    photo = photo_of_pixels(resized(astronaut, size))
    reading = read_face(photo, network)
    assert_near(reading.frame, tuple(value * size / 512 for value in HEAD))
    assert reading.is_face
    notes = " ".join(reading.notes)
    assert ("only 2" in notes and "pixels wide" in notes) == (size == 64)


def test_a_photo_that_was_held_sideways(network, astronaut, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "sideways.jpg"
    Image.fromarray(np.ascontiguousarray(np.rot90(astronaut))).save(path, exif=exif, quality=95)
    assert_near(find_face(load_photo(path), network).frame, HEAD)


def test_a_crop_without_a_face_is_told_from_one_with(network, astronaut):
    photo = photo_of_pixels(astronaut)
    assert read_face(photo, network, Frame(230.0, 130.0, 200.0)).is_face
    assert not read_face(photo, network, Frame(430.0, 430.0, 150.0)).is_face


def test_uncertainty_counts_the_cells_where_a_landmark_may_be():
    heat = torch.full((2, 68, 8, 8), 1e-9)
    heat[0, :, 3, 3] = 1.0
    heat[1, :, 2:6, 2:6] = 1 / 16
    assert torch.allclose(uncertainty(heat.log()).exp(), torch.tensor([1.0, 16.0]), atol=1e-2)


def test_the_search_can_be_cancelled(network, astronaut):
    calls = []

    def tick():
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_face(photo_of_pixels(astronaut), network, tick=tick)
