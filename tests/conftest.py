"""Fixtures that several test files share."""

from __future__ import annotations

import pytest
import torch

from avatarmmc_blender.backend.generator.fast_images import FastImages
from avatarmmc_blender.backend.generator.weights import load_bundled
from tests.sample_head import sample_rigged_head


@pytest.fixture
def empty_scene():
    """Blender with an empty file, before and after the test."""
    bpy = pytest.importorskip("bpy")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    yield bpy
    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture
def rigged_head():
    """A small head with the structure of a real one."""
    return sample_rigged_head()


@pytest.fixture(scope="module")
def images():
    """Fast images of the bundled generator's heads; one thread, as many small steps are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield FastImages(load_bundled())
    torch.set_num_threads(before)
