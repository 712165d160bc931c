"""Released generators: read from pickles, checked, stored, loaded again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from avatarmmc_blender.backend.checkpoints.blending_text import blending_rule
from avatarmmc_blender.backend.checkpoints.checkpoint import read_checkpoint
from avatarmmc_blender.backend.checkpoints.errors import CheckpointError
from avatarmmc_blender.backend.checkpoints.expected_shapes import expected_shapes
from avatarmmc_blender.backend.checkpoints.settings import complete_settings
from avatarmmc_blender.backend.checkpoints.store import ModelStore
from avatarmmc_blender.backend.checkpoints.stored_model import remove_stored
from avatarmmc_blender.backend.checkpoints.unpickle import read_pickle
from avatarmmc_blender.backend.checkpoints.weights_file import save_tensors
from tests.checkpoint_files import (
    SHAPES,
    changed_state,
    generator_parts,
    generator_pickle,
    settings,
    tiny_extra,
    tiny_state,
)
from tests.flame_files import flame_pickle, landmark_values, npz
from tests.pickle_writer import Call, Name, New, array_parts, persistent, pickled

FAMILIES = ("eg3d", "next3d")
FRONT_ONLY = """
    # alpha_top = torch.zeros_like(alpha_top) would be a comment
    alphas = torch.cat([front, torch.zeros_like(alpha_side), torch.zeros_like(alpha_top)], 1)
