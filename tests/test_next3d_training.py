"""Training on an official Next3D, end to end: heads with pictures, denoiser, styles, an image."""

from __future__ import annotations

import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from safetensors import safe_open
from safetensors.torch import load_file

from avatarmmc_blender.backend.checkpoints.store import ModelStore
from avatarmmc_blender.backend.conditions.celeba import CELEBA_ATTRIBUTES
from avatarmmc_blender.backend.conditions.conditions import Conditions
from avatarmmc_blender.backend.diffusion.sample import SampleSettings, sample
from avatarmmc_blender.backend.diffusion.weights import load_diffusion, save_diffusion
from avatarmmc_blender.backend.encoders.attributes import AttributeEncoder
from avatarmmc_blender.backend.latent.next3d import next3d_space
from avatarmmc_blender.backend.training import diffusion, next3d_pairs
from avatarmmc_blender.backend.training.adapters import CLASSIFIER, PARSER, Adapter
from avatarmmc_blender.backend.training.diffusion import DiffusionSettings, Trainer, train
from avatarmmc_blender.backend.training.heads import HeldOut, Request
from avatarmmc_blender.backend.training.next3d_heads import Next3DHeads
from avatarmmc_blender.backend.training.next3d_model import load_next3d
from avatarmmc_blender.backend.training.next3d_pairs import (
    PairMaker,
    has_face,
    mesh_of,
    write_pool,
)
from avatarmmc_blender.backend.training.next3d_pool import Next3DPool, read_header, shard_path
from tests.small_adapters import Classifier, Parser, face_map, save_script
from tests.small_next3d import write_next3d

