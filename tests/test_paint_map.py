"""Images of Blender as bytes, label maps to paint on, and what a head was made from as images."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image, ImageOps

bpy = pytest.importorskip("bpy")

import avatarmmc_blender as addon  # noqa: E402
from avatarmmc_blender.backend.answer.evidence import Evidence  # noqa: E402
from avatarmmc_blender.backend.conditions.painted import read_painted  # noqa: E402
from avatarmmc_blender.backend.conditions.palette import PALETTE  # noqa: E402
from avatarmmc_blender.crop_overlay import crop_corners  # noqa: E402
from avatarmmc_blender.errors import AvatarError  # noqa: E402
from avatarmmc_blender.evidence_images import evidence_images  # noqa: E402
from avatarmmc_blender.exif import (  # noqa: E402
    is_cut_short,
    orientation,
    raw_point,
    upright,
    upright_size,
)
from avatarmmc_blender.paint_map import (  # noqa: E402
    PALETTE_NAME,
    erased_mask,
    label_palette,
    map_pixels,
    map_rig,
    new_map_image,
    open_image,
    paint_color,
    take_color,
)
from avatarmmc_blender.pictures import image_pixels, new_image  # noqa: E402

HAIR = 13


@pytest.fixture
def blender(empty_scene):
    addon.register()
    yield bpy
    addon.unregister()


def random_pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def load(path, picture, **options):
    picture.save(path, **options)
    return bpy.data.images.load(str(path))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("color_space", ["sRGB", "Non-Color", "Linear Rec.709"])
def test_bytes_of_files_are_exact_whatever_the_colour_space(
    empty_scene, tmp_path, mode, color_space
):
    wanted = random_pixels(5, 7, len(mode)).squeeze()
    image = load(tmp_path / "a.png", Image.fromarray(wanted, mode))
    image.colorspace_settings.name = color_space
    pixels = image_pixels(image)
    assert pixels.shape == (5, 7, 4) and pixels.dtype == np.uint8
    assert np.array_equal(pixels, np.asarray(Image.fromarray(wanted, mode).convert("RGBA")))


def test_sixteen_bits_are_encoded_as_srgb_again(empty_scene, tmp_path):
    wanted = random_pixels(5, 7).astype(np.uint16) * 257
    image = load(tmp_path / "a.png", Image.fromarray(wanted))
    assert image.is_float
    assert np.array_equal(image_pixels(image)[..., 0], wanted // 257)


def test_painted_and_new_images_come_back(empty_scene):
    wanted = random_pixels(16, 16, 4)
    image = new_image("a", wanted)
    assert image.packed_file is not None and not image.is_dirty
    assert np.array_equal(image_pixels(image), wanted)
    values = np.array(image.pixels)
    values[:4] = (1.0, 0.0, 0.0, 1.0)  # the lower left corner, as if by a brush
    image.pixels.foreach_set(values.astype(np.float32))
    assert image.is_dirty
    assert tuple(image_pixels(image)[-1, 0]) == (255, 0, 0, 255)
    generated = bpy.data.images.new("b", 8, 4, alpha=True)  # never saved
    assert image_pixels(generated).shape == (4, 8, 4)


def test_float_images_are_unpremultiplied(empty_scene):
    image = bpy.data.images.new("a", 2, 1, alpha=True, float_buffer=True)
    image.pixels.foreach_set(np.array([0.5, 0.25, 0.0, 0.5, 0, 0, 0, 0], np.float32))
    assert image_pixels(image)[0].tolist() == [[255, 188, 0, 128], [0, 0, 0, 0]]
    image.pixels[0] = float("nan")
    with pytest.raises(AvatarError, match="no numbers"):
        image_pixels(image)


@pytest.mark.parametrize("turned", range(1, 9))
def test_photos_are_turned_as_the_camera_was_held(empty_scene, tmp_path, turned):
    photo = Image.fromarray(random_pixels(50, 70, 3)).resize((280, 200))
    exif = Image.Exif()
    exif[274] = turned
    image = load(tmp_path / "a.jpg", photo, exif=exif, quality=95)
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.jpg")))
    assert np.array_equal(image_pixels(image, turn=True)[..., :3], wanted)
    image.pack()
    assert np.array_equal(image_pixels(image, turn=True)[..., :3], wanted)


@pytest.mark.parametrize("turned", range(1, 9))
def test_a_crop_is_drawn_where_it_is_cut(turned):
    stored = np.arange(5 * 7).reshape(5, 7, 1)
    turned_pixels = upright(stored, turned)
    height, width = turned_pixels.shape[:2]
    assert (width, height) == upright_size((7, 5), turned)
    for row in range(height):
        for column in range(width):
            x, y = raw_point(column + 0.5, row + 0.5, (7, 5), turned)
            assert stored[int(y), int(x)] == turned_pixels[row, column]


def test_a_crop_begins_with_the_middle_of_the_upright_photo(blender, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    settings = bpy.context.scene.avatarmmc
    settings.use_crop = True
    photo = load(tmp_path / "a.jpg", Image.new("RGB", (80, 40)), exif=exif)
    settings.photo = photo
    assert (settings.crop_x, settings.crop_y, settings.crop_side) == (20, 40, 40)
    corners = crop_corners(settings)
    assert min(corners) == pytest.approx((0.25, 0.0)) and max(corners) == pytest.approx((0.75, 1.0))


@pytest.mark.parametrize(
    "file",
    [b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\x00\x10Exif\x00\x00MM\x00*", b"\x89PNG", b"\xff" * 99],
)
def test_damaged_exif_is_no_turn(file):
    assert orientation(file) == 1


@pytest.mark.parametrize("progressive", [False, True])
def test_a_photo_that_is_cut_short_is_refused(empty_scene, tmp_path, progressive):
    photo = Image.fromarray(random_pixels(50, 70, 3)).resize((280, 200))
    photo.save(tmp_path / "a.jpg", quality=90, progressive=progressive)
    whole = (tmp_path / "a.jpg").read_bytes()
    assert not is_cut_short(whole) and not is_cut_short(whole + b"\xff\xda and more")
    assert not is_cut_short(b"\x89PNG") and not is_cut_short(b"")
    for share in (0.3, 0.6, 0.95):
        assert is_cut_short(whole[: int(share * len(whole))])
    (tmp_path / "a.jpg").write_bytes(whole[: int(0.6 * len(whole))])
    image = bpy.data.images.load(str(tmp_path / "a.jpg"))
    with pytest.raises(AvatarError, match="a.jpg (is cut short|cannot be read)"):
        image_pixels(image, turn=True)


def test_images_without_pixels_are_one_sentence(empty_scene, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(AvatarError, match="a.png cannot be read from .*choose another"):
        image_pixels(bpy.data.images.load(str(tmp_path / "a.png")))
    viewer = bpy.data.images.new("v", 8, 8, tiled=True)
    with pytest.raises(AvatarError, match="v is a tiled"):
        image_pixels(viewer)


def test_large_images_are_refused_before_they_are_read(empty_scene, monkeypatch):
    monkeypatch.setattr("avatarmmc_blender.pictures.MOST_PIXELS", 50)
    with pytest.raises(AvatarError, match="8 x 8 pixels; make it smaller"):
        image_pixels(bpy.data.images.new("a", 8, 8))


def test_an_untouched_map_gives_the_labels_that_it_shows(empty_scene):
    labels = random_pixels(128, 128) % len(PALETTE)
    read = read_painted(image_pixels(new_map_image("Avatar 0001", labels)), "a")
    assert np.array_equal(read.labels, labels) and read.given.all() and read.notes == ()


def test_erased_parts_of_a_map_may_change(empty_scene):
    pixels = image_pixels(new_map_image("Avatar 0001", np.full((128, 128), HAIR, np.uint8)))
    mask = np.zeros((64, 64, 4), np.uint8)
    mask[:16, :, :3] = mask[..., 3:] = 255
    assert erased_mask(pixels, mask) == {}
    pixels[400:, :, 3] = 0
    white = erased_mask(pixels, mask)["mask"][..., 0] == 255
    assert white[:128].all() and white[400:].all() and not white[128:400].any()
    white = erased_mask(pixels, None)["mask"][..., 0] == 255
    assert not white[:400].any() and white[400:].all()


def test_palette_holds_the_labels_colours_and_is_repaired(empty_scene):
    palette = label_palette()
    assert palette.name == PALETTE_NAME and len(palette.colors) == len(PALETTE)
    palette.colors[3].color = (0.5, 0.5, 0.5)
    assert label_palette() is palette
    wanted = paint_color(bpy.types.PaletteColor, 3)
    assert tuple(palette.colors[3].color) == pytest.approx(wanted)


def test_colours_are_linear_where_blender_paints_so(empty_scene):
    linear = bpy.types.PaletteColor.bl_rna.properties["color"].subtype == "COLOR"
    red = paint_color(bpy.types.PaletteColor, 1)[0]
    assert red == pytest.approx(0.6038 if linear else 0.8, abs=1e-4)


def test_taking_a_label_sets_the_brushes_colour(blender):
    assert bpy.ops.avatarmmc.take_label(label=HAIR) == {"FINISHED"}
    paint = bpy.context.tool_settings.image_paint
    owner = paint if hasattr(paint, "unified_paint_settings") else bpy.context.tool_settings
    color = tuple(owner.unified_paint_settings.color)
    assert color == pytest.approx(paint_color(bpy.types.PaletteColor, HAIR), abs=1e-5)
    take_color(bpy.context, 0)
    assert tuple(owner.unified_paint_settings.color) == (0.0, 0.0, 0.0)


def test_a_mask_is_painted_in_white_and_a_blank_map_has_a_legend(blender):
    for name, purpose in (("map", "LABELS"), ("mask", "MASK"), ("photo", "SEE")):
        bpy.data.images.new(name, 64, 64)
        assert bpy.ops.avatarmmc.open_image(image=name, purpose=purpose) == {"FINISHED"}
    paint = bpy.context.tool_settings.image_paint
    owner = paint if hasattr(paint, "unified_paint_settings") else bpy.context.tool_settings
    assert tuple(owner.unified_paint_settings.color) == (1.0, 1.0, 1.0)
    assert [image.name for image in bpy.data.images if "avatarmmc_map" in image] == ["map"]
    assert map_rig(bpy.data.images["map"]) is None


def test_erasing_ends_with_the_next_label(blender):
    assert bpy.ops.avatarmmc.erase_label() == {"FINISHED"}  # no brush, no error
    paint = bpy.context.tool_settings.image_paint
    if type(paint).bl_rna.properties["brush"].is_readonly:
        pytest.skip("from Blender 5.0 on brushes are chosen by users alone")
    paint.brush = bpy.data.brushes.new("a", mode="TEXTURE_PAINT")
    bpy.ops.avatarmmc.erase_label()
    assert paint.brush.blend == "ERASE_ALPHA"
    take_color(bpy.context, HAIR)
    assert paint.brush.blend == "MIX"


def test_damaged_labels_behind_a_map_are_one_sentence(empty_scene):
    image = new_map_image("Avatar 0001", np.zeros((128, 128), np.uint8))
    image["avatarmmc_labels"] = "?"
    with pytest.raises(AvatarError, match="labels .* damaged"):
        map_pixels(image)


def test_without_a_window_there_is_a_hint_and_the_palette(blender):
    image = new_map_image("Avatar 0001", np.zeros((128, 128), np.uint8))
    assert not open_image(bpy.context, image, paint=True)
    assert bpy.context.tool_settings.image_paint.palette.name == PALETTE_NAME
    assert bpy.ops.avatarmmc.open_image(image=image.name, purpose="LABELS") == {"FINISHED"}
    assert image["avatarmmc_map"] == "Avatar 0001"
    with pytest.raises(RuntimeError, match="no image nothing"):
        bpy.ops.avatarmmc.open_image(image="nothing")


def evidence():
    given = np.zeros((128, 128), bool)
    given[20:] = True
    return Evidence(
        image=random_pixels(128, 128, 3),
        image_given=given,
        labels=random_pixels(128, 128, seed=1) % len(PALETTE),
        labels_given=~given,
    )


def test_evidence_comes_back_as_images_bit_for_bit(empty_scene):
    made = evidence()
    photo, labels = evidence_images(json.loads(json.dumps(made.encode())), "Avatar 0001")
    pixels = image_pixels(photo)
    assert np.array_equal(pixels[..., :3], made.image)
    assert np.array_equal(pixels[..., 3] > 128, made.image_given)
    read = read_painted(image_pixels(labels), "a")
    assert np.array_equal(read.given, made.labels_given)
    assert np.array_equal(read.labels[read.given], made.labels[read.given])


def test_heads_without_pictures_have_no_images(empty_scene):
    assert evidence_images({}, "Avatar 0001") == (None, None)
    assert evidence_images(Evidence({"age": 0.5}).encode(), "Avatar 0001") == (None, None)


def test_damaged_evidence_is_refused_and_leaves_no_image(empty_scene):
    stored = evidence().encode()
    for name, value in (("image", "no base64!"), ("labels", stored["image"]), ("labels", 5)):
        with pytest.raises(ValueError, match=name):
            evidence_images({**stored, name: value}, "Avatar 0001")
    assert len(bpy.data.images) == 0
