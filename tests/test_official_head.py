"""Released files to rigged heads, end to end: small random generators, FLAME-shaped heads.

The generators' numbers are the references'; their mesh is what the FLAME-shaped file is made of.
"""

from __future__ import annotations

import builtins
import io
import json
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from avatarmmc_blender import models_store, official_models, official_pipeline, pipeline
from avatarmmc_blender.backend.checkpoints.stored_model import PREVIEW
from avatarmmc_blender.cli import main
from avatarmmc_blender.errors import AvatarError, Cancelled
from avatarmmc_blender.meshing.topology import is_watertight
from avatarmmc_blender.model_actions import add_model, verify_model
from avatarmmc_blender.official_models import forget_official_models, load_official_model
from avatarmmc_blender.png import encode_png
from avatarmmc_blender.settings import GenerateSettings
from tests.checkpoint_files import generator_pickle
from tests.small_next3d import GOLDEN, write_next3d

FILE_ACCESS = [(builtins, "open"), (io, "open")] + [
    (os, name) for name in ("open", "stat", "lstat", "listdir", "scandir")
]
SMALL = {"truncation": 0.7, "resolution": 64, "texture": 128, "device": "cpu"}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with next3d.pkl, eg3d.pkl, generic_model.npz and landmark_embedding.npy."""
    folder = tmp_path_factory.mktemp("released")
    write_next3d(folder)
    (folder / "eg3d.pkl").write_bytes(generator_pickle("eg3d"))
    return folder


@pytest.fixture(scope="module")
def store(files, tmp_path_factory):
    """The folder of models, with Next3D and EG3D converted."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("models")
    patch.setenv(models_store.FOLDER_VARIABLE, str(folder))
    for name in ("next3d.pkl", "eg3d.pkl"):
        add_model(files / name, files / "generic_model.npz")
    yield folder
    forget_official_models()
    patch.undo()


def model_id(family: str) -> str:
    return next(item.id for item in models_store.listed_models() if item.family == family)


@pytest.fixture(scope="module")
def head(store):
    settings = GenerateSettings(seed=0, model=model_id("next3d"), raw_surface=True, **SMALL)
    return pipeline.generate(settings)[0]


def test_head_is_flame_rigged(head):
    (part,) = head.rigged.parts
    assert part.vertices.shape == (5023, 3) and np.isfinite(part.vertices).all()
    assert np.allclose(part.weights.sum(1), 1.0, atol=1e-5)
    assert head.rigged.joint_names == ("root", "neck", "jaw", "left_eye", "right_eye")
    assert np.isfinite(head.rigged.joints).all()
    words = {name.partition("_")[0] for name in part.shape_keys}
    assert words == {"Shape", "Expression", "Pose"} and len(part.shape_keys) == 8 + 4 + 36
    assert part.materials[0].image.shape == (128, 128, 3)
    assert part.materials[0].image.std() > 1  # something is painted


def test_surface_is_closed_and_the_head_lies_in_it(head):
    raw = head.rigged.raw_surface
    assert is_watertight(raw.faces, len(raw.vertices))
    low, high = raw.vertices.min(0) - 0.04, raw.vertices.max(0) + 0.04
    used = head.rigged.parts[0].vertices[np.unique(head.rigged.parts[0].faces)]
    assert (used > low).all() and (used < high).all()


def test_latent_is_that_of_the_public_programs(head):
    assert np.allclose(head.latent, np.random.RandomState(0).randn(1, 64)[0])
    assert head.report["model"]["id"] == model_id("next3d")


def test_the_same_seed_gives_the_same_bytes(head):
    again = pipeline.generate(head.settings)[0]
    assert again.rigged.parts[0].vertices.tobytes() == head.rigged.parts[0].vertices.tobytes()
    image, other = (item.rigged.parts[0].materials[0].image for item in (again, head))
    assert np.array_equal(image, other)


