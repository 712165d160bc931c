"""The evaluation: held-out heads, measures with known answers, table, curves and page."""

from __future__ import annotations

import math

import pytest
import torch

from avatarmmc_blender.backend.conditions.conditions import decode_attributes
from avatarmmc_blender.backend.evaluation import measures, quality
from avatarmmc_blender.backend.evaluation.__main__ import main
from avatarmmc_blender.backend.evaluation.curves import Curve, steps_curve, switch_curve
from avatarmmc_blender.backend.evaluation.edits import (
    changes,
    choose_edit,
    measure_edits,
    possible_edits,
    run,
)
from avatarmmc_blender.backend.evaluation.gallery import gallery, painted
from avatarmmc_blender.backend.evaluation.held_out import held_out_head, join, only
from avatarmmc_blender.backend.evaluation.methods import (
    AnotherHead,
    AverageHead,
    Diffusion,
    Optimisation,
)
from avatarmmc_blender.backend.evaluation.page import BEGIN, END, kept_section, write_section
from avatarmmc_blender.backend.evaluation.quality import ALL, Bench, diversity, measure
from avatarmmc_blender.backend.evaluation.report import section
from avatarmmc_blender.backend.evaluation.room import develop, draw_room, shade, studio
from avatarmmc_blender.backend.evaluation.sheet import write_sheet
from avatarmmc_blender.backend.evaluation.table import (
    COLUMNS,
    Figures,
    Sizes,
    collect,
    collect_another,
    collect_average,
    rows,
)
from avatarmmc_blender.backend.latent.w_space import WSpace
from avatarmmc_blender.backend.optimise.optimise import Search
from avatarmmc_blender.backend.perception.network import FaceNetwork
from avatarmmc_blender.backend.synthetic.labels import LABEL_INDEX
from avatarmmc_blender.backend.training.latents import sample_training_latents
from tests.tiny_diffusion import tiny_model


@pytest.fixture(scope="module")
def bench(images):
    generator = images.generator
    with torch.no_grad():
        ws = generator.mapping(sample_training_latents(600, torch.Generator().manual_seed(0)))
        read = generator.readout(ws)
    space = WSpace(generator.num_ws, 256).fit(ws[:, 0], read.betas, read.values)
    network = FaceNetwork().eval().requires_grad_(False)
    return Bench(images, space, network, [held_out_head(images, i) for i in range(3)])


@pytest.fixture(scope="module")
def diffusion(bench):
    model = tiny_model()
    model.space.load_state_dict(bench.space.state_dict())
    return Diffusion(model, bench.images, steps=2)


class Truth:
    """A method that knows the answer."""

    name = "truth"

    def __init__(self, bench):
        self.space = bench.space

    def answer(self, heads, asked, seed):
        return torch.cat([self.space.encode(head.ws) for head in heads])

    def edit(self, head, latent, edit):
        return latent


def test_held_out_heads_repeat_and_differ(images, bench):
    again = held_out_head(images, 1)
    assert torch.equal(again.conditions.image, bench.heads[1].conditions.image)
    assert torch.equal(again.ws, bench.heads[1].ws)
    assert not torch.equal(bench.heads[0].ws, bench.heads[1].ws)
    both = join([only(head.conditions, "image") for head in bench.heads])
    assert len(both) == 3 and both.labels is None and not both.attributes_given.any()


def test_rooms_light_and_films_roll_off():
    normal = torch.nn.functional.normalize(torch.randn(500, 3), dim=1)
    white, black = (torch.full_like(normal, value) for value in (1.0, 0.0))
    for room in (studio(), draw_room(torch.Generator().manual_seed(3))):
        lit = shade(white, normal, room)
        assert lit.isfinite().all() and (lit > shade(black, normal, room)).all()
        toward = room.lamps[:1] * room.colors.sum(1).argmax().eq(0)
        assert shade(white[:1], toward, room).sum() >= shade(white[:1], -toward, room).sum()
    even = develop(torch.linspace(0, 50, 200))
    assert even[0] == 0 and even[-1] == 1 and (even.diff() >= 0).all()


def test_strokes_grow_classes_over_what_they_may(bench):
    labels = torch.zeros(32, 32, dtype=torch.int64)
    labels[8:24, 8:24] = LABEL_INDEX["skin"]
    labels[14:16, 15:17] = LABEL_INDEX["nose"]
    labels[4:8, 8:24] = LABEL_INDEX["hair"]
    larger = painted(labels, "a larger nose") == LABEL_INDEX["nose"]
    assert larger.sum() == 10 * 10 and larger[14:16, 15:17].all()
    hair = painted(labels, "more hair")
    assert (hair[labels == LABEL_INDEX["skin"]] != LABEL_INDEX["hair"]).all()
    assert (hair == LABEL_INDEX["hair"]).sum() > (labels == LABEL_INDEX["hair"]).sum()


