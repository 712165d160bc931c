"""The add-on in Blender: registration, Generate, cancel, expressions, settings, errors."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from avatarmmc_blender import pipeline
from avatarmmc_blender.errors import AvatarError, Cancelled
from avatarmmc_blender.jobs import Job, running_job
from avatarmmc_blender.settings import GenerateSettings
from tests.sample_head import sample_rigged_head

bpy = pytest.importorskip("bpy")

import avatarmmc_blender as addon  # noqa: E402
from avatarmmc_blender import generate_task  # noqa: E402
from avatarmmc_blender.generate_task import GenerateTask, current_task, heads_of  # noqa: E402

REPORT = {"model": {"id": "sample", "sha256": "0" * 64}}


def generate_sample(settings, callback=None, pixels=None):
    """Stand in for the pipeline: a small head after a few reports of progress."""
    settings.check()
    if settings.attributes.get("age") == 1.0:
        raise AvatarError("This head cannot be made; try another seed.")
    for step in range(10):
        if callback is not None:
            callback("surface", step / 10)
        time.sleep(0.01)
    rigged = sample_rigged_head(settings.seed)
    return [pipeline.GeneratedHead(rigged, np.zeros(256, np.float32), settings, REPORT)]


@pytest.fixture
def panel(empty_scene, monkeypatch):
    monkeypatch.setattr(pipeline, "generate", generate_sample)
    addon.register()
    yield bpy.context.scene.avatarmmc
    addon.unregister()


def run_to_end(task):
    while not task.step():
        time.sleep(0.01)


def names():
    return sorted(item.name for item in bpy.data.objects)


def test_generate_from_a_script(panel):
    panel.seed = 42
    assert bpy.ops.avatarmmc.generate() == {"FINISHED"}
    assert names() == ["Avatar 0042", "Eyes", "Hair", "Head"]
    assert bpy.context.object.name == "Head"


def test_moving_a_slider_sets_the_attribute(panel):
    from avatarmmc_blender.panel_settings import settings_from_panel

    assert settings_from_panel(bpy.context).attributes == {}
    panel.weight = 0.3
    panel.hair_style = "bob"
    attributes = settings_from_panel(bpy.context).attributes
    assert attributes == {"weight": 0.3, "hair_style": "bob"}
    bpy.ops.avatarmmc.reset_attributes(group="Face")
    assert settings_from_panel(bpy.context).attributes == {"hair_style": "bob"}
    bpy.ops.avatarmmc.reset_attributes()
    assert settings_from_panel(bpy.context).attributes == {}


def test_defaults_are_those_of_the_command_line(panel):
    from avatarmmc_blender.panel_settings import settings_from_panel

    assert settings_from_panel(bpy.context) == GenerateSettings()


def test_settings_come_back_from_the_head(panel):
    from avatarmmc_blender.panel_settings import settings_from_panel

    panel.seed, panel.truncation, panel.texture = 77, 0.5, "512"
    panel.weight = -0.25
    wanted = settings_from_panel(bpy.context)
    bpy.ops.avatarmmc.generate()
    panel.seed, panel.truncation, panel.texture = 1, 1.0, "1024"
    panel.weight, panel.freckles = 1.0, 0.5
    assert bpy.ops.avatarmmc.restore_settings() == {"FINISHED"}
    assert settings_from_panel(bpy.context) == wanted


def test_head_from_a_thread(panel):
    task = GenerateTask(heads_of(GenerateSettings(seed=7)))
    task.start()
    assert current_task() is task
    assert not bpy.ops.avatarmmc.generate.poll()
    run_to_end(task)
    assert names() == ["Avatar 0007", "Eyes", "Hair", "Head"]
    assert current_task() is None


def test_cancel_is_quick_and_leaves_the_scene(panel):
    before = names()
    task = GenerateTask(heads_of(GenerateSettings(seed=7)))
    task.start()
    time.sleep(0.03)
    task.step()
    assert bpy.ops.avatarmmc.cancel() == {"FINISHED"}
    started = time.perf_counter()
    with pytest.raises(Cancelled):
        run_to_end(task)
    assert time.perf_counter() - started < 1.0
    assert names() == before
    assert current_task() is None


def test_undo_while_the_scene_is_built_starts_it_anew(panel, monkeypatch):
    monkeypatch.setattr(generate_task, "STEP_SECONDS", 0.0001)  # one step a tick
    task = GenerateTask(heads_of(GenerateSettings(seed=7)))
    task.start()
    while task.stage != "scene":
        task.step()
        time.sleep(0.01)
    task.step()
    generate_task.before_undo()
    assert names() == []
    run_to_end(task)
    assert names() == ["Avatar 0007", "Eyes", "Hair", "Head"]


def test_loading_a_file_ends_the_task(panel):
    task = GenerateTask(heads_of(GenerateSettings(seed=7)))
    task.start()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    assert current_task() is None


def test_failed_request_is_one_sentence_and_leaves_the_scene(panel):
    panel.age = 1.0
    with pytest.raises(RuntimeError, match="try another seed"):
        bpy.ops.avatarmmc.generate()
    task = GenerateTask(heads_of(GenerateSettings(attributes={"age": 1.0})))
    task.start()
    with pytest.raises(AvatarError, match="try another seed"):
        run_to_end(task)
    assert names() == []
    assert current_task() is None


def test_scene_waits_for_object_mode(panel):
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    task = GenerateTask(heads_of(GenerateSettings(seed=7)))
    task.start()
    while not task.waiting:
        assert not task.step()
        time.sleep(0.01)
    assert names() == ["Cube"]
    bpy.ops.object.mode_set(mode="OBJECT")
    run_to_end(task)
    assert "Avatar 0007" in names()


def test_expression_and_keyframe(panel):
    bpy.ops.avatarmmc.generate()
    assert bpy.ops.avatarmmc.apply_expression(preset="smile", strength=0.5) == {"FINISHED"}
    bpy.context.scene.frame_set(5)
    assert bpy.ops.avatarmmc.insert_keyframe() == {"FINISHED"}
    bpy.ops.avatarmmc.clear_expression()
    blocks = bpy.data.objects["Head"].data.shape_keys.key_blocks
    assert blocks["mouthSmileLeft"].value == 0.0
    bpy.context.scene.frame_set(6)
    assert blocks["mouthSmileLeft"].value == pytest.approx(0.35)


def test_export_operator(panel, tmp_path):
    bpy.ops.avatarmmc.generate()
    path = tmp_path / "head.glb"
    assert bpy.ops.avatarmmc.export(filepath=str(path)) == {"FINISHED"}
    assert path.stat().st_size > 0
    with pytest.raises(RuntimeError, match="end the file name"):
        bpy.ops.avatarmmc.export(filepath=str(tmp_path / "head.xyz"))
    assert list(tmp_path.iterdir()) == [path]


def test_head_operators_need_a_head(panel):
    bpy.ops.mesh.primitive_cube_add()
    for operator in ("apply_expression", "insert_keyframe", "export", "restore_settings"):
        assert not getattr(bpy.ops.avatarmmc, operator).poll()


def test_registering_twice_in_a_row(panel):
    addon.unregister()
    assert not hasattr(bpy.types.Scene, "avatarmmc")
    addon.register()


def test_job_runs_on_another_thread_and_passes_errors_on():
    job = Job(lambda callback: threading.current_thread())
    job.start()
    job.join(30)
    assert job.result() is not threading.current_thread()
    job.release()

    def fail(callback):
        raise ValueError("expected this")

    job = Job(fail)
    job.start()
    job.join(30)
    with pytest.raises(ValueError, match="expected this"):
        job.result()
    job.release()


def test_one_job_at_a_time_until_its_thread_has_ended():
    go_on = threading.Event()
    job = Job(lambda callback: go_on.wait(30), "Something is being done")
    job.start()
    with pytest.raises(RuntimeError, match="Something is being done"):
        Job(lambda callback: None).start()
    job.release()
    assert running_job() is job  # until its thread has ended
    go_on.set()
    job.join(30)
    assert running_job() is None


def test_what_a_cancelled_job_made_is_dropped():
    for cancelled_at_the_end in (False, True):
        dropped, go_on = [], threading.Event()
        job = Job(lambda callback, go_on=go_on: go_on.wait(30), drop=dropped.append)
        job.start()
        if not cancelled_at_the_end:
            job.cancel()
        go_on.set()
        job.join(30)
        job.cancel()
        assert dropped == [True]
        with pytest.raises(Cancelled):
            job.result()
        job.release()
        assert dropped == [True]


def test_what_was_taken_is_not_dropped():
    dropped = []
    job = Job(lambda callback: "made", drop=dropped.append)
    job.start()
    job.join(30)
    assert job.result() == "made"
    job.release()
    assert dropped == []


def test_cancelled_task_keeps_its_place_until_the_thread_has_ended(panel, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(pipeline, "generate", lambda *_: [go_on.wait(30)])
    monkeypatch.setattr(generate_task, "new_head", lambda generated: generated)
    task = GenerateTask(heads_of(GenerateSettings(seed=7)))
    task.start()
    assert bpy.ops.avatarmmc.cancel() == {"FINISHED"}
    assert not task.step() and task.text == "Cancelling…"
    assert not bpy.ops.avatarmmc.generate.poll() and not bpy.ops.avatarmmc.cancel.poll()
    go_on.set()
    with pytest.raises(Cancelled):
        run_to_end(task)
    assert running_job() is None and bpy.ops.avatarmmc.generate.poll()