TINY = DiffusionSettings(
    steps=4, batch=4, photo_batch=2, noises=2, warm_up=1, width=32, context_width=32
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with the released files, parser.pt and classifier.pt."""
    folder = tmp_path_factory.mktemp("released")
    write_next3d(folder)
    save_script(Parser(), folder / "parser.pt")
    save_script(Classifier(), folder / "classifier.pt")
    return folder


@pytest.fixture(scope="module")
def stored(files, tmp_path_factory) -> Path:
    """The folder of the converted model."""
    store = ModelStore(tmp_path_factory.mktemp("models"))
    return store.add(files / "next3d.pkl", files / "generic_model.npz").folder


@pytest.fixture(scope="module")
def model(stored):
    return load_next3d(stored)


@pytest.fixture
def maker(model, files, monkeypatch) -> PairMaker:
    """Makes pairs of pictures that only depend on w, since rendering takes long."""

    def quick(model, w, camera, expression):
        return F.interpolate(torch.sigmoid(w[:, :48].view(-1, 3, 4, 4)) - 0.1, (128, 128))

    monkeypatch.setattr(next3d_pairs, "render", quick)
    parser, classifier = files / "parser.pt", files / "classifier.pt"
    return PairMaker(model, Adapter(PARSER, parser), Adapter(CLASSIFIER, classifier))


@pytest.fixture
def pool(maker, tmp_path) -> Path:
    folder = tmp_path / "pool"
    write_pool(maker, folder, heads=24, shard=12, seed=0)
    return folder


def run(main, monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["command", *map(str, options), "--threads", "1"])
    main()


def test_from_a_released_file_to_an_image_of_new_styles(files, stored, tmp_path, monkeypatch):
    pool, output = tmp_path / "pool", tmp_path / "run"
    adapters = ["--parser", files / "parser.pt", "--classifier", files / "classifier.pt"]
    options = ["--heads", 4, "--shard", 2, "--device", "cpu", "--output", pool]
    run(next3d_pairs.main, monkeypatch, "--model", stored, *adapters, *options)
    headers = [read_header(shard_path(pool, i)) for i in range(2)]
    assert [header["drawn"] for header in headers] == ["2", "2"]
    shards = [load_file(shard_path(pool, i)) for i in range(2)]
    faceless = sum(int(header["faceless"]) for header in headers)
    assert faceless and sum(len(shard["w"]) for shard in shards) == 4 - faceless > 1

    sizes = ["--batch", 4, "--photo-batch", 2, "--noises", 2, "--width", 32, "--context-width", 32]
    options = ["--steps", 2, "--warm-up", 1, "--cpu", "--pool", pool, "--output", output]
    run(diffusion.main, monkeypatch, "--official", stored, *sizes, *options)
    model = load_next3d(stored)
    trained = load_diffusion(output / "diffusion.safetensors", model.sha256)
    assert trained.space.shape == (73, 256)  # 512 at full size
    assert trained.visual is not None

    values = torch.zeros(1, len(CELEBA_ATTRIBUTES))
    asked = Conditions(values, torch.ones_like(values, dtype=torch.bool))
    styles = sample(trained, asked, SampleSettings(steps=3)).ws
    mesh, nothing = mesh_of(model, torch.zeros(1, 11)), torch.zeros(1, 28, 512)
    given = (nothing, mesh, model.cameras(torch.zeros(1, 2)))
    with torch.no_grad():
        image = trained.space.call(model.generator, "image", styles, *given)
    assert image.shape == (1, 3, 512, 512) and torch.isfinite(image).all()

    shard = next(shard for shard in shards if len(shard["w"]))
    own = trained.space.styles(model.generator, model.expand(shard["w"][:1]))
    seen = (nothing, mesh_of(model, shard["expression"][:1]), shard["camera"][:1])
    with torch.no_grad():
        image = trained.space.call(model.generator, "image", own, *seen)
    small = F.interpolate((0.5 * image + 0.5).clamp(0, 1), (128, 128), mode="area")
    assert (small * 255 - shard["image"][:1]).abs().max() < 1.5


def test_pool_is_resumed_repeats_and_grows(maker, pool, tmp_path):
    whole = Next3DPool(pool, maker.model.sha256)
    first, second = shard_path(pool, 0), shard_path(pool, 1)
    kept, before = first.stat().st_mtime_ns, load_file(second)
    second.unlink()
    write_pool(maker, pool, heads=24, shard=12, seed=0)
    assert first.stat().st_mtime_ns == kept
    after = load_file(second)
    assert all(torch.equal(before[name], after[name]) for name in before)
    drawn = [int(read_header(path)["drawn"]) for path in (first, second)]
    faceless = [int(read_header(path)["faceless"]) for path in (first, second)]
    assert drawn == [12, 12] and 0 < sum(faceless) < 24
    assert len(whole) == 24 - sum(faceless) and whole.head.max() < 24
    # a shard that was cut short is drawn again, and starts as before
    small = tmp_path / "small"
    write_pool(maker, small, heads=18, shard=12, seed=0)
    assert len(Next3DPool(small, maker.model.sha256)) < len(whole)
    write_pool(maker, small, heads=24, shard=12, seed=0)
    assert torch.equal(Next3DPool(small, maker.model.sha256).w, whole.w)


def test_several_processes_share_the_shards(maker, pool, tmp_path):
    for part in ((1, 2), (0, 2)):
        write_pool(maker, tmp_path / "parts", heads=24, shard=12, seed=0, part=part)
    for i in range(2):
        own, other = load_file(shard_path(tmp_path / "parts", i)), load_file(shard_path(pool, i))
        assert all(torch.equal(own[name], other[name]) for name in own)


def test_a_pool_is_of_one_making(maker, pool, files, tmp_path):
    with pytest.raises(ValueError, match="made with seed 0, now it is 1"):
        write_pool(maker, pool, heads=24, shard=12, seed=1)
    with pytest.raises(ValueError, match="was made with generator"):
        Next3DPool(pool, "abc")
    with pytest.raises(ValueError, match="holds no heads"):
        Next3DPool(tmp_path, maker.model.sha256)
    write_pool(maker, tmp_path / "other", heads=12, shard=12, seed=1)
    shard_path(tmp_path / "other", 0).replace(shard_path(pool, 0))
    with pytest.raises(ValueError, match="another seed than the shards before"):
        Next3DPool(pool, maker.model.sha256)
    shard_path(pool, 0).write_bytes(b"nothing")
    with pytest.raises(ValueError, match="damaged"):
        Next3DPool(pool, maker.model.sha256)


def test_pictures_without_a_face_are_told(maker, tmp_path):
    labels = face_map().repeat(4, 1, 1)
    labels[1][labels[1] == 2] = 1  # no nose
    labels[2][(labels[2] == 4) | (labels[2] == 5)] = 3  # glasses over both eyes
    labels[3] = 0
    assert has_face(labels).tolist() == [True, False, True, False]
    save_script(Parser(limit=-1.0), tmp_path / "blind.pt")
    blind = PairMaker(maker.model, Adapter(PARSER, tmp_path / "blind.pt"), maker.classifier)
    with pytest.raises(ValueError, match="none of 16 pictures shows a face: check that blind.pt"):
        write_pool(blind, tmp_path / "pool", heads=16, shard=16, seed=0)
    write_pool(blind, tmp_path / "pool", heads=2, shard=2, seed=0)  # two may be chance
    with pytest.raises(ValueError, match="holds no heads"):
        Next3DPool(tmp_path / "pool", maker.model.sha256)


class Odd(torch.nn.Module):
    """A network whose answer is not what is asked for."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def forward(self, image):
        if self.kind == "small":
            return torch.zeros(len(image), 19, 8, 8)
        if self.kind == "nan":
            return torch.full((len(image), 19, image.shape[2], image.shape[3]), float("nan"))
        if self.kind == "logits":
            return torch.full((len(image), 21), 3.0)
        return image.view(len(image), 7)


class Writer(torch.nn.Module):
    """A network that writes a file."""

    def forward(self, image):
        torch.save(image, "canary")
        return image


def test_adapters_say_what_they_lack(files, tmp_path, monkeypatch):
    def failing(kind, contract=PARSER):
        save_script(Odd(kind), tmp_path / "odd.pt")
        return Adapter(contract, tmp_path / "odd.pt")

    image = torch.rand(2, 3, 16, 16)
    for path, found in (
        (tmp_path / "none.pt", "is missing"),
        (files / "next3d.pkl", "is no Torch"),
    ):
        with pytest.raises(ValueError, match=f"{found}.*logits .B, 19, S, S.*facer's FaRL parser"):
            Adapter(PARSER, path)
    with pytest.raises(ValueError, match=r"gives \(2, 19, 8, 8\) for pictures \(2, 3, 16, 16\)"):
        failing("small")(image)
    with pytest.raises(ValueError, match="not finite"):
        failing("nan")(image)
    with pytest.raises(ValueError, match="fails on pictures"):
        failing("wrong")(image)
    with pytest.raises(ValueError, match="values from 3 to 3 where 0..1 .*probabilities"):
        next3d_pairs.classify(failing("logits", CLASSIFIER), image)
    monkeypatch.chdir(tmp_path)
    save_script(Writer(), tmp_path / "writer.pt")
    with pytest.raises(ValueError, match="uses save, by which files are reached"):
        Adapter(PARSER, tmp_path / "writer.pt")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("torch.from_file(name, True, 4)", "uses from_file"),
        ('getattr(x, "sa\\x76e")', "uses getattr"),
        ("x : __torch__.torch.classes.any.Thing", "uses torch.classes"),
        ('getattr(self, "0")', "is no TorchScript file"),
    ],
)
def test_programs_that_reach_files_are_not_loaded(code, found, tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        archive.writestr("net/code/__torch__.py", code)
    with pytest.raises(ValueError, match=found):
        Adapter(PARSER, tmp_path / "net.pt")


def test_commands_end_in_a_sentence(files, stored, tmp_path, monkeypatch):
    adapters = ["--parser", files / "parser.pt", "--classifier", files / "none.pt"]
    with pytest.raises(SystemExit, match="attribute classifier none.pt is missing"):
        run(next3d_pairs.main, monkeypatch, "--model", stored, *adapters)
    adapters[-1] = files / "classifier.pt"
    with pytest.raises(SystemExit, match="neither a converted model's folder nor a released file"):
        run(next3d_pairs.main, monkeypatch, "--model", tmp_path / "none", *adapters)
    with pytest.raises(SystemExit, match="no FLAME file with landmarks"):
        run(next3d_pairs.main, monkeypatch, "--model", files / "next3d.pkl", *adapters)
    with pytest.raises(SystemExit, match="--official needs --pool"):
        run(diffusion.main, monkeypatch, "--official", stored, "--output", tmp_path)


def make_trainer(model, pool, settings=TINY):
    heads = Next3DHeads(model, Next3DPool(pool, model.sha256))
    return Trainer(settings, heads, Accelerator(cpu=True))


def test_interrupted_run_goes_on_exactly(model, pool, tmp_path):
    whole, first = make_trainer(model, pool), make_trainer(model, pool)
    expected = [whole.run_step() for _ in range(2)]
    first.run_step()
    first.save(tmp_path / "checkpoint.pt")
    second = make_trainer(model, pool)
    second.load(tmp_path / "checkpoint.pt")
    assert second.run_step() == expected[1]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name


def test_batches_are_heads_of_the_pool_in_styles(model, pool):
    own = Next3DPool(pool, model.sha256)
    heads = Next3DHeads(model, own)
    space = heads.fit_space()
    split = HeldOut.of(own.head)
    assert split.held_out.tolist() == [len(own) - 1]
    request = Request(6, noises=2, pictures=True)
    batch = heads.draw(space, request, torch.Generator().manual_seed(0))
    assert batch.clean.shape == batch.noise.shape == (12, 73, 256) and batch.t.shape == (12,)
    assert batch.conditions.attributes.shape == (6, 21)
    assert batch.conditions.image.shape == (6, 3, 128, 128)
    styles = space.styles(model.generator, model.expand(own.w))
    found = torch.cdist(batch.clean[::2].flatten(1), space.encode(styles).flatten(1)).min(1)
    assert found.values.max() < 0.1 and not (found.indices == len(own) - 1).any()
    image, labels = own.pictures(found.indices)
    assert torch.equal(image, batch.conditions.image)
    assert torch.equal(labels, batch.conditions.labels)
    whole = heads.draw(space, Request(16, 2, True), torch.Generator().manual_seed(0))
    part = heads.draw(space, Request(16, 2, True, part=(1, 2)), torch.Generator().manual_seed(0))
    own = [8, 9, 10]
    for name in ("attributes", "image", "image_mask", "labels", "labels_mask"):
        expected = getattr(whole.conditions, name)[own]
        assert torch.equal(getattr(part.conditions, name)[:3], expected), name


def test_the_loss_falls_and_weights_come_back(model, pool, tmp_path):
    trainer = make_trainer(model, pool)
    batches = trainer.draw(0)[:1]
    optimizer = torch.optim.Adam(trainer.model.parameters(), lr=5e-3)
    losses = []
    for _ in range(25):
        loss = trainer.loss(batches).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    path = tmp_path / "diffusion.safetensors"
    save_diffusion(trainer.model, path, "abc", 1)
    loaded = load_diffusion(path, "abc")
    assert loaded.space.layers == trainer.model.space.layers
    assert torch.equal(loaded.space.scale, trainer.model.space.scale)
    assert loaded.attributes.table == CELEBA_ATTRIBUTES
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["attributes"] == "celeba"


def test_a_small_pool_is_not_drawn_over_and_over(model, pool):
    trainer, drawn = make_trainer(model, pool), []
    heads = trainer.heads

    class Counting(Next3DHeads):
        def draw(self, space, request, rng):
            drawn.append(request.count)
            return super().draw(space, request, rng)

    trainer.heads = Counting(heads.model, heads.pool)
    trainer.fit_pictures()
    assert len(heads.pool) < sum(drawn) < 8 * len(heads.pool)
    assert trainer.model.visual.linear.weight.abs().max() > 0


def test_a_run_ends_with_its_minutes(model, pool, tmp_path):
    trainer = make_trainer(model, pool)
    trainer.fit_pictures = lambda: time.sleep(0.3)  # counts as well
    train(trainer, tmp_path / "run", "abc", minutes=0.2 / 60)
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert state["step"] == 1


def test_space_of_the_pool_is_that_of_the_generator(model, pool):
    heads = Next3DHeads(model, Next3DPool(pool, model.sha256))
    space = heads.fit_space()
    assert space.layers == next3d_space(model.generator).layers
    styles = space.styles(model.generator, model.expand(heads.pool.w))
    for own, again in zip(styles, space.decode(space.encode(styles)), strict=True):
        assert torch.allclose(own, again, atol=1e-4)


def test_every_50th_head_is_held_out():
    split = HeldOut.of(torch.arange(120))
    assert split.held_out.tolist() == [49, 99] and len(split.training) == 118
    request = Request(500, held_out=True)
    assert set(split.draw(request, torch.Generator().manual_seed(0)).tolist()) == {49, 99}
    with pytest.raises(ValueError, match="one head only"):
        HeldOut.of(torch.zeros(3, dtype=torch.int64))


def test_attributes_of_another_table_are_refused():
    encoder = AttributeEncoder(32, CELEBA_ATTRIBUTES)
    none = Conditions.none(2, attributes=21)
    assert encoder(none.attributes, none.attributes_given).shape == (2, 21, 32)
    bundled = Conditions.none(2)
    with pytest.raises(ValueError, match="expected 21 attributes, given 43"):
        encoder(bundled.attributes, bundled.attributes_given)
