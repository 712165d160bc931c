"""Fixtures for tests that need Blender."""

from __future__ import annotations

import pytest

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
