"""From photo, map and attributes to latents: what is read, kept and answered."""

import base64
import json
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from avatarmmc_blender.backend.alignment.weights import load_descent
from avatarmmc_blender.backend.answer.answer import AnswerModels, AnswerSettings, answer
from avatarmmc_blender.backend.answer.evidence import ARRAYS, Evidence, EvidenceError
from avatarmmc_blender.backend.answer.front import front_camera
from avatarmmc_blender.backend.answer.read import read_evidence
from avatarmmc_blender.backend.conditions.label_map import write_label_map
from avatarmmc_blender.backend.conditions.painted import LabelMapError
from avatarmmc_blender.backend.conditions.palette import PALETTE
from avatarmmc_blender.backend.diffusion.guidance import Guidance
from avatarmmc_blender.backend.evaluation.held_out import held_out_head
from avatarmmc_blender.backend.generator.fast_images import project
from avatarmmc_blender.backend.perception.framing import Frame, frame_around
from avatarmmc_blender.backend.perception.network import FaceNetwork
from avatarmmc_blender.backend.perception.photo import PhotoError
from tests.tiny_diffusion import tiny_model

ROOT = Path(__file__).parents[1]
SKIN, HAIR = 1, 13
WISHES = {"age": 0.5, "hair_style": "bun"}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return FaceNetwork().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def models(images, network):
    return AnswerModels(images.generator, tiny_model(), load_descent(), network)


@pytest.fixture(scope="module")
def evidence(images):
    """All that a held-out head's photo says."""
    head = held_out_head(images, 2)
    given = np.ones((128, 128), bool)
    picture = head.conditions.image[0].permute(1, 2, 0)
    return Evidence(
        attributes=WISHES,
        image=(255 * picture).round().numpy().astype(np.uint8),
        image_given=given,
        labels=head.labels.numpy().astype(np.uint8),
        labels_given=given,
        rotation=head.camera.cam2world[:3, :3].T.contiguous().numpy(),
        landmarks=head.landmarks.numpy(),
        crop=(300.0, 200.5, 256.0),
        notes=("one", "two"),
    )


# -- evidence ------------------------------------------------------------------------------------


def test_evidence_comes_back_bit_for_bit(evidence):
    again = Evidence.decode(json.loads(json.dumps(evidence.encode())))
    for name in ARRAYS:
        one, other = getattr(again, name), getattr(evidence, name)
        assert one.dtype == other.dtype and np.array_equal(one, other)
    assert (again.attributes, again.crop, again.notes) == (WISHES, evidence.crop, ("one", "two"))
    assert Evidence.decode(Evidence().encode()).empty


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": "no base64!"}, "image that the head was made from is damaged"),
        ({"image": base64.b64encode(b"no zlib").decode()}, "is damaged"),
        ({"image": 5}, "is damaged"),
        ({"labels": packed(bytes(99))}, "expected 16384 bytes, given 99"),
        ({"labels": packed(bytes(50_000_000))}, "expected 16384 bytes, given 16385 or more"),
        ({"labels": packed(b"\x13" * 16384)}, "classes below 19"),
        ({"labels_given": packed(b"\x02" * 16384)}, "0 and 1 only"),
        ({"attributes": {"nosuch": 1.0}}, "nosuch"),
        ({"attributes": ["age"]}, "is damaged"),
        ({"crop": [1.0]}, "is damaged"),
    ],
)
def test_damaged_evidence_is_refused(evidence, change, words):
    with pytest.raises(EvidenceError, match=words):
        Evidence.decode(evidence.encode() | change)


def test_evidence_must_be_whole(evidence):
    with pytest.raises(EvidenceError, match="image and image_given belong together"):
        replace(evidence, image_given=None)
    with pytest.raises(EvidenceError, match=r"labels: expected uint8 \(128, 128\)"):
        replace(evidence, labels=evidence.labels[:64])


def test_conditions_are_what_was_given(evidence):
    hidden = evidence.labels_given.copy()
    hidden[:64] = False
    conditions = replace(evidence, labels_given=hidden).conditions()
    assert conditions.image.shape == (1, 3, 128, 128)
    assert conditions.image[0, :, 3, 5].tolist() == pytest.approx(
        (evidence.image[3, 5] / 255).tolist()
    )
    assert not conditions.labels_mask[0, 0, :64].any() and conditions.labels_mask[0, 0, 64:].all()
    assert int(conditions.attributes_given.sum()) == 2
    assert not Evidence().conditions().given("image").any()


# -- reading -------------------------------------------------------------------------------------


