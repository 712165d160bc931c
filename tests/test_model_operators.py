"""Operators on models: the background, cancel, errors, removal, one job at a time."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy")

import avatarmmc_blender as addon  # noqa: E402
from avatarmmc_blender import model_actions, model_cache, model_operators, models_store  # noqa: E402
from avatarmmc_blender.errors import AvatarError  # noqa: E402
from avatarmmc_blender.jobs import running_job  # noqa: E402
from avatarmmc_blender.model_task import ModelTask, current_model_task  # noqa: E402
from tests.checkpoint_files import generator_pickle  # noqa: E402

TIMER = SimpleNamespace(type="TIMER")


@pytest.fixture
def store(empty_scene, tmp_path, monkeypatch):
    """The folder of models, with the add-on registered."""
    monkeypatch.setenv(models_store.FOLDER_VARIABLE, str(tmp_path / "models"))
    addon.register()
    yield tmp_path / "models"
    addon.unregister()


@pytest.fixture
def released(tmp_path):
    """A released file."""
    path = tmp_path / "eg3d.pkl"
    path.write_bytes(generator_pickle("eg3d"))
    return path


class Window:
    """A context with Blender's windows, and a manager that notes timers."""

    def __init__(self):
        self.timers: list[object] = []
        self.window, self.window_manager = bpy.context.window, self
        self.windows = bpy.context.window_manager.windows
        self.workspace = bpy.context.workspace

    def event_timer_add(self, seconds, window):
        self.timers.append(object())
        return self.timers[-1]

    def event_timer_remove(self, timer):
        self.timers.remove(timer)

    def modal_handler_add(self, operator):
        return True


class Work(model_operators.ModelOperator):
    """An operator that waits until it may go on, reporting all the while."""

    def __init__(self, window, outcome="made", reports=True):
        self.go_on, self.dropped, self.told = threading.Event(), [], []
        self.outcome, self.reports = outcome, reports
        self.invoke(window, None)

    def new_task(self, context):
        def work(callback):
            while not self.go_on.wait(0.01):
                if self.reports:
                    callback("waiting", 0.5)
            if isinstance(self.outcome, Exception):
                raise self.outcome
            return self.outcome

        return ModelTask(work, self.dropped.append)

    def finish(self, context, made):
        return f"Done: {made}"

    def report(self, kind, text):
        self.told.append((*kind, text))


def run_to_end(operator, window):
    for _ in range(3000):
        returned = operator.modal(window, TIMER)
        if returned != {"PASS_THROUGH"}:
            return returned
        assert running_job() is not None
        time.sleep(0.01)
    raise AssertionError("expected an end")


def driven(kind, window, **properties):
    """Return an operator of the add-on that runs without Blender's events."""
    own = {name: vars(kind)[name] for name in ("new_task", "finish") if name in vars(kind)}
    operator = type("Driven", (model_operators.ModelOperator,), own | properties)()
    operator.told = []
    operator.report = lambda kind, text: operator.told.append((*kind, text))
    assert operator.invoke(window, None) == {"RUNNING_MODAL"}
    return operator


def test_background_work_shows_progress_and_ends(store):
    window = Window()
    operator = Work(window)
    assert operator.modal(window, SimpleNamespace(type="MOUSEMOVE")) == {"PASS_THROUGH"}
    while current_model_task().text != "Waiting 50%":
        assert operator.modal(window, TIMER) == {"PASS_THROUGH"}
        time.sleep(0.01)
    polled = (bpy.ops.avatarmmc.add_model, bpy.ops.avatarmmc.remove_model)
    assert not any(item.poll() for item in (*polled, bpy.ops.avatarmmc.generate))
    operator.go_on.set()
    assert run_to_end(operator, window) == {"FINISHED"}
    assert operator.told == [("INFO", "Done: made")]
    assert window.timers == [] and operator.dropped == []
    assert running_job() is None and bpy.ops.avatarmmc.add_model.poll()


@pytest.mark.parametrize("reports", [True, False])
def test_cancel_holds_the_place_until_the_thread_has_ended(store, reports):
    window = Window()
    operator = Work(window, reports=reports)
    assert bpy.ops.avatarmmc.cancel_model() == {"FINISHED"}
    assert current_model_task().text == "Cancelling…"
    assert not bpy.ops.avatarmmc.cancel_model.poll() and not bpy.ops.avatarmmc.generate.poll()
    if not reports:
        assert operator.modal(window, TIMER) == {"PASS_THROUGH"}
        operator.go_on.set()
    assert run_to_end(operator, window) == {"CANCELLED"}
    assert operator.told == [("INFO", "The job was cancelled; nothing was changed.")]
    assert operator.dropped == ([] if reports else ["made"])
    assert window.timers == [] and running_job() is None


