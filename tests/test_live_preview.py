"""The head that is being refined, shown while it is."""

import numpy as np
import pytest

from avatarmmc_blender import addon, live_picture, live_preview


@pytest.fixture
def registered():
    addon.register()
    yield
    addon.unregister()


def test_the_newest_picture_is_taken_once():
    live_picture.put(np.zeros((4, 4, 3), np.uint8))
    live_picture.put(np.full((4, 4, 3), 255, np.uint8))
    assert live_picture.take().min() == 255
    assert live_picture.take() is None


def test_a_picture_is_shown_until_the_task_ends(registered):
    assert not live_preview.refresh()
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[0] = 255  # the top row is white
    live_picture.put(picture)
    assert live_preview.refresh()
    icon = live_preview._icon
    assert tuple(icon.image_size) == (8, 8)
    pixels = np.array(icon.image_pixels_float[:]).reshape(8, 8, 4)
    assert pixels[-1].min() == 1.0 and pixels[0, :, :3].max() == 0.0  # Blender counts from below
    assert not live_preview.refresh()
    live_preview.clear()
    assert live_preview._icon is None