def photo_pixels(width=300, height=200):
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[..., 3], pixels[:, : width // 2, 0] = 255, 200
    return pixels


def test_a_photo_is_cut_out_and_read(network, tmp_path):
    """The same from a file and from memory; the crop reaches beyond the upper edge."""
    Image.fromarray(photo_pixels()).save(tmp_path / "a.png")
    crop, ticks = Frame(150.0, 20.0, 100.0), []
    read = read_evidence(
        tmp_path / "a.png", network=network, crop=crop, tick=lambda: ticks.append(1)
    )
    assert read.image[100, 10].tolist() == [200, 0, 0] and not read.image[100, 118].any()
    assert not read.image_given[:38].any() and read.image_given[39:].all()
    assert read.labels.shape == (128, 128) and read.landmarks.shape == (68, 2) and ticks
    assert read.crop == (150.0, 20.0, 100.0)
    memory = read_evidence(photo_pixels(), network=network, crop=crop)
    assert memory.encode() == read.encode()


def test_a_crop_is_in_pixels_of_the_file(network):
    small = read_evidence(photo_pixels(), network=network, crop=Frame(150.0, 100.0, 90.0))
    pixels = photo_pixels().repeat(10, 0).repeat(10, 1)  # more than are kept
    large = read_evidence(pixels, network=network, crop=Frame(1500.0, 1000.0, 900.0))
    assert np.abs(large.image.astype(int) - small.image.astype(int)).mean() < 1
    assert large.crop == (1500.0, 1000.0, 900.0)
    with pytest.raises(PhotoError, match=r"\(1500, 5000\) lies outside the photo of 3000 x 2000"):
        read_evidence(pixels, network=network, crop=Frame(1500.0, 5000.0, 900.0))


def painted(width, height):
    """Skin on the left, hair on the right."""
    labels = torch.full((height, width), HAIR)
    labels[:, : width // 2] = SKIN
    return labels


@pytest.mark.parametrize(("scale", "mode"), [(1, "L"), (2, "LA")])
def test_map_and_mask_of_the_photos_proportions_are_cut_like_it(network, tmp_path, scale, mode):
    write_label_map(painted(300 * scale, 200 * scale), tmp_path / "map.png")
    mask = np.zeros((200 * scale, 300 * scale), np.uint8)
    mask[:, : 120 * scale] = 255
    mask = mask if mode == "L" else np.dstack([np.zeros_like(mask), mask])
    Image.fromarray(mask).save(tmp_path / "mask.png")
    read = read_evidence(
        photo_pixels(), tmp_path / "map.png", tmp_path / "mask.png", WISHES,
        network, Frame(150.0, 20.0, 100.0),
    )  # fmt: skip
    assert (read.labels[60:, :63] == SKIN).all() and (read.labels[60:, 65:] == HAIR).all()
    hidden = slice(0, 25)  # 20 of the 100 pixels
    assert not read.labels_given[:, hidden].any() and not read.image_given[:, hidden].any()
    assert read.labels_given[60:, 27:].all() and read.image_given[60:, 27:].all()
    assert any("cut out like the photo" in note for note in read.notes)
    assert read.attributes == WISHES


def test_a_square_map_lies_on_what_is_cut_out(network):
    square = np.array(PALETTE, np.uint8)[painted(256, 256).numpy()]
    read = read_evidence(photo_pixels(), square, network=network, crop=Frame(60.0, 60.0, 80.0))
    assert (read.labels[:, :64] == SKIN).all() and read.labels_given.all()
    alone = read_evidence(segmentation=square)
    assert np.array_equal(alone.labels, read.labels)
    assert alone.image is None and alone.landmarks is None


def test_a_mask_must_leave_something(network):
    square = np.array(PALETTE, np.uint8)[painted(128, 128).numpy()]
    white = np.full((128, 128, 3), 255, np.uint8)
    with pytest.raises(LabelMapError, match="hides the whole map"):
        read_evidence(segmentation=square, mask=white)
    with pytest.raises(LabelMapError, match="is empty"):
        read_evidence(segmentation=square, mask=np.zeros_like(white))


def test_pictures_in_memory_are_checked(network):
    with pytest.raises(PhotoError, match="expected pixels"):
        read_evidence(np.zeros((64, 64)), network=network)
    with pytest.raises(ValueError, match="expected pixels"):
        read_evidence(segmentation=np.zeros((64, 64, 3), np.float32))


WITHOUT_PICTURE_PACKAGES = """
import sys
for name in ("bpy", "PIL", "skimage", "accelerate"):
    sys.modules[name] = None
from pathlib import Path
import numpy as np
from avatarmmc_blender.backend.answer.answer import AnswerModels
from avatarmmc_blender.backend.answer.edit import edit
from avatarmmc_blender.backend.answer.read import read_evidence
from avatarmmc_blender.backend.perception.framing import Frame
from avatarmmc_blender.backend.perception.network import FaceNetwork
grey = np.full((64, 64, 3), 1, np.uint8)
read = read_evidence(grey, grey, None, {}, FaceNetwork().eval(), Frame(32.0, 32.0, 40.0))
assert (read.labels == 1).all()
for given in ({"image": Path("a.png")}, {"segmentation": Path("a.png")}):
    try:
        read_evidence(**given, network=FaceNetwork().eval())
    except ValueError as error:
        assert "pillow" in str(error), error
    else:
        raise AssertionError
"""


def test_what_blender_lacks_is_not_needed_for_pictures_in_memory():
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_PICTURE_PACKAGES], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


# -- answers -------------------------------------------------------------------------------------


def test_variants_differ_and_repeat(models, evidence):
    settings = AnswerSettings(seed=3, variants=3, steps=2, check=False)
    found = answer(models, evidence, settings)
    assert found.latents.shape == (3, 16, 16) and found.w.shape == (3, 256)
    assert len({row.numpy().tobytes() for row in found.w}) == 3
    assert torch.equal(answer(models, evidence, settings).w, found.w)
    # without a map: a pixel of another class would move a head that is brought into line with it
    free = replace(evidence, labels=None, labels_given=None)
    second = answer(models, free, replace(settings, seed=4, variants=1))
    assert torch.allclose(second.w[0], answer(models, free, settings).w[1], atol=1e-4)
    assert found.report == {"method": "diffusion", "steps": 2, "resampled": 0}


def test_without_variety_all_seeds_agree(models, evidence):
    settings = AnswerSettings(variants=2, steps=2, truncation=0.0, check=False)
    found = answer(models, evidence, settings)
    assert torch.allclose(found.w[0], found.w[1], atol=1e-3)


def test_a_map_of_no_guidance_counts_for_nothing(models, evidence):
    asked = replace(evidence, image=None, image_given=None, rotation=None, landmarks=None)
    settings = AnswerSettings(steps=2, check=False, guidance=Guidance(labels=0.0))
    free = replace(asked, labels=None, labels_given=None)
    found = [answer(models, each, settings).w for each in (asked, free)]
    assert torch.allclose(*found, atol=1e-3)


def test_failing_heads_are_drawn_anew_and_told(models, evidence):
    """Random weights make no heads: each is drawn three times."""
    heard = []
    settings = AnswerSettings(variants=2, steps=2)
    found = answer(models, evidence, settings, lambda *told: heard.append(told))
    assert found.report["resampled"] == 4
    assert any("made anew" in note for note in found.notes)
    assert any("best of several" in note for note in found.notes)
    fractions = [fraction for _, fraction in heard]
    assert fractions == sorted(fractions) and 0 <= fractions[0] and fractions[-1] <= 1
    assert {stage for stage, _ in heard} == {"latent"}


@pytest.mark.parametrize("method", ["diffusion", "optimise"])
@pytest.mark.parametrize("at", [1, 3])
def test_answers_are_cancelled(models, evidence, method, at):
    calls = []

    def stop(stage, fraction):
        calls.append(stage)
        if len(calls) == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer(models, evidence, AnswerSettings(steps=2, method=method), stop)
    assert len(calls) == at


def test_a_search_meets_the_same_evidence(models, evidence):
    """One step of the denoiser stands for 20 of the search."""
    heard = []
    settings = AnswerSettings(steps=1, method="optimise", check=False)
    wishes = Evidence(attributes=WISHES)
    found = answer(models, wishes, settings, lambda *told: heard.append(told))
    assert found.latents.shape == (1, 16, 16) and found.latents.abs().max() > 0
    assert len(heard) == 20 and {stage for stage, _ in heard} == {"optimise"}


def test_a_refinement_follows_the_photo(models, evidence):
    heard = []
    settings = AnswerSettings(steps=1, truncation=0.0, personalise=3, check=False)
    plain = answer(models, evidence, replace(settings, personalise=0))
    shown = []
    found = answer(models, evidence, settings, lambda *told: heard.append(told), shown.append)
    assert [stage for stage, _ in heard].count("personalise") == 3
    assert [picture.shape for picture in shown] == [(128, 128, 3)] and np.ptp(shown[0]) > 50
    assert 0 < (found.latents - plain.latents).abs().max() < 0.3
    assert found.report["personalise"] == 3


def test_contradictions_are_told_once(models, evidence):
    asked = replace(evidence, attributes={"masculinity": -0.5, "beard": "full"})
    found = answer(models, asked, AnswerSettings(steps=1, check=False, personalise=1))
    assert len([note for note in found.notes if "beard does not show" in note]) == 1


def test_the_front_camera_frames_the_average_head(images):
    model = images.generator.model
    camera = front_camera(model)
    points = model.v_template[model.landmarks]
    frame = frame_around(project(points, camera.cam2world, camera.intrinsics)[0])
    assert (frame.x, frame.y, frame.side) == pytest.approx((0.5, 0.5, 1.0), abs=1e-5)
    right, left = (camera.project(points[part])[:, 0].mean() for part in ([36, 39], [42, 45]))
    assert float(right) < float(left)