def test_cancel_after_the_work_drops_what_was_made(store):
    window = Window()
    operator = Work(window)
    operator.go_on.set()
    current_model_task()._job.join(30)
    bpy.ops.avatarmmc.cancel_model()
    assert operator.dropped == ["made"]
    assert operator.modal(window, TIMER) == {"CANCELLED"}


def test_errors_are_told_and_end_the_work(store):
    window = Window()
    operator = Work(window, AvatarError("This file is something else."))
    operator.go_on.set()
    assert run_to_end(operator, window) == {"CANCELLED"}
    assert operator.told == [("ERROR", "This file is something else.")]
    operator = Work(window, ZeroDivisionError("a fault of ours"))
    operator.go_on.set()
    with pytest.raises(ZeroDivisionError):
        run_to_end(operator, window)
    assert operator.told == [("ERROR", "This failed; see Blender's console.")]
    operator = Work(window)
    operator.finish = lambda context, made: (_ for _ in ()).throw(AvatarError("The disk is full."))
    operator.go_on.set()
    assert run_to_end(operator, window) == {"CANCELLED"}
    assert operator.told == [("ERROR", "The disk is full.")]
    assert window.timers == [] and running_job() is None


def test_a_closed_window_ends_the_work(store):
    window = Window()
    operator = Work(window)
    thread = current_model_task()._job
    operator.cancel(window)
    assert window.timers == [] and current_model_task() is None
    thread.join(30)
    assert running_job() is None and operator.dropped == []


def test_a_model_is_added_in_the_background(store, released):
    window = Window()
    properties = {"filepath": str(released), "flame": ""}
    operator = driven(model_operators.AVATARMMC_OT_add_model, window, **properties)
    assert run_to_end(operator, window) == {"FINISHED"}
    (shown,) = model_cache.shown_models()
    assert operator.told == [("INFO", f"Added {shown.info.id}")]


def test_cancel_after_the_last_report_adds_nothing(store, released):
    window = Window()
    properties = {"filepath": str(released), "flame": ""}
    operator = driven(model_operators.AVATARMMC_OT_add_model, window, **properties)
    current_model_task()._job.join(60)  # converted, and not yet asked for
    bpy.ops.avatarmmc.cancel_model()
    assert run_to_end(operator, window) == {"CANCELLED"}
    assert list(store.iterdir()) == [] and model_cache.shown_models() == ()


def test_removal_asks_first_and_runs_in_the_background(store, released, monkeypatch):
    model = model_actions.add_model(released, None)
    model_cache.refresh_models()
    asked = []
    window = Window()
    window.invoke_confirm = lambda operator, event, **texts: asked.append(texts)
    kind = model_operators.AVATARMMC_OT_remove_model
    waiting = SimpleNamespace(model=model.id, stray=False, confirmed=False)
    kind.invoke(waiting, window, None)
    assert model.id in asked[0]["title"] and waiting.confirmed
    assert running_job() is None and model.folder.is_dir()
    operator = driven(kind, window, model=model.id, stray=False)
    assert run_to_end(operator, window) == {"FINISHED"}
    assert operator.told == [("INFO", f"Removed {model.id}")]
    assert list(store.iterdir()) == [] and model_cache.shown_models() == ()


def test_a_stray_folder_is_shown_and_can_be_removed(store):
    (store / "My photos").mkdir(parents=True)
    (store / "My photos" / "me.png").write_bytes(b"picture")
    assert bpy.ops.avatarmmc.refresh_models() == {"FINISHED"}
    (shown,) = model_cache.shown_models()
    assert shown.info.stray and "no converted model" in shown.info.problem
    with pytest.raises(RuntimeError, match="--stray"):
        bpy.ops.avatarmmc.remove_model(model="My photos")
    assert bpy.ops.avatarmmc.remove_model(model="My photos", stray=True) == {"FINISHED"}
    assert list(store.iterdir()) == [] and model_cache.shown_models() == ()
