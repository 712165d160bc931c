"""The measuring tools behind docs/results.md measure what they say."""

from __future__ import annotations

import numpy as np
import pytest

from avatarmmc_blender.backend.conditions.attributes import check_value
from avatarmmc_blender.backend.conditions.table import ATTRIBUTES
from benchmarks.attribute_agreement import CHECKS, CHOICES
from benchmarks.attribute_design import draw
from benchmarks.correlation import correlation, partial_correlation, recognised
from benchmarks.depth_buffer import Window, turned, visible_triangles
from benchmarks.result_rows import Row, surface_rows
from benchmarks.results import write_whole


def test_every_attribute_is_measured_once_and_every_value_drawn_is_valid():
    measured = [item.name for item in (*CHECKS, *CHOICES)]
    assert sorted(measured) == sorted(attribute.name for attribute in ATTRIBUTES)
    drawn = set()
    for seed in range(14):
        values = draw(seed, seed % 4, np.random.default_rng(seed))
        drawn |= set(values)
        for name, value in values.items():
            check_value(name, value)
    assert drawn == set(measured)


def test_partial_correlation_takes_out_groups_and_other_causes():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(30), 4)
    value, other = rng.uniform(-1, 1, (2, 120))
    found = value + 5.0 * other + 3.0 * rng.normal(size=30)[group]
    assert correlation(value, found) < 0.5
    assert partial_correlation(value, found, other[:, None], group) > 0.999
    assert abs(partial_correlation(value, rng.normal(size=120), other[:, None], group)) < 0.3
    assert np.isnan(partial_correlation(value[:0], found[:0], other[:0, None], group[:0]))
    assert np.isnan(partial_correlation(value[:4], found[:4], other[:4, None], group[:4]))


def test_classes_are_recognised_from_other_groups_only():
    features = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]])
    names = np.array(["a", "a", "b", "b", "alone"])
    right = recognised(features, names, np.array([0, 1, 0, 1, 2]))
    assert right.tolist() == [True, True, True, True]


@pytest.mark.parametrize("first_in_front", [True, False])
def test_the_nearer_triangle_is_seen(first_in_front):
    large = [[-1, 0, -1], [3, 0, -1], [-1, 0, 3]]
    y = -0.5 if first_in_front else 0.5
    small = [[0, y, 0], [0.2, y, 0], [0, y, 0.2]]
    points = turned(np.array(small + large, float), yaw=0.0)
    window = Window((0.0, 0.0), (0.5, 0.5), 0.01)
    seen = visible_triangles(points, np.array([[0, 1, 2], [3, 4, 5]]), window)
    assert (seen >= 0).all()
    area = (seen == 0).sum() * window.pixel**2
    assert area == pytest.approx(0.02 if first_in_front else 0.0, abs=2e-3)


def test_a_figure_that_misses_its_aim_is_not_held():
    found = {"resolution": 512, "adaptive_seconds": 10.0, "evaluated_share": 0.1}
    held = [
        surface_rows(found | {"dense_seconds": 10.0 * ratio, "ratio": ratio})[0].held
        for ratio in (99.0, 101.0)
    ]
    assert held == [False, True]
    assert Row("figure", "", "1", None).held is None


def test_the_page_is_replaced_whole(tmp_path):
    path = tmp_path / "docs" / "results.md"
    write_whole(path, "first")
    write_whole(path, "second")
    assert path.read_text(encoding="utf-8") == "second"
    assert [item.name for item in path.parent.iterdir()] == ["results.md"]
