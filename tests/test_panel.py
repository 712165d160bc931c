"""The panels and what they ask for: pictures, guidance, variants, edits, settings put back."""

from __future__ import annotations

import builtins
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from avatarmmc_blender import edit_operators, paint_operators, pipeline
from avatarmmc_blender.backend.answer.evidence import Evidence
from avatarmmc_blender.backend.conditions.palette import PALETTE
from avatarmmc_blender.errors import AvatarError, Cancelled
from avatarmmc_blender.jobs import running_job
from avatarmmc_blender.settings import GenerateSettings
from tests.sample_head import sample_rigged_head

bpy = pytest.importorskip("bpy")

import avatarmmc_blender as addon  # noqa: E402
from avatarmmc_blender import generate_task, head_panel, label_panel, panel  # noqa: E402
from avatarmmc_blender.generate_task import GenerateTask, heads_of  # noqa: E402
from avatarmmc_blender.head_file import StoredHead  # noqa: E402
from avatarmmc_blender.metadata import find_rig, read_notes  # noqa: E402
from avatarmmc_blender.panel_settings import (  # noqa: E402
    edit_from_panel,
    request_from_panel,
    settings_from_panel,
)
from avatarmmc_blender.pictures import image_pixels, new_image  # noqa: E402

REPORT = {"model": {"id": "sample", "sha256": "0" * 64}, "notes": ["the photo shows 2 faces"]}
LABELS = (np.arange(128 * 128) // 900 % len(PALETTE)).astype(np.uint8).reshape(128, 128)


def heads(settings, callback=None, pixels=None, evidence=None):
    """Stand in for the pipeline: small heads of variants, slowly enough to be cancelled."""
    settings.check()
    for step in range(10):
        if callback is not None:
            callback("surface", step / 10)
            time.sleep(0.01)
    return [
        pipeline.GeneratedHead(
            sample_rigged_head(settings.seed + i),
            np.zeros(256, np.float32),
            GenerateSettings.from_dict(
                settings.as_dict() | {"seed": settings.seed + i, "variants": 1}
            ),
            REPORT,
            evidence,
        )
        for i in range(settings.variants)
    ]


@pytest.fixture
def settings(empty_scene, monkeypatch):
    monkeypatch.setattr(pipeline, "generate", heads)
    addon.register()
    yield bpy.context.scene.avatarmmc
    addon.unregister()


@pytest.fixture
def asked(monkeypatch):
    """What reaches the making of edited heads and maps, which stand-ins make."""
    calls = []

    def edit_head(head, request, settings, callback, pixels):
        calls.append((head, request, settings, pixels))
        return heads(settings, callback)[0]

    monkeypatch.setattr(edit_operators, "edit_head", edit_head)
    monkeypatch.setattr(paint_operators, "front_of", lambda head, device: (None, LABELS))
    return calls


def names(kind="objects"):
    return sorted(item.name for item in getattr(bpy.data, kind))


def rigs():
    return [item for item in bpy.data.objects if item.type == "ARMATURE"]


def a_photo(name="photo", side=64):
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return new_image(name, pixels)


class Layout:
    """Takes whatever a panel draws and remembers the texts, operators and properties."""

    def __init__(self, drawn=None):
        self.drawn = [] if drawn is None else drawn

    def __getattr__(self, name):
        def draw(*args, **options):
            self.drawn.append((name, args, options))
            inner = Layout(self.drawn)
            return (inner, inner) if name == "panel" else inner

        return draw


def draw(cls):
    layout = Layout()
    context = SimpleNamespace(
        scene=bpy.context.scene,
        object=bpy.context.object,
        preferences=bpy.context.preferences,
        region=SimpleNamespace(width=260),
        space_data=SimpleNamespace(image=bpy.context.scene.avatarmmc.edit_map),
    )
    cls.draw(SimpleNamespace(layout=layout), context)
    return layout.drawn


PANELS = (*panel.CLASSES, *head_panel.CLASSES, label_panel.AVATARMMC_PT_labels)


def test_drawing_reads_no_file_and_starts_nothing(settings, monkeypatch, tmp_path):
    bpy.ops.avatarmmc.generate()
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    for name in ("photo", "segmentation", "mask", "edit_map", "edit_mask"):
        setattr(settings, name, bpy.data.images.load(str(tmp_path / "a.png")))
    threads = threading.active_count()

    def refused(*args, **options):
        raise AssertionError(f"drawing opened {args[0]}")

    monkeypatch.setattr(builtins, "open", refused)
    drawn = [item for cls in PANELS for item in draw(cls)]
    assert not any(image.has_data for image in bpy.data.images if image.name.startswith("a.png"))
    assert threading.active_count() == threads and running_job() is None
    operators = {args[0] for name, args, _ in drawn if name == "operator"}
    known = {item.bl_idname for item in bpy.types.Operator.__subclasses__()}
    assert {name for name in operators if name.startswith("avatarmmc.")} <= known
    # every property that is drawn exists
    for name, args, _ in drawn:
        if name in ("prop", "template_ID"):
            assert args[1] in args[0].bl_rna.properties


def test_panels_say_what_the_official_models_do_not_know(settings):
    settings.model = "next3d-1"
    texts = [options.get("text") for _, _, options in draw(panel.AVATARMMC_PT_pictures)]
    assert "Only the bundled model knows pictures" in texts
    settings.photo = a_photo()
    assert settings_from_panel(bpy.context).image is None


def test_pictures_are_asked_for_as_bytes(settings):
    settings.photo, settings.segmentation = a_photo("photo"), a_photo("map", 32)
    settings.mask = a_photo("mask", 16)
    wanted, pixels = request_from_panel(bpy.context)
    assert (wanted.image, wanted.segmentation, wanted.mask) == ("photo", "map", "mask")
    assert np.array_equal(pixels["image"], image_pixels(settings.photo))
    assert pixels["segmentation"].shape == (32, 32, 4) and pixels["mask"].shape == (16, 16, 4)
    settings.photo = settings.segmentation = None
    wanted, pixels = request_from_panel(bpy.context)
    assert not wanted.conditioned and wanted.mask is None and pixels == {}


def test_a_crop_begins_with_the_middle_of_the_photo(settings):
    settings.photo = a_photo(side=64)
    assert settings_from_panel(bpy.context).crop is None
    settings.use_crop = True
    assert settings_from_panel(bpy.context).crop == (32, 32, 64)
    settings.crop_x, settings.use_crop = 20, False
    settings.use_crop = True
    assert settings_from_panel(bpy.context).crop == (20, 32, 64)
    settings.photo = a_photo(side=32)
    assert settings_from_panel(bpy.context).crop == (16, 16, 32)
    settings.photo = None
    assert settings_from_panel(bpy.context).crop is None


def test_guidance_says_only_what_is_unusual(settings):
    settings.guidance_photo, settings.steps, settings.variants = 3.3, 30, 2
    wanted = settings_from_panel(bpy.context)
    assert wanted.guidance == {"photo": 3.3} and (wanted.steps, wanted.variants) == (30, 2)
    settings.personalise = 60
    assert settings_from_panel(bpy.context).personalise == 0  # there is no photo
    settings.photo = a_photo()
    assert settings_from_panel(bpy.context).personalise == 60
    settings.method = "optimise"
    assert settings_from_panel(bpy.context).personalise == 0


def test_a_picture_that_cannot_be_read_is_one_sentence(settings, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    settings.photo = bpy.data.images.load(str(tmp_path / "a.png"))
    with pytest.raises(RuntimeError, match="Image a.png cannot be read"):
        bpy.ops.avatarmmc.generate()
    assert names() == [] and running_job() is None


def test_variants_stand_side_by_side_with_images_of_their_own(settings):
    settings.variants = 3
    assert bpy.ops.avatarmmc.generate() == {"FINISHED"}
    assert [rig.name for rig in rigs()] == ["Avatar 0000", "Avatar 0001", "Avatar 0002"]
    places = [rig.location.x for rig in rigs()]
    assert places == sorted(places) and len(set(places)) == 3
    assert find_rig(bpy.context.object).name == "Avatar 0000"
    assert len(bpy.context.selected_objects) == 3
    assert len(bpy.data.images) % 3 == 0 and len(bpy.data.images) > 0


def test_variants_are_one_step_of_undo(settings):
    settings.variants = 3
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.ed.undo_push(message="cube")
    bpy.ops.avatarmmc.generate("EXEC_DEFAULT", True)
    assert len(rigs()) == 3
    bpy.ops.ed.undo()
    assert names() == ["Cube"]


def test_cancel_among_variants_leaves_the_scene(settings, monkeypatch):
    bpy.ops.mesh.primitive_cube_add()
    before = {kind: names(kind) for kind in ("objects", "images", "materials", "collections")}
    monkeypatch.setattr(generate_task, "STEP_SECONDS", 0.0001)  # one step a tick
    task = GenerateTask(heads_of(GenerateSettings(variants=3)))
    task.start()
    while len(rigs()) < 2:
        task.step()
        time.sleep(0.001)
    assert bpy.context.object.name == "Cube"  # nothing is seen yet
    assert bpy.ops.avatarmmc.cancel() == {"FINISHED"}
    with pytest.raises(Cancelled):
        while not task.step():
            time.sleep(0.01)
    assert {kind: names(kind) for kind in before} == before


def test_notes_are_kept_and_shown(settings):
    bpy.ops.avatarmmc.generate()
    rig = find_rig(bpy.context.object)
    assert read_notes(rig) == ["the photo shows 2 faces"]
    texts = [options.get("text") for _, _, options in draw(head_panel.AVATARMMC_PT_head)]
    assert "The photo shows 2 faces" in texts
    rig["avatarmmc_notes"] = "no JSON"
    assert read_notes(rig) == []


def test_what_a_head_was_made_from_comes_back(settings, monkeypatch):
    made = Evidence(
        image=np.full((128, 128, 3), 90, np.uint8),
        image_given=np.ones((128, 128), bool),
        labels=LABELS,
        labels_given=np.ones((128, 128), bool),
    )
    monkeypatch.setattr(pipeline, "generate", lambda *args: heads(*args, evidence=made))
    settings.photo, settings.guidance_map, settings.steps = a_photo(), 4.5, 33
    settings.snap, settings.mask = True, a_photo("mask")
    bpy.ops.avatarmmc.generate()
    settings.photo = settings.mask = None
    settings.guidance_map, settings.steps = 2.0, 20
    assert bpy.ops.avatarmmc.restore_settings() == {"FINISHED"}
    wanted, pixels = request_from_panel(bpy.context)
    assert wanted.guidance == {"map": 4.5} and wanted.steps == 33
    assert wanted.crop == (64, 64, 128) and wanted.mask is None
    assert np.array_equal(pixels["image"][..., :3], made.image)
    assert np.array_equal(pixels["segmentation"][::4, ::4, :3], np.array(PALETTE)[LABELS])


def test_old_heads_without_evidence_ask_for_no_pictures(settings):
    bpy.ops.avatarmmc.generate()
    rig = find_rig(bpy.context.object)
    rig["avatarmmc_settings"] = '{"seed": 5, "truncation": 0.5, "attributes": {"age": 0.5}}'
    del rig["avatarmmc_notes"]
    settings.photo = a_photo()
    assert bpy.ops.avatarmmc.restore_settings() == {"FINISHED"}
    wanted = settings_from_panel(bpy.context)
    assert (wanted.seed, wanted.truncation, wanted.attributes) == (5, 0.5, {"age": 0.5})
    assert wanted.image is None and settings.photo is None
    draw(head_panel.AVATARMMC_PT_head)


def test_damaged_evidence_is_one_sentence_and_changes_nothing(settings):
    bpy.ops.avatarmmc.generate()
    find_rig(bpy.context.object)["avatarmmc_evidence"] = '{"image": "?", "image_given": "?"}'
    settings.seed, settings.photo = 9, a_photo()
    with pytest.raises(RuntimeError, match="cannot be read"):
        bpy.ops.avatarmmc.restore_settings()
    assert settings.seed == 9 and settings.photo is not None


def test_painting_a_map(settings, asked):
    bpy.ops.avatarmmc.generate()
    assert bpy.ops.avatarmmc.paint_map() == {"FINISHED"}
    assert settings.edit_map.name == "Avatar 0000 Map"
    pixels = image_pixels(settings.edit_map)
    assert np.array_equal(pixels[::4, ::4, :3], np.array(PALETTE)[LABELS])


def test_an_edit_makes_another_head_and_leaves_the_first(settings, asked):
    bpy.ops.avatarmmc.generate()
    first = find_rig(bpy.context.object)
    texts = {key: first[key] for key in first.keys()}  # noqa: SIM118
    bpy.ops.avatarmmc.paint_map()
    settings.age, settings.edit_strength, settings.identity_lock = 0.8, 0.4, False
    assert bpy.ops.avatarmmc.edit() == {"FINISHED"}
    assert [rig.name for rig in rigs()] == ["Avatar 0000", "Avatar 0000.001"]
    assert find_rig(bpy.context.object).name == "Avatar 0000.001"
    assert rigs()[1].location.x > 0 == rigs()[0].location.x
    assert {key: first[key] for key in first.keys()} == texts  # noqa: SIM118
    ((head, request, wanted, pixels),) = asked
    assert head.latent.shape == (256,) and wanted.attributes == {} and wanted.variants == 1
    assert request.attributes == {"age": 0.8} and set(pixels) == {"segmentation"}
    assert (request.strength, request.identity_lock) == (0.4, False)


def test_strokes_of_soft_brushes_are_labels(settings, asked):
    bpy.ops.avatarmmc.generate()
    bpy.ops.avatarmmc.paint_map()
    image = settings.edit_map
    values = np.array(image.pixels[:], np.float32).reshape(512, 512, 4)
    half = np.array(PALETTE[13]) / 255
    values[100:200, 100:200, :3] = 0.45 * values[100:200, 100:200, :3] + 0.55 * half
    image.pixels.foreach_set(values.ravel())
    assert bpy.ops.avatarmmc.edit() == {"FINISHED"}
    painted = asked[0][3]["segmentation"]
    assert (painted[320:400, 110:190, :3] == PALETTE[13]).all()


def test_a_map_of_another_head_is_not_used(settings, asked):
    bpy.ops.avatarmmc.generate()
    first = find_rig(bpy.context.object)
    bpy.ops.avatarmmc.paint_map()
    draw(head_panel.AVATARMMC_PT_edit)
    bpy.ops.avatarmmc.generate()
    assert find_rig(bpy.context.object) != first
    assert "Not used: it is a map" in str(draw(head_panel.AVATARMMC_PT_edit))
    assert "Edit Avatar 0000'" in str(draw(label_panel.AVATARMMC_PT_labels))
    with pytest.raises(RuntimeError, match="nothing to edit: paint on a map of this head"):
        bpy.ops.avatarmmc.edit()
    settings.age = 0.8
    assert bpy.ops.avatarmmc.edit() == {"FINISHED"}
    assert asked[-1][3] == {}
    bpy.data.objects.remove(first)  # then nobody knows whose it is
    assert bpy.ops.avatarmmc.edit() == {"FINISHED"}
    assert set(asked[-1][3]) == {"segmentation"}


def test_a_foreign_map_can_be_snapped(settings, asked):
    bpy.ops.avatarmmc.generate()
    settings.edit_map, settings.edit_snap = a_photo("map"), True
    assert "'edit_snap'" in str(draw(head_panel.AVATARMMC_PT_edit))
    assert bpy.ops.avatarmmc.edit() == {"FINISHED"}
    assert asked[-1][1].snap


def test_an_edit_is_one_step_of_undo(settings, asked):
    bpy.ops.avatarmmc.generate()
    settings.age = 0.8
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.avatarmmc.edit("EXEC_DEFAULT", True)
    assert len(rigs()) == 2
    bpy.ops.ed.undo()
    assert len(rigs()) == 1


def test_attributes_that_the_head_was_made_with_are_no_edit(settings):
    settings.age, settings.weight = 0.8, 0.1
    stored = {"settings": {"attributes": {"age": 0.8}}}
    head = StoredHead(np.zeros(256, np.float32), "bundled", "0", **stored)
    _, request, pixels = edit_from_panel(bpy.context, head, None)
    assert request.attributes == {"weight": 0.1} and pixels == {}
    head = replace(head, evidence={"attributes": {"weight": 0.1}})  # of an edit before this one
    with pytest.raises(AvatarError, match="nothing to edit"):
        edit_from_panel(bpy.context, head, None)


def test_heads_of_official_models_and_damaged_heads_cannot_be_edited(settings, asked):
    assert not bpy.ops.avatarmmc.edit.poll() and not bpy.ops.avatarmmc.paint_map.poll()
    bpy.ops.avatarmmc.generate()
    rig = find_rig(bpy.context.object)
    assert bpy.ops.avatarmmc.edit.poll() and bpy.ops.avatarmmc.paint_map.poll()
    settings.age = 0.8
    rig["avatarmmc_latent"] = "?"
    with pytest.raises(RuntimeError, match="latent"):
        bpy.ops.avatarmmc.edit()
    rig["avatarmmc_settings"] = '{"model": "next3d-1"}'
    assert not bpy.ops.avatarmmc.edit.poll()
    rig["avatarmmc_settings"] = "no JSON"
    assert not bpy.ops.avatarmmc.edit.poll()
    draw(head_panel.AVATARMMC_PT_edit)


def test_one_thing_at_a_time(settings, asked):
    bpy.ops.avatarmmc.generate()
    task = GenerateTask(heads_of(GenerateSettings()))
    task.start()
    for operator in ("generate", "edit", "paint_map"):
        assert not getattr(bpy.ops.avatarmmc, operator).poll()
    for cls in (panel.AVATARMMC_PT_generate, head_panel.AVATARMMC_PT_edit):
        drawn = {name for name, _, _ in draw(cls)}
        assert "progress" in drawn
    task.finish()
    while running_job() is not None:
        time.sleep(0.01)
    assert bpy.ops.avatarmmc.edit.poll()
