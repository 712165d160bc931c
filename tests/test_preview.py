"""Pictures of a head: what is in them, and that the user's scene is left alone."""

from __future__ import annotations

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from avatarmmc_blender.preview import View, render_objects, render_preview  # noqa: E402
from avatarmmc_blender.scene import build_scene  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_scene")
SIZE = (48, 60)


@pytest.fixture
def rig(empty_scene, rigged_head):
    return build_scene(rigged_head, "Avatar 0042", {"version": "0"}).objects["Avatar 0042"]


def read_picture(path):
    """Return the picture (H, W, 3), row 0 at the top."""
    image = bpy.data.images.load(str(path))
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1, :, :3]


def test_head_fills_the_picture_and_the_scene_stays(rig, tmp_path):
    bpy.ops.mesh.primitive_cube_add(size=0.5, location=(0.0, -0.6, 0.0))  # between it and us
    kinds = ("scenes", "objects", "lights", "cameras", "worlds")
    before = [len(getattr(bpy.data, kind)) for kind in kinds]
    path = tmp_path / "preview.png"
    render_preview(rig, path, size=SIZE, samples=2)
    picture = read_picture(path)
    assert picture.shape == (60, 48, 3)
    backdrop, face = picture[1, 1], picture[24:36, 16:32].mean((0, 1))
    assert np.abs(face - backdrop).max() > 0.05
    assert face.mean() > 0.15  # lit
    assert [len(getattr(bpy.data, kind)) for kind in kinds] == before


def test_left_of_the_subject_is_seen_from_the_left(rig, tmp_path):
    shots = [(View(azimuth=side), tmp_path / f"{side}.png") for side in (-70.0, 70.0)]
    render_objects([rig, *rig.children], shots, size=SIZE, samples=2)
    right, left = (read_picture(path) for _, path in shots)
    assert np.abs(left - right).mean() > 0.01