def test_the_truth_is_perfect(bench):
    found = measure(bench, Truth(bench), ALL, 2)
    assert found.overlap == pytest.approx(1.0, abs=0.01)
    assert found.surface < 0.01 and found.points < 0.01 and found.color < 0.5
    assert found.identity == pytest.approx(1.0, abs=1e-4)


def test_surface_error_ignores_place_turn_and_size_and_sees_shape(images, bench):
    truth = bench.truth(bench.heads[0]).skin
    angle = torch.tensor(0.4)
    turn = torch.tensor([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0], [0, 0, 1]])
    moved = measures.Skin(1.3 * truth.surface @ turn.T + 0.05, truth.color)
    assert measures.surface_error(images, moved, truth) < 0.01
    other = bench.truth(bench.heads[1]).skin
    assert 0.3 < measures.surface_error(images, other, truth) < 10
    assert measures.shape_distance(images, other, truth) > measures.surface_error(
        images, other, truth
    )


def test_color_error_is_in_levels(images, bench):
    truth = bench.truth(bench.heads[0]).skin
    brighter = measures.Skin(truth.surface, truth.color + 7)
    assert measures.color_error(images, brighter, truth) == pytest.approx(7, abs=1e-3)


def test_attributes_that_are_the_opposite_disagree(images, bench):
    ws = torch.cat([head.ws for head in bench.heads])
    asked = torch.cat([head.conditions.attributes for head in bench.heads])
    given = torch.cat([head.conditions.attributes_given for head in bench.heads])
    figures = measures.attribute_agreement(images, ws, -asked, given).agreement
    assert figures["masculinity"] == pytest.approx(-1.0, abs=1e-4)
    nothing = measures.attribute_agreement(images, ws, asked, torch.zeros_like(given))
    assert math.isnan(nothing.mean)


def test_pictures_are_lit_before_a_plain_background(images, bench):
    picture = measures.portrait(measures.body(images, bench.heads[0].ws))
    assert picture.shape == (1, 3, 128, 128) and picture.isfinite().all()
    assert picture[0, :, 0, 0].tolist() == pytest.approx([0.55] * 3, abs=0.02)


def test_seeds_give_several_answers(bench, diffusion):
    few = Bench(bench.images, bench.space, None, bench.heads[:1])
    several = diversity(few, diffusion, ("attributes",), 1, seeds=2)
    assert several.shape > 0.1 and several.color > 0 and math.isnan(several.cosine)
    assert diversity(few, AverageHead(bench.space), ("labels",), 1, seeds=2).shape < 0.01


def test_another_head_is_the_next_one(bench):
    found = AnotherHead(bench.space, bench.heads).answer(bench.heads[1:], [], 0)
    expected = bench.space.encode(torch.cat([bench.heads[2].ws, bench.heads[0].ws]))
    assert torch.allclose(found, expected, atol=1e-4)


def test_edits_suit_the_heads(bench):
    for head in bench.heads:
        name = choose_edit(head)
        asked = possible_edits(head)[name]
        own = decode_attributes(head.conditions.attributes, head.conditions.attributes_given)[0]
        assert all(own.get(key) != value for key, value in asked.items()), name


def test_an_edit_that_does_nothing_changes_nothing(bench):
    edited = run(bench, Truth(bench), bench.heads[0])
    assert max(changes(edited)) < 1.0
    figures = measure_edits(bench, Truth(bench), 1)
    assert figures.edits == 1 and figures.done < 0.5 and figures.identity > 0.999


def test_everything_is_collected_for_both_methods(bench, diffusion):
    few = Bench(bench.images, bench.space, None, bench.heads[:1])
    sizes = Sizes(heads=1, edits=1, diverse=1, seeds=2, timed=1)
    one = collect(few, diffusion, sizes)
    baseline = Optimisation(few.images, few.space, None, Search(steps=2, size=32))
    other = collect(few, baseline, Sizes(1, 1, 1, 2, timed=0), kinds=("attributes",))
    assert other.seconds == other.all.seconds
    table = rows([one, other, collect_average(few, 1), collect_another(bench, 1)])
    assert [row.figure for row in table][:2] == ["heads", "segmentation only: mIoU"]
    assert table[0].values == ("1", "1", "1", "1")
    for row in table:
        values = dict(zip(COLUMNS, row.values, strict=True))
        identity = "identity" in row.figure
        assert (values["diffusion"] == "not measured") == identity, row
        single = "several seeds" in row.figure and not row.figure.startswith("attributes")
        assert (values["optimisation"] == "not measured") == (identity or single), row
    points = next(row for row in table if "average head's" in row.figure)
    assert points.values[2] == "1.00"