def test_eg3d_makes_a_head_without_a_guiding_mesh(store):
    settings = GenerateSettings(seed=1, model=model_id("eg3d"), **SMALL)
    part = pipeline.generate(settings)[0].rigged.parts[0]
    assert part.vertices.shape == (5023, 3) and np.isfinite(part.vertices).all()
    assert 0 <= part.uvs.min() and part.uvs.max() <= 1


def test_cancel_ends_the_work(store):
    def callback(stage, fraction):
        if stage == "surface" and fraction > 0:
            raise Cancelled()

    with pytest.raises(Cancelled):
        pipeline.generate(GenerateSettings(model=model_id("next3d"), **SMALL), callback)


def test_attributes_are_refused(store):
    settings = GenerateSettings(model=model_id("next3d"), attributes={"age": 0.5}, **SMALL)
    with pytest.raises(AvatarError, match="knows no attributes"):
        pipeline.generate(settings)


def test_unknown_model_names_those_there_are(store):
    with pytest.raises(AvatarError, match=model_id("eg3d")):
        pipeline.generate(GenerateSettings(model="nosuch", **SMALL))


@pytest.fixture
def empty_store(tmp_path, monkeypatch):
    forget_official_models()
    monkeypatch.setenv(models_store.FOLDER_VARIABLE, str(tmp_path / "models"))
    yield tmp_path / "models"
    forget_official_models()


def test_without_flame_the_remedy_is_named(files, empty_store, tmp_path, capsys):
    assert main(["models", "add", str(files / "next3d.pkl")]) == 0
    assert "again with its FLAME file" in capsys.readouterr().out
    arguments = ["generate", "--model", model_id("next3d"), "--output", str(tmp_path / "a.glb")]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "--flame FILE" in error and len(error.strip().splitlines()) == 1
    assert main(["models", "verify", model_id("next3d")]) == 0
    assert "no test render: it has no FLAME file" in capsys.readouterr().out


def test_without_landmarks_they_are_named(files, empty_store, tmp_path):
    alone = tmp_path / "generic_model.npz"
    alone.write_bytes((files / "generic_model.npz").read_bytes())
    model = add_model(files / "next3d.pkl", alone)
    assert "FLAME" in models_store.listed_models()[0].problem
    with pytest.raises(AvatarError, match="landmark_embedding.npy"):
        pipeline.generate(GenerateSettings(model=model.id, **SMALL))


def test_a_model_that_makes_no_heads_is_refused_before_it_is_loaded(
    files, empty_store, tmp_path, monkeypatch
):
    alone = tmp_path / "generic_model.npz"
    alone.write_bytes((files / "generic_model.npz").read_bytes())
    model = add_model(files / "next3d.pkl", alone)
    monkeypatch.setattr(official_models, "_load", lambda *_: pytest.fail("it was loaded"))
    settings = GenerateSettings(model=model.id, **SMALL)
    with pytest.raises(AvatarError, match="no landmarks"):
        pipeline.generate(settings)
    (model.folder / "model.json").write_text("{}")
    with pytest.raises(AvatarError, match="damaged"):
        pipeline.generate(settings)


def final_image(model) -> torch.Tensor:
    """The product's picture before it is made bytes."""
    latent = official_pipeline.make_latent(GenerateSettings(), model)
    ws = official_pipeline.make_styles(latent, model, 0.7)
    with torch.inference_mode():
        planes = official_pipeline.make_planes(ws, model)
        raw = model.generator.render(planes, official_pipeline.front_camera(model))
        return model.generator.super_resolve(raw, ws)


def test_half_precision_is_the_products_on_cuda_and_close(store, monkeypatch):
    assert official_models.HALF_DEVICES == ("cuda",)
    forget_official_models()
    exact = load_official_model(model_id("eg3d"), "cpu")
    assert not exact.generator.half_precision
    expected = final_image(exact)
    forget_official_models()
    monkeypatch.setattr(official_models, "HALF_DEVICES", ("cpu",))
    half = load_official_model(model_id("eg3d"), "cpu")
    forget_official_models()
    assert half.generator.half_precision
    assert 0 < (final_image(half) - expected).abs().max() <= 5e-2


