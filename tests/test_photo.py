"""Reading photos: every format upright in sRGB, everything unusable refused in a sentence."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, PngImagePlugin

from avatarmmc_blender.backend.perception.photo import LARGEST, PhotoError, photo_of_pixels
from avatarmmc_blender.backend.perception.photo_file import load_photo

RED = (200, 40, 30)


def picture(size=(64, 48), color=RED):
    """A picture whose upper half is coloured and whose lower half is black."""
    image = Image.new("RGB", size)
    image.paste(color, (0, 0, size[0], size[1] // 2))
    return image


def corner(photo):
    return photo.image[:, 1, 1]


def test_plain_picture(tmp_path):
    picture().save(tmp_path / "a.png")
    photo = load_photo(tmp_path / "a.png")
    assert photo.image.shape == (3, 48, 64) and photo.given.all() and photo.notes == ()
    assert torch.allclose(corner(photo), torch.tensor(RED) / 255)
    assert photo.image[:, -1].max() == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_followed(tmp_path, orientation):
    upright = picture()
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(back[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    photo = load_photo(tmp_path / "a.png")
    assert torch.allclose(photo.image, load_plain(upright, tmp_path), atol=1e-3)


def load_plain(image, folder):
    image.save(folder / "plain.png")
    return load_photo(folder / "plain.png").image


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16", "CMYK", "F", "YCbCr", "I"])
def test_every_mode_gives_three_channels(tmp_path, mode):
    if mode == "I;16":
        image = Image.fromarray(np.full((48, 64), 40000, np.uint16))
    elif mode == "I":
        image = Image.fromarray(np.full((48, 64), 40000, np.int32))
    elif mode == "F":
        image = Image.fromarray(np.full((48, 64), 0.61, np.float32))
    else:
        image = picture().convert(mode)
    suffix = "tif" if mode in ("CMYK", "F", "I", "I;16", "YCbCr") else "png"
    image.save(tmp_path / f"a.{suffix}")
    photo = load_photo(tmp_path / f"a.{suffix}")
    assert photo.image.shape == (3, 48, 64) and photo.image.dtype == torch.float32
    assert 0 <= photo.image.min() and photo.image.max() <= 1
    if mode in ("I;16", "I", "F"):
        assert torch.allclose(corner(photo), torch.tensor(0.61), atol=0.001)
    if mode in ("RGBA", "CMYK", "YCbCr"):
        assert torch.allclose(corner(photo), torch.tensor(RED) / 255, atol=0.03)


def test_transparent_parts_are_not_given(tmp_path):
    image = picture().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 10, 48))
    image.save(tmp_path / "a.png")
    photo = load_photo(tmp_path / "a.png")
    assert not photo.given[0, :, :10].any() and photo.given[0, :, 10:].all()
    Image.new("RGBA", (64, 64)).save(tmp_path / "b.png")
    with pytest.raises(PhotoError, match="transparent all over"):
        load_photo(tmp_path / "b.png")


def test_colour_profile_is_converted(tmp_path):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture().save(tmp_path / "srgb.png", icc_profile=lab)
    assert torch.allclose(
        corner(load_photo(tmp_path / "srgb.png")), torch.tensor(RED) / 255, atol=0.01
    )
    picture().save(tmp_path / "odd.png", icc_profile=b"no profile at all")
    photo = load_photo(tmp_path / "odd.png")
    assert "damaged colour profile" in photo.notes[0]


def test_large_pictures_are_read_smaller(tmp_path):
    Image.new("RGB", (20_000, 1000), RED).save(tmp_path / "wide.jpg")
    photo = load_photo(tmp_path / "wide.jpg")
    assert max(photo.image.shape) <= LARGEST and "read smaller" in photo.notes[0]
    assert photo.scale == max(photo.image.shape) / 20_000


def test_20000_pixels_square_is_refused_before_it_is_decoded(tmp_path):
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    (tmp_path / "huge.png").write_bytes(file.getvalue())
    with pytest.raises(PhotoError, match="20000 x 20000 pixels; make it smaller"):
        load_photo(tmp_path / "huge.png")


@pytest.mark.parametrize(
    ("size", "message"),
    [((1, 1), "at least 32"), ((500, 3), "at least 32"), ((12_000, 40), "too narrow")],
)
def test_small_pictures_are_refused(tmp_path, size, message):
    Image.new("RGB", size).save(tmp_path / "a.png")
    with pytest.raises(PhotoError, match=message):
        load_photo(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_truncated_files_are_refused(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / f"a.{suffix}")
    whole = (tmp_path / f"a.{suffix}").read_bytes()
    for share in (0.02, 0.5, 0.9):
        (tmp_path / f"a.{suffix}").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(PhotoError, match="damaged|no picture"):
            load_photo(tmp_path / f"a.{suffix}")


def test_no_picture_at_all(tmp_path):
    (tmp_path / "a.png").write_bytes(b"hello")
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("a.png", "empty.png"):
        with pytest.raises(PhotoError, match="no picture that can be read"):
            load_photo(tmp_path / name)
    for path in (tmp_path / "missing.png", tmp_path):
        with pytest.raises(PhotoError, match="choose another file"):
            load_photo(path)


def test_not_a_number(tmp_path):
    Image.fromarray(np.full((48, 64), np.nan, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(PhotoError, match="no numbers"):
        load_photo(tmp_path / "a.tif")


def test_hidden_text_bomb_is_refused(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * (80 << 20), zip=True)
    picture().save(tmp_path / "a.png", pnginfo=info)
    with pytest.raises(PhotoError, match="damaged|no picture"):
        load_photo(tmp_path / "a.png")


def test_animation_gives_its_first_picture(tmp_path):
    picture().save(tmp_path / "a.gif", save_all=True, append_images=[Image.new("RGB", (64, 48))])
    photo = load_photo(tmp_path / "a.gif")
    assert "the first is used" in photo.notes[0] and corner(photo)[0] > 0.7


def test_pixels_in_memory():
    pixels = np.array(picture((3000, 2000)).convert("RGBA"))
    pixels[:, :600, 3] = 0
    photo = photo_of_pixels(pixels)
    assert photo.image.shape == (3, 1365, 2048) and photo.scale == LARGEST / 3000
    assert torch.allclose(photo.image[:, 1, -1], torch.tensor(RED) / 255)
    assert not photo.given[0, :, :400].any() and photo.given[0, :, 420:].all()
    small = photo_of_pixels(np.array(picture()))
    assert small.scale == 1.0 and small.given.all() and small.notes == ()


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((64, 64), np.uint8), "expected pixels"),
        (np.zeros((64, 64, 3), np.float32), "expected pixels"),
        (np.zeros((0, 64, 3), np.uint8), "expected pixels"),
        (np.zeros((64, 3, 3), np.uint8), "at least 32"),
        (np.zeros((32, 9000, 3), np.uint8), "too narrow"),
        (np.zeros((64, 64, 4), np.uint8), "transparent all over"),
        (np.broadcast_to(np.uint8(0), (20_000, 20_000, 3)), "make it smaller"),
    ],
)
def test_pixels_that_are_no_photo_are_refused(pixels, message):
    with pytest.raises(PhotoError, match=message):
        photo_of_pixels(pixels)