"""


@pytest.fixture(scope="module", params=FAMILIES)
def released(request, tmp_path_factory) -> tuple[str, Path]:
    """A file of each family, saved from a GPU."""
    path = tmp_path_factory.mktemp("released") / f"{request.param}-512.pkl"
    path.write_bytes(generator_pickle(request.param, device="cuda:0"))
    return request.param, path


@pytest.fixture
def eg3d(tmp_path) -> Path:
    path = tmp_path / "ffhq512-128.pkl"
    path.write_bytes(generator_pickle("eg3d"))
    return path


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_released_file_gives_state_settings_and_what_lies_outside(released):
    family, path = released
    checkpoint = read_checkpoint(path)
    assert checkpoint.family == family
    state, extra = tiny_state(family), tiny_extra(family)
    assert checkpoint.state.keys() == state.keys() and checkpoint.extra.keys() == extra.keys()
    assert all(torch.equal(checkpoint.state[name], value) for name, value in state.items())
    assert all(torch.equal(checkpoint.extra[name], value) for name, value in extra.items())
    assert checkpoint.config["neural_rendering_resolution"] == 32
    assert checkpoint.config["rendering_kwargs"]["avg_camera_radius"] == 2.7  # completed
    assert checkpoint.provenance["source"] == path.name
    assert len(checkpoint.provenance["sha256"]) == 64


def test_expected_shapes_are_those_of_the_public_programs():
    for family in FAMILIES:
        found = {k: tuple(v) for k, v in json.loads(SHAPES.read_text())[family].items()}
        config = complete_settings([], settings(family), {}, 32)
        expected = expected_shapes(family, config, found)
        assert set(found) - set(expected) <= {"dataset_label_std", "dense_faces", "uvcoords"}
        for name, shape in expected.items():
            assert all(want in (None, have) for want, have in zip(shape, found[name], strict=True))


@pytest.mark.parametrize("resolution, name", [(128, "2X"), (512, "8X"), (512, "8XDC")])
def test_other_super_resolutions_have_their_shapes(resolution, name):
    config = settings("eg3d") | {"img_resolution": resolution}
    config["rendering_kwargs"]["superresolution_module"] = f"a.b.SuperresolutionHybrid{name}"
    shapes = expected_shapes("eg3d", complete_settings([], config, {}, 64), {})
    wide, narrow = (256, 128) if name == "8XDC" else (128, 64)
    assert shapes["superresolution.block0.conv1.weight"] == (wide, wide, 3, 3)
    assert shapes["superresolution.block1.noise_const".replace("1.n", "1.conv0.n")] == (
        resolution,
        resolution,
    )
    assert ("superresolution.resample_filter" in shapes) == (name != "8XDC")
    assert shapes["superresolution.block1.torgb.weight"] == (3, narrow, 1, 1)


def test_the_averaged_generator_is_used(tmp_path):
    other = generator_parts("eg3d", state={k: v + 1 for k, v in tiny_state("eg3d").items()})
    path = tmp_path / "both.pkl"
    path.write_bytes(generator_pickle("eg3d", {"G": other, "D": persistent("D", {})}))
    state = read_checkpoint(path).state
    assert torch.equal(state["decoder.net.0.bias"], tiny_state("eg3d")["decoder.net.0.bias"])


def test_embedded_source_is_never_run_only_read(tmp_path):
    canary = tmp_path / "canary"
    source = f"open({str(canary)!r}, 'w')\nraise SystemExit\n" + FRONT_ONLY
    path = tmp_path / "next3d.pkl"
    path.write_bytes(generator_pickle("next3d", source=source))
    assert read_checkpoint(path).source_rule == "front"
    model = ModelStore(tmp_path / "models").add(path)
    assert not canary.exists()
    # The source is its owner's, not ours to store.
    assert not any(b"SystemExit" in file.read_bytes() for file in model.folder.iterdir())


def test_the_blending_rule_is_read_from_code_not_from_comments():
    assert blending_rule(FRONT_ONLY) == "front"
    assert blending_rule("alpha_side = torch.zeros(n, 1)") == "front"
    assert blending_rule("side = side * alpha_side * 0.0") == "front"
    assert blending_rule("alphas[:, 1:] = 0") == "front"
    assert blending_rule("    alpha_top *= 0.") == "front"
    for text in (
        "# alpha = torch.zeros(1)\nalpha = torch.ones(1)",
        "alpha = mask * 0.5\nplanes = torch.zeros(3)",
        "alpha = torch.cat([a, b], dim=0)",
        "side = (alpha != 0) | (alpha == 0)",
    ):
        assert blending_rule(text) is None, text
    assert blending_rule("a" * 1_000_000) is None


def test_older_files_keep_the_view_as_parameters_and_labels_are_longer(tmp_path):
    extra = tiny_extra("next3d")
    inside = {name: extra.pop(name) for name in ("orth_scale", "orth_shift")}
    path = tmp_path / "old.pkl"
    kwargs = settings("next3d") | {"c_dim": 75}
    state = tiny_state("next3d") | inside
    path.write_bytes(generator_pickle("next3d", state=state, extra=extra, kwargs=kwargs))
    checkpoint = read_checkpoint(path)
    assert torch.equal(checkpoint.extra["orth_shift"], inside["orth_shift"])
    assert "orth_shift" not in checkpoint.state


def test_tensors_beside_the_known_networks_are_left_out(tmp_path):
    path = tmp_path / "more.pkl"
    state = tiny_state("eg3d") | {"experiment.weight": torch.ones(3) > 0}
    extra = {"plane_axes": tiny_extra("eg3d")["plane_axes"][None]}
    path.write_bytes(generator_pickle("eg3d", state=state, extra=extra))
    checkpoint = read_checkpoint(path)
    assert checkpoint.state.keys() == tiny_state("eg3d").keys()
    assert checkpoint.provenance["ignored"] == ["experiment.weight"]
    assert checkpoint.extra["plane_axes"].shape == (3, 3, 3)


def test_strided_and_half_precision_tensors_become_plain_ones(tmp_path):
    weight = torch.randn(32, 64).t()
    bias = torch.randn(64).half()
    state = tiny_state("eg3d") | {"decoder.net.0.weight": weight, "decoder.net.0.bias": bias}
    path = tmp_path / "strided.pkl"
    path.write_bytes(generator_pickle("eg3d", state=state))
    found = read_checkpoint(path).state
    assert torch.equal(found["decoder.net.0.weight"], weight)
    assert found["decoder.net.0.weight"].is_contiguous()
    assert torch.equal(found["decoder.net.0.bias"], bias.float())


def test_plain_pickles_give_plain_values():
    values = {"a": [1, -5, 1 << 70, 2.5, True, None], "b": ("x", "ü"), "c": {"d": {}}, 3: set("e")}
    for protocol in (0, 2, 4):
        assert read_pickle(pickled(values, protocol)) == values


def test_records_are_inert():
    easy = New(Name("dnnlib.util", "EasyDict"))
    found = read_pickle(pickled({"easy": easy, "layer": New(Name("torch.nn.modules.a", "B"))}))
    assert found["easy"] == {} and type(found["easy"]) is dict
    assert found["layer"].class_name == "B"
    scalar = Call(
        Name("numpy.core.multiarray", "scalar"),
        (Call(Name("numpy", "dtype"), ("f8", 0, 1)), np.float64(0.5).tobytes()),
    )
    assert read_pickle(pickled(scalar)) == 0.5
    newer = Call(Name("numpy._core.multiarray", "scalar"), scalar.args)
    assert read_pickle(pickled(newer)) == 0.5
    array = read_pickle(pickled(array_parts(np.arange(6.0).reshape(2, 3))))
    assert np.array_equal(array.to_numpy(), np.arange(6.0).reshape(2, 3))


def test_the_store_adds_lists_loads_and_removes(released, tmp_path):
    family, path = released
    store = ModelStore(tmp_path / "models")
    assert store.list() == []
    stages = []
    model = store.add(path, progress=lambda stage, fraction: stages.append((stage, fraction)))
    assert {stage for stage, _ in stages} == {"reading", "checking", "writing"} and stages[-1][
        1
    ] == 1.0
    assert store.list() == [model] and model.family == family
    assert files_in(model.folder) == {"weights.safetensors", "model.json"}
    assert "NVIDIA" in model.licence and model.memory_bytes > 1 << 30
    assert model.provenance["sha256"] == read_checkpoint(path).provenance["sha256"]
    loaded, original = store.load(model.id), read_checkpoint(path)
    assert loaded.config == original.config and loaded.family == family
    for ours, theirs in ((loaded.state, original.state), (loaded.extra, original.extra)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert store.add(path).id == model.id and len(store.list()) == 1
    store.remove(model.id)
    assert store.list() == [] and files_in(store.root) == set()


def test_a_failure_leaves_nothing_behind(eg3d, tmp_path, monkeypatch):
    store = ModelStore(tmp_path / "models")
    bad = tmp_path / "bad.pkl"
    bad.write_bytes(eg3d.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match="cut off"):
        store.add(bad)
    assert not store.root.exists()

    def cancelled(stage: str, fraction: float) -> None:
        if stage == "writing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.add(eg3d, progress=cancelled)
    assert files_in(store.root) == set()

    def full(*_args, **_kwargs) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("avatarmmc_blender.backend.checkpoints.store.save_tensors", full)
        with pytest.raises(CheckpointError, match="No space left"):
            store.add(eg3d)
    assert files_in(store.root) == set()
    model = store.add(eg3d)
    before = files_in(store.root)
    with pytest.raises(KeyboardInterrupt):
        store.add(eg3d, progress=cancelled)
    assert files_in(store.root) == before and store.list() == [model]


def test_a_damaged_model_is_listed_with_its_problem_and_can_be_removed(eg3d, tmp_path):
    store = ModelStore(tmp_path / "models")
    model = store.add(eg3d)
    weights = model.folder / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    (damaged,) = store.list()
    assert "damaged" in damaged.problem and "add its file again" in damaged.problem
    with pytest.raises(CheckpointError, match="damaged"):
        store.load(model.id)
    weights.write_bytes(bytes(len(whole)))
    assert store.list()[0].problem is None  # found when it is loaded
    with pytest.raises(CheckpointError, match="damaged"):
        store.load(model.id)
    (model.folder / "model.json").write_text("{}")
    assert store.list()[0].problem
    store.remove(model.id)
    assert store.list() == []


@pytest.mark.parametrize("name", ["..", "../up", "", "a/b", "A", ".hidden", "a" * 99, None])
def test_ids_cannot_leave_the_store(tmp_path, name):
    with pytest.raises(CheckpointError, match="id"):
        ModelStore(tmp_path).remove(name)
    assert tmp_path.exists()


def test_an_unknown_model_is_named_with_those_that_are_there(eg3d, tmp_path):
    store = ModelStore(tmp_path)
    model = store.add(eg3d)
    with pytest.raises(CheckpointError, match=model.id):
        store.load("other-1234")
    with pytest.raises(CheckpointError, match="there is no model"):
        store.remove("other-1234")


def test_a_flame_file_is_stored_beside_the_generator(tmp_path):
    faces = tiny_state("next3d")["faces"][0].numpy().astype(np.uint32)
    path, flame = tmp_path / "next3d.pkl", tmp_path / "generic_model.pkl"
    path.write_bytes(generator_pickle("next3d"))
    flame.write_bytes(flame_pickle(faces=np.roll(faces, 1, axis=1)[::-1]))
    (tmp_path / "landmark_embedding.npz").write_bytes(npz(landmark_values(len(faces))))
    store = ModelStore(tmp_path / "models")
    model = store.add(path, flame)
    assert model.has_flame and model.has_landmarks and "Max Planck" in model.licence
    assert store.load_flame(model.id).v_template.shape == (5023, 3)
    for damaged in ("{", "[]", "{}"):
        (model.folder / "flame.json").write_text(damaged)
        with pytest.raises(CheckpointError, match=r"flame\.json .*is damaged"):
            store.load_flame(model.id)
    assert store.load_landmarks(model.id).full_faces.shape == (68,)
    again = store.add(path)
    assert again.has_flame, "adding the generator again keeps its head"


def test_a_flame_file_that_does_not_fit_is_refused(tmp_path):
    path = tmp_path / "next3d.pkl"
    path.write_bytes(generator_pickle("next3d"))
    store = ModelStore(tmp_path / "models")
    male, other = tmp_path / "male_model.pkl", tmp_path / "generic_model.pkl"
    male.write_bytes(flame_pickle())
    other.write_bytes(flame_pickle())
    with pytest.raises(CheckpointError, match="male model"):
        store.add(path, male)
    with pytest.raises(CheckpointError, match="another topology"):
        store.add(path, other)
    with pytest.raises(CheckpointError, match="FLAME"):
        store.add(path, path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        store.add(path, tmp_path / "missing.pkl")
    assert not store.root.exists()


def test_holes_are_found_only_where_weights_were(tmp_path):
    def hole(state: dict) -> None:
        weight = state["superresolution.block0.conv1.weight"].flatten().clone()
        weight[2000:6000] = 0
        state["superresolution.block0.conv1.weight"] = weight.view(128, 128, 3, 3)

    path = tmp_path / "hole.pkl"
    path.write_bytes(generator_pickle("eg3d", state=changed_state("eg3d", hole)))
    with pytest.raises(CheckpointError, match="hole of zeros"):
        read_checkpoint(path)
    unused = {"superresolution.block0.conv1.weight": torch.zeros(128, 128, 3, 3)}
    zeros = tiny_state("eg3d") | unused
    path.write_bytes(generator_pickle("eg3d", state=zeros))
    read_checkpoint(path)


@pytest.mark.parametrize("kind", ["folder", "missing"])
def test_what_is_no_file_is_said_so(tmp_path, kind):
    path = tmp_path if kind == "folder" else tmp_path / "none.pkl"
    with pytest.raises(CheckpointError, match="Next3D"):
        read_checkpoint(path)


def test_tensors_are_written_as_safetensors(tmp_path):
    tensors = {
        "b.weight": torch.randn(3, 5).t(),
        "faces": torch.arange(6).reshape(2, 3),
        "a": torch.tensor(1.5),
        "none": torch.zeros(0, 3),
    }
    told = []
    save_tensors(tensors, tmp_path / "own", told.append)
    loaded = load_file(tmp_path / "own")
    assert loaded.keys() == tensors.keys() and told[0] == 0.0 and max(told) <= 1.0
    assert all(torch.equal(loaded[name], value) for name, value in tensors.items())


def test_what_is_prepared_is_no_model_until_it_is_kept(eg3d, tmp_path):
    store = ModelStore(tmp_path / "models")
    store.prepare(eg3d).discard()
    assert list(store.root.iterdir()) == []
    prepared = store.prepare(eg3d)
    assert store.list() == []
    model = prepared.keep()
    prepared.discard()
    assert store.list() == [model] and model.problem is None
    again = store.prepare(eg3d)
    assert store.list() == [model]
    assert again.keep() == store.list()[0] and len(list(store.root.iterdir())) == 1


def test_reading_checking_and_loading_can_be_ended_at_every_tensor(eg3d, tmp_path):
    told = []
    store = ModelStore(tmp_path / "models")
    model = store.add(eg3d, progress=lambda stage, fraction: told.append(stage))
    count = len(store.load(model.id, lambda stage, fraction: told.append(stage)).state)
    assert all(told.count(stage) >= count for stage in ("checking", "writing", "loading"))


def test_stray_folders_are_removed_only_if_asked_and_links_not_followed(eg3d, tmp_path):
    store = ModelStore(tmp_path / "models")
    model = store.add(eg3d)
    outside = tmp_path / "outside"
    for folder in (outside, store.root / "My Folder" / "inner"):
        folder.mkdir(parents=True)
        (folder / "file").write_text("mine")
    (store.root / "My Folder" / "link").symlink_to(outside)
    (store.root / "link").symlink_to(outside)
    (store.root / "elsewhere").symlink_to(model.folder)
    stray = [found.id for found in store.list() if found.stray]
    assert stray == ["My Folder", "link"]
    for name in stray:
        with pytest.raises(CheckpointError, match="no converted model"):
            remove_stored(store.root, name)
    for name in ("../outside", "..", "", ".", str(outside), "My Folder/inner"):
        with pytest.raises(CheckpointError, match="there is no model"):
            remove_stored(store.root, name, stray=True)
    for name in stray:
        remove_stored(store.root, name, stray=True)
    store.remove("elsewhere")
    assert store.list() == [model] and (outside / "file").read_text() == "mine"
    assert len(list(store.root.iterdir())) == 1
    assert store.load(model.id).family == "eg3d"


def test_the_list_needs_no_torch():
    code = "import sys, avatarmmc_blender.models_store as m; m.listed_models()"
    code += "; assert not {'torch', 'safetensors'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