def test_verification_can_be_ended_before_every_layer(store):
    told = []

    def callback(stage, fraction):
        told.append(stage)
        if told.count("rendering") == 20:
            raise Cancelled()

    with pytest.raises(Cancelled):
        verify_model(model_id("next3d"), "cpu", callback)
    assert told.count("loading") > 100
    modules = load_official_model(model_id("next3d"), "cpu").generator.modules()
    assert not any(module._forward_pre_hooks for module in modules)
    assert not (store / model_id("next3d") / PREVIEW).exists()


def test_a_refused_file_leaves_nothing(files, empty_store, tmp_path, capsys):
    half = tmp_path / "half.pkl"
    half.write_bytes((files / "eg3d.pkl").read_bytes()[:5000])
    assert main(["models", "add", str(half)]) == 2
    assert "cut off" in capsys.readouterr().err
    assert main(["models", "add", str(files / "eg3d.pkl"), "--flame", str(half)]) == 2
    assert models_store.listed_models() == []
    assert not empty_store.exists() or not list(empty_store.iterdir())


def test_cancelled_adding_leaves_nothing(files, empty_store):
    def callback(stage, fraction):
        if stage == "writing" and fraction == 1.0:
            raise Cancelled()

    with pytest.raises(Cancelled):
        add_model(files / "eg3d.pkl", None, callback)
    assert models_store.listed_models() == []


def test_list_verify_and_remove_from_the_command_line(files, empty_store, capsys):
    assert main(["models", "list"]) == 0
    assert "No official models" in capsys.readouterr().out
    assert main(["models", "add", str(files / "eg3d.pkl")]) == 0
    name = model_id("eg3d")
    capsys.readouterr()
    assert main(["models", "list"]) == 0
    listed = capsys.readouterr().out
    assert name in listed and "non-commercial" in listed and "MB of memory" in listed
    assert main(["models", "verify", name]) == 0
    assert "test render 256 x 256" in capsys.readouterr().out
    assert (empty_store / name / PREVIEW).read_bytes()[:4] == b"\x89PNG"
    assert main(["models", "remove", name]) == 0
    assert models_store.listed_models() == []
    assert main(["models", "remove", name]) == 2
    assert main(["models", "verify", name]) == 2


