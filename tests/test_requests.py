"""Requests with photo, map and attributes: through settings, pictures and networks to heads."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from avatarmmc_blender import answers, models
from avatarmmc_blender.backend.alignment.weights import load_descent
from avatarmmc_blender.backend.answer import answer as answer_module
from avatarmmc_blender.backend.answer.answer import AnswerModels, Answers
from avatarmmc_blender.backend.answer.evidence import Evidence
from avatarmmc_blender.backend.conditions.label_map import write_label_map
from avatarmmc_blender.backend.diffusion import weights as diffusion_weights
from avatarmmc_blender.backend.diffusion.weights import save_diffusion
from avatarmmc_blender.backend.generator.weights import weights_hash
from avatarmmc_blender.backend.perception import weights as face_weights
from avatarmmc_blender.backend.perception.network import FaceNetwork
from avatarmmc_blender.backend.perception.weights import save_face_network
from avatarmmc_blender.backend.synthetic.latent import sample_latents
from avatarmmc_blender.cli import main
from avatarmmc_blender.errors import AvatarError, Cancelled
from avatarmmc_blender.pipeline import generate, remake
from avatarmmc_blender.settings import GenerateSettings
from tests.sample_head import geometry
from tests.tiny_diffusion import tiny_model

SMALL = GenerateSettings(seed=18, resolution=64, texture=128, device="cpu")


@pytest.fixture
def answering(monkeypatch):
    """Answers that are the heads of the seeds, of small networks with random weights."""

    def answer(models, evidence, settings, callback, show):
        z = [sample_latents(1, settings.seed + i, 0.5) for i in range(settings.variants)]
        ws = models.generator.mapping(torch.cat(z))
        for step in range(4):
            callback("latent", step / 4)
        latents = models.diffusion.space.encode(ws)
        return Answers(latents, ws[:, 0], ("a note",), {"method": "diffusion", "resampled": 1})

    def load(device, with_network):
        network = FaceNetwork().eval() if with_network else None
        return AnswerModels(
            models.load_model(device).generator, tiny_model(), load_descent(), network
        )

    monkeypatch.setattr(answer_module, "answer", answer)
    monkeypatch.setattr(answers, "load_answer_models", load)


@pytest.fixture
def asked(answering, tmp_path):
    """Settings with a photo, a map and an attribute."""
    pixels = np.zeros((90, 120, 3), np.uint8)
    pixels[:, 60:] = 200
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    write_label_map(torch.full((64, 64), 1), tmp_path / "map.png")
    return replace(
        SMALL,
        attributes={"age": 0.5},
        image=str(tmp_path / "photo.png"),
        segmentation=str(tmp_path / "map.png"),
        crop=(60.0, 45.0, 80.0),
        variants=2,
    )


def test_variants_are_heads_of_their_own(asked):
    heard = []
    one, other = generate(asked, lambda *told: heard.append(told))
    assert (one.settings.seed, other.settings.seed) == (18, 19)
    assert one.settings.variants == 1 and not np.array_equal(one.latent, other.latent)
    report = json.loads(json.dumps(other.report))
    assert report["conditions"]["attributes"] == {"age": 0.5}
    assert report["conditions"]["photo"]["crop"] == [60.0, 45.0, 80.0]
    assert "a note" in report["notes"] and report["resampled"] == 1
    fractions = [fraction for _, fraction in heard]
    assert np.diff(fractions).min() > -1e-9 and 0.9 < fractions[-1] <= 1.0
    assert {"photo", "latent", "surface 1/2", "rig 2/2"} <= {stage for stage, _ in heard}


def test_a_head_is_made_again_from_what_it_carries_alone(asked, tmp_path):
    (head,) = generate(replace(asked, variants=1))
    pytest.importorskip("bpy")
    from avatarmmc_blender.generate_task import metadata_of
    from avatarmmc_blender.metadata import decode_latent

    texts = json.loads(json.dumps(metadata_of(head)))
    for path in tmp_path.iterdir():
        path.unlink()
    again = remake(
        decode_latent(texts["latent"]),
        GenerateSettings.from_dict(json.loads(texts["settings"])),
        Evidence.decode(json.loads(texts["evidence"])),
    )
    assert geometry(again) == geometry(head) and again.settings == head.settings
    assert again.evidence.encode() == head.evidence.encode()
    assert json.loads(texts["notes"]) == head.report["notes"]


def test_pixels_stand_for_files(asked, tmp_path):
    photo = np.asarray(Image.open(asked.image))
    settings = replace(asked, image="Photo", variants=1)
    found = []
    real = answer_module.answer

    def keep(models, evidence, settings, callback, show):
        found.append(evidence)
        raise Cancelled()

    for own, pixels in ((asked, None), (settings, {"image": photo})):
        answer_module.answer = keep
        try:
            with pytest.raises(Cancelled):
                generate(own, None, pixels)
        finally:
            answer_module.answer = real
    assert found[0].encode() == found[1].encode()


def save_huge(path):
    Image.new("1", (20_000, 20_000)).save(path)


def save_cut_off(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:500])


def save_color(color, size=(64, 64), mode="RGB"):
    return lambda path: Image.new(mode, size, color).save(path)


BAD_PICTURES = {
    "photo of one pixel": ("image", save_color((9, 9, 9), (1, 1)), "at least 32"),
    "photo of 20,000 pixels": ("image", save_huge, "make it smaller"),
    "photo cut off": ("image", save_cut_off, "damaged"),
    "photo of no picture": ("image", lambda path: path.write_bytes(b"text"), "no picture"),
    "photo missing": ("image", lambda path: None, "choose another file"),
    "photo without a face": ("image", save_color(90, (300, 200), "L"), "face was found"),
    "photo that is transparent": ("image", save_color((1, 2, 3, 0), mode="RGBA"), "transparent"),
    "map of other colours": ("segmentation", save_color((10, 20, 200)), "snap colours"),
    "map that is oblong": ("segmentation", save_color((204, 0, 0), (64, 40)), "snap it"),
    "map that is empty": ("segmentation", save_color((0, 0, 0)), "background only"),
    "map of one pixel": ("segmentation", save_color((204, 0, 0), (1, 1)), "use a square one"),
    "map of 20,000 pixels": ("segmentation", save_huge, "use a square one"),
    "map cut off": ("segmentation", save_cut_off, "damaged"),
    "mask that is empty": ("mask", save_color((0, 0, 0)), "is empty"),
    "mask of everything": ("mask", save_color((255, 255, 255)), "hides the whole map"),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_bad_pictures_end_in_one_sentence(name, answering, tmp_path, capsys):
    option, save, words = BAD_PICTURES[name]
    given = tmp_path / "given"
    given.mkdir()
    save(given / "a.png")
    arguments = [f"--{option}", str(given / "a.png")]
    if option == "mask":
        write_label_map(torch.full((64, 64), 1), given / "map.png")
        arguments += ["--segmentation", str(given / "map.png")]
    output = tmp_path / "out"
    output.mkdir()
    assert main(["generate", *arguments, "--output", str(output / "head.glb")]) == 2
    captured = capsys.readouterr()
    assert words in captured.err and len(captured.err.strip().splitlines()) == 1
    assert captured.out == "" and not list(output.iterdir())


@pytest.fixture
def diffusion_file(tmp_path, monkeypatch):
    """Weights of a small denoiser of attributes alone, to be damaged."""
    path = tmp_path / "diffusion.safetensors"
    save_diffusion(tiny_model(visual=False), path, weights_hash(), 0)
    monkeypatch.setattr(diffusion_weights, "BUNDLED_WEIGHTS", path)
    yield path
    forget_networks()


@pytest.fixture
def face_file(tmp_path, monkeypatch):
    """Weights of a face network that is not trained."""
    path = tmp_path / "faces.safetensors"
    save_face_network(FaceNetwork(), path)
    monkeypatch.setattr(face_weights, "BUNDLED_WEIGHTS", path)
    return path


def forget_networks():
    for load in (models.load_answer_models, models._load_diffusion, models._load_face_network):
        load.cache_clear()


def damage(path, how):
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:5_000])
    else:
        model = tiny_model(visual=False)
        value = float("nan") if how == "not finite" else 0.0
        next(model.denoiser.parameters()).fill_(value)
        made_for = "0" * 64 if how == "another generator's" else weights_hash()
        save_diffusion(model, path, made_for, 0)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("missing", "is missing"),
        ("truncated", "is damaged"),
        ("not finite", "not finite"),
        ("another generator's", "was trained for generator 000000000000"),
    ],
)
def test_damaged_networks_are_explained(how, words, diffusion_file):
    forget_networks()
    damage(diffusion_file, how)
    with pytest.raises(AvatarError, match=words) as caught:
        generate(replace(SMALL, attributes={"age": 0.5}))
    assert "reinstall" in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_weights_of_attributes_alone_take_no_photo(diffusion_file, face_file, tmp_path):
    forget_networks()
    Image.new("RGB", (64, 64), (200, 90, 30)).save(tmp_path / "photo.png")
    settings = replace(SMALL, image=str(tmp_path / "photo.png"), crop=(32.0, 32.0, 60.0))
    with pytest.raises(AvatarError, match="know attributes only"):
        generate(settings)
    face_file.unlink()
    forget_networks()
    with pytest.raises(AvatarError, match="faces.safetensors are missing"):
        generate(settings)