def test_shares_kept_are_of_the_conditions_own_figures():
    own = quality.Quality(4, overlap=0.8, agreement=0.9, surface=2.0, color=10.0, identity=0.5)
    both = quality.Quality(4, overlap=0.72, agreement=0.9, surface=1.0, color=20.0)
    found = rows([Figures(own, own, own, both), None, None, None])
    kept = {row.figure.split("its own ")[1]: row for row in found if "its own" in row.figure}
    values = {name: (row.values[0], row.held) for name, row in kept.items()}
    assert values == {
        "mIoU": ("0.90", False),
        "agreement": ("1.00", True),
        "surface error": ("2.00", True),
        "colour error": ("0.50", False),
        "identity": ("not measured", None),
    }


def test_weights_of_attributes_alone_are_measured_as_far_as_they_go(bench, diffusion):
    plain = Diffusion(tiny_model(visual=False), bench.images, steps=2)
    plain.model.space.load_state_dict(bench.space.state_dict())
    found = collect(bench, plain, Sizes(3, diverse=1, seeds=2, timed=1), visual=False)
    assert found.labels is None and found.edits is None and found.attributes.heads == 3
    table = {row.figure: row for row in rows([found, None, None, None])}
    assert table["segmentation only: mIoU"].values[0] == "not measured"
    assert table["segmentation only: mIoU"].held is None
    assert table["times faster than the baseline"].values[0] == "not measured"


def test_curves_and_their_pictures(bench, diffusion, tmp_path, monkeypatch):
    few = Bench(bench.images, bench.space, None, bench.heads[:1])
    folder = "avatarmmc_blender.backend.evaluation.curves."
    for name, value in {"_FEW": 1, "_MANY": 2, "_EXACT": 3, "_SIZE": 64}.items():
        monkeypatch.setattr(folder + name, value)
    monkeypatch.setattr("avatarmmc_blender.backend.evaluation.curves.STEPS", (1, 2))
    monkeypatch.setattr("avatarmmc_blender.backend.evaluation.curves.SWITCHES", (0.5,))
    curve = steps_curve(few, diffusion, 1, tmp_path)
    assert curve.note.startswith("1 evaluations of DPM-Solver++(2M) as good as 2 of DDIM")
    assert len(curve.lines) == 4 and curve.picture.stat().st_size > 2000
    assert all(len(line) == len(curve.columns) for line in curve.lines)
    switches = switch_curve(few, diffusion, 1, None)
    assert len(switches.lines) == 1 and switches.picture is None


def test_pages_of_pictures(bench, diffusion, tmp_path, monkeypatch):
    monkeypatch.setattr("avatarmmc_blender.backend.evaluation.gallery.SHOWN", 2)
    monkeypatch.setattr("avatarmmc_blender.backend.evaluation.gallery.SIZE", 64)
    few = Bench(bench.images, bench.space, None, bench.heads[:2])
    pages = gallery(few, diffusion, tmp_path)
    assert [page.title for page in pages] == ["Photos to heads", "Maps to heads", "Edits"]
    for page in pages:
        assert page.picture.stat().st_size > 2000


def test_the_section_replaces_itself_and_nothing_else(tmp_path):
    page = tmp_path / "results.md"
    page.write_text("# Results\n\nmine\n")
    picture = write_sheet(tmp_path / "pictures" / "a.jpg", [[torch.zeros(3, 16, 16)]], ["a"])
    curve = Curve("Steps", ("a", "b"), [("1", "2")], picture)
    figures = [None] * 4
    write_section(page, section(rows([None] * 4), figures, [curve], [], ["date: x"], page))
    first = page.read_text()
    assert first.startswith("# Results\n\nmine\n") and first.rstrip().endswith(END)
    assert "![Steps](pictures/a.jpg)" in first and "| 1 | 2 |" in first
    page.write_text(first + "\nafter\n")
    write_section(page, section(rows([None] * 4), figures, [], [], ["date: y"], page))
    second = page.read_text()
    assert second.count(BEGIN) == 1 and "date: y" in second and "date: x" not in second
    assert "mine" in second and second.endswith("after\n")
    assert kept_section(page).startswith(BEGIN)
    assert kept_section(tmp_path / "none.md") == ""


@pytest.mark.parametrize("option", ["--generator", "--diffusion"])
def test_missing_weights_are_named(option, tmp_path):
    wanted = tmp_path / "other.safetensors"
    with pytest.raises(SystemExit, match="other.safetensors is missing"):
        main([option, str(wanted), "--heads", "3", "--output", str(tmp_path / "r.md")])
    with pytest.raises(SystemExit, match="at least 3"):
        main(["--heads", "1", "--diffusion", "none", "--faces", "none"])


def test_figures_are_means_over_heads(bench):
    found = quality.measure_latents(
        bench, bench.heads[:2], Truth(bench).answer(bench.heads[:2], [], 0), ("labels",)
    )
    assert found.heads == 2 and math.isnan(found.surface) and found.overlap > 0.98