def test_verify_a_folder_of_references(tmp_path, capsys):
    assert main(["models", "verify", str(GOLDEN.with_name("eg3d_tiny"))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 10 and not any("FAIL" in line for line in lines)
    for file in GOLDEN.with_name("eg3d_tiny").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with np.load(tmp_path / "eg3d_outputs.npz") as arrays:
        outputs = dict(arrays)
    outputs["ws"] = outputs["ws"] + 0.1
    np.savez(tmp_path / "eg3d_outputs.npz", **outputs)
    assert main(["models", "verify", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert [line for line in captured.out.splitlines() if line.startswith("FAIL")][0].split()[
        1
    ] == "ws"
    assert main(["models", "verify", str(tmp_path / "nosuch")]) == 2


def test_reenact_writes_a_loop_of_frames(store, tmp_path, capsys):
    folder = tmp_path / "frames"
    arguments = ["models", "reenact", model_id("next3d"), "--output", str(folder), "--frames", "2"]
    arguments += ["--device", "cpu", "--resolution", "48", "--check"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and "rig" in lines[0] and "at rest" in lines[0]
    assert [path.name for path in sorted(folder.iterdir())] == ["frame_0000.png", "frame_0001.png"]
    first, second = (path.read_bytes() for path in sorted(folder.iterdir()))
    assert first != second
    assert main(arguments) == 2  # the folder exists
    assert "name a new folder" in capsys.readouterr().err


def test_reenact_needs_next3d_and_leaves_no_folder(store, tmp_path, capsys):
    folder = tmp_path / "frames"
    assert main(["models", "reenact", model_id("eg3d"), "--output", str(folder)]) == 2
    assert "only Next3D" in capsys.readouterr().err
    assert main(["models", "reenact", "nosuch", "--output", str(folder), "--frames", "0"]) == 2
    assert not list(tmp_path.iterdir())


# -- in Blender ------------------------------------------------------------------------------------


def test_command_line_writes_a_glb_that_comes_back(store, tmp_path, capsys):
    bpy = pytest.importorskip("bpy")
    output, report = tmp_path / "head.glb", tmp_path / "report.json"
    arguments = ["--truncation", "0.7", "--resolution", "64", "--texture", "128", "--device", "cpu"]
    arguments += ["--output", str(output), "--report", str(report)]
    assert main(["generate", "--model", model_id("next3d"), *arguments]) == 0
    assert json.loads(report.read_text())["parts"]["Head"]["vertices"] == 5023
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(output))
    mesh = next(item for item in bpy.data.objects if item.type == "MESH" and item.data.shape_keys)
    assert len(mesh.data.shape_keys.key_blocks) == 1 + 8 + 4 + 36
    assert len(bpy.data.armatures[0].bones) == 5
    assert any(image.size[0] == 128 for image in bpy.data.images)
    coordinates = np.array([vertex.co for vertex in mesh.data.vertices])
    assert np.isfinite(coordinates).all() and len(coordinates) >= 5017


@pytest.fixture
def panel(store, empty_scene):
    import avatarmmc_blender as addon

    addon.register()
    yield empty_scene.context.scene.avatarmmc
    addon.unregister()


def test_panel_makes_an_official_head_with_sliders_of_its_own(store, panel):
    import bpy

    from avatarmmc_blender.expressions import is_flame_face

    panel.age = 0.5  # means nothing to an official model
    bpy.ops.avatarmmc.choose_model(model=model_id("next3d"))
    panel.resolution, panel.texture, panel.truncation = 64, "128", 0.7
    assert bpy.ops.avatarmmc.generate() == {"FINISHED"}
    face = bpy.context.object
    keys = face.data.shape_keys.key_blocks
    assert len(face.data.vertices) == 5023 and is_flame_face(face)
    keys["Shape_001"].value = keys["Expression_001"].value = 2.0
    assert bpy.ops.avatarmmc.insert_keyframe() == {"FINISHED"}
    assert bpy.ops.avatarmmc.clear_expression() == {"FINISHED"}
    assert keys["Expression_001"].value == 0.0 and keys["Shape_001"].value == 2.0
    panel.model = "bundled"
    assert bpy.ops.avatarmmc.restore_settings() == {"FINISHED"}
    assert panel.model == model_id("next3d")


def test_models_are_added_verified_and_removed_by_operators(files, empty_store, panel):
    import bpy

    from avatarmmc_blender import model_cache

    assert bpy.ops.avatarmmc.add_model(filepath=str(files / "eg3d.pkl")) == {"FINISHED"}
    name = model_id("eg3d")
    assert bpy.ops.avatarmmc.verify_model(model=name) == {"FINISHED"}
    assert (empty_store / name / PREVIEW).is_file()
    (shown,) = model_cache.shown_models()
    assert shown.info.id == name and tuple(shown.picture.image_size) == (256, 256)
    assert bpy.ops.avatarmmc.remove_model(model=name) == {"FINISHED"}
    assert models_store.listed_models() == [] and model_cache.shown_models() == ()
    with pytest.raises(RuntimeError, match="expected a generator file"):
        bpy.ops.avatarmmc.add_model(filepath=str(files / "generic_model.npz"))


def drawn_texts() -> tuple[set[str], list]:
    """Draw everything that can be drawn now, refusing files; return texts and what was called."""
    import bpy

    from avatarmmc_blender import head_panel, model_list, preferences
    from avatarmmc_blender import panel as panels

    def refuse(*arguments, **names):
        raise AssertionError(f"drawing asked for a file: {arguments[:1]}")

    classes = (*panels.CLASSES, *head_panel.CLASSES)
    shown = [cls for cls in classes if not hasattr(cls, "poll") or cls.poll(bpy.context)]
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        for module, name in FILE_ACCESS:
            patch.setattr(module, name, refuse)
        for cls in (*shown, model_list.AVATARMMC_MT_model, preferences.AvatarPreferences):
            layout = MagicMock()
            layout.panel.return_value = layout.panel.header, layout.panel.body
            drawn = SimpleNamespace(layout=layout, checkpoint="a.pkl", flame="")
            cls.draw(drawn, bpy.context)
            if hasattr(cls, "draw_header_preset"):
                cls.draw_header_preset(drawn, bpy.context)
            calls += layout.mock_calls
    return {str(call.kwargs.get("text")) for call in calls}, calls


def test_drawing_reads_no_file(store, panel):
    import bpy

    from avatarmmc_blender import model_cache

    picture = store / model_id("eg3d") / PREVIEW
    picture.write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8)))
    assert [shown.picture for shown in model_cache.shown_models()] == [None, None]
    assert bpy.ops.avatarmmc.refresh_models() == {"FINISHED"}
    assert [shown.picture is None for shown in model_cache.shown_models()] == [False, True]
    texts, calls = drawn_texts()
    assert any("template_icon" in call[0] for call in calls)
    assert {model_id("next3d"), model_id("eg3d"), "Bundled Model"} <= texts
    assert any(str(store) in text for text in texts)


def test_drawing_a_selected_flame_head_reads_no_file(panel, head):
    from avatarmmc_blender.generate_task import add_to_scene

    add_to_scene(head)
    texts, _ = drawn_texts()
    assert {"Expression 001", "Jaw, neck and eyes turn by their bones"} <= texts
    assert {"GLB", f"Model: {model_id('next3d')}"} <= texts


def test_drawing_progress_reads_no_file(panel):
    from avatarmmc_blender import generate_task, model_task

    for start, ready in (
        (lambda work: model_task.ModelTask(work), "Surface 50%"),
        (lambda work: generate_task.GenerateTask(work), "Surface 4"),
    ):
        go_on = threading.Event()

        def work(callback, go_on=go_on):
            callback("surface", 0.5)
            go_on.wait(30)
            callback("surface", 1.0)

        task = start(work)
        task.start()
        while task.fraction == 0.0:
            assert not task.step()
            time.sleep(0.01)
        texts, calls = drawn_texts()
        assert any(text.startswith(ready) for text in texts)
        assert any(".progress" in call[0] for call in calls)
        task.cancel()
        assert "Cancelling…" in drawn_texts()[0]
        go_on.set()
        with pytest.raises(Cancelled):
            while not task.step():
                time.sleep(0.01)


def test_background_task_shows_progress_and_is_cancelled(files, empty_store, panel):
    import bpy

    from avatarmmc_blender.model_task import ModelTask, current_model_task

    task = ModelTask(lambda callback: add_model(files / "eg3d.pkl", None, callback))
    task.start()
    assert current_model_task() is task and not bpy.ops.avatarmmc.add_model.poll()
    while not task.step():
        time.sleep(0.01)
    assert task.made.id == model_id("eg3d") and current_model_task() is None

    task = ModelTask(lambda callback: verify_model(model_id("eg3d"), "cpu", callback))
    task.start()
    assert bpy.ops.avatarmmc.cancel_model() == {"FINISHED"}
    with pytest.raises(Cancelled):
        while not task.step():
            assert not bpy.ops.avatarmmc.generate.poll()
            time.sleep(0.01)
    assert current_model_task() is None and bpy.ops.avatarmmc.generate.poll()
