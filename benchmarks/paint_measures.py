"""Measures of a finished head's textures: skin tones, make-up, brows and eyes.

Each takes a `MeasuredHead` and its `Ruler` and returns one number. Zones are places on the average
head (canonical metres); colours are compared with other skin of the same head.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from avatarmmc_blender.backend.synthetic.latent import SKIN_STOPS

from .measured_head import MeasuredHead, Ruler

LUMINANCE = np.array([0.299, 0.587, 0.114])
BROW_BINS = ((0.018, 0.030), (0.034, 0.046), (0.050, 0.060))  # |x| at inner end, middle, tail


def zone(ruler: Ruler, x: float, z: float, radius: float, stretch: float = 1.0) -> np.ndarray:
    """Texels (N,) bool of the face within `radius` m of (|x|, z); `stretch` widens along x."""
    px, py, pz = ruler.texel_place.T
    return (np.hypot((np.abs(px) - x) / stretch, pz - z) < radius) & (py < 0.04)


def _color(head: MeasuredHead, where: np.ndarray) -> np.ndarray:
    return np.median(head.texel_color[where], axis=0)


def forehead_color(head: MeasuredHead, ruler: Ruler) -> np.ndarray:
    """Colour (3,) of the lower forehead."""
    return _color(head, zone(ruler, 0.0, 0.040, 0.010, 3.0))


def cheek_color(head: MeasuredHead, ruler: Ruler) -> np.ndarray:
    """Colour (3,) of the cheeks under the eyes, beside blush and beards."""
    return _color(head, zone(ruler, 0.034, -0.030, 0.008, 1.3))


def _skin_color(head: MeasuredHead, ruler: Ruler) -> np.ndarray:
    return 0.5 * (forehead_color(head, ruler) + cheek_color(head, ruler))


def darkness(head: MeasuredHead, ruler: Ruler) -> float:
    """Darkness of cheek and forehead."""
    return float(1.0 - _skin_color(head, ruler) @ LUMINANCE)


def _ratios(color: np.ndarray) -> np.ndarray:
    """Logarithms of yellow over blue and of red over green of colours (..., 3)."""
    red, green, blue = np.moveaxis(color, -1, 0)
    return np.log(np.stack([0.5 * (red + green) / blue, red / green], axis=-1))


def _usual_ratios(color: np.ndarray) -> np.ndarray:
    """The ratios (2,) that skin as light as `color` has between the palette's stops."""
    stops = np.array(SKIN_STOPS[::-1])
    light = color @ LUMINANCE
    return np.array([np.interp(light, stops @ LUMINANCE, column) for column in _ratios(stops).T])


def warmth(head: MeasuredHead, ruler: Ruler) -> float:
    """Yellow over blue of the forehead, against skin of the same lightness."""
    color = forehead_color(head, ruler)
    return float((_ratios(color) - _usual_ratios(color))[0])


def redness(head: MeasuredHead, ruler: Ruler) -> float:
    """Red over green of cheek and forehead, against skin of the same lightness."""
    color = _skin_color(head, ruler)
    return float((_ratios(color) - _usual_ratios(color))[1])


def freckle_contrast(head: MeasuredHead, ruler: Ruler) -> float:
    """Contrast of small spots on cheeks and nose."""
    image = np.zeros(ruler.texture**2)
    weight = np.zeros(ruler.texture**2)
    light = head.texel_color @ LUMINANCE
    where = zone(ruler, 0.030, -0.030, 0.016, 1.3)
    image[ruler.texels[where]], weight[ruler.texels[where]] = light[where], 1.0
    shape = (ruler.texture, ruler.texture)
    sigma = 0.012 * ruler.texture
    total = gaussian_filter(image.reshape(shape), sigma).ravel()
    total /= np.maximum(gaussian_filter(weight.reshape(shape), sigma).ravel(), 1e-9)
    spots = light[where] / total[ruler.texels[where]] - 1.0
    return float(-np.clip(spots, -1.0, 0.0).mean())


def _redder_than_skin(head: MeasuredHead, ruler: Ruler, where: np.ndarray) -> float:
    red, green, _ = _color(head, where)
    skin_red, skin_green, _ = forehead_color(head, ruler)
    return float(np.log(red / green) - np.log(skin_red / skin_green))


def lip_redness(head: MeasuredHead, ruler: Ruler) -> float:
    """Red over green of the lips against the skin."""
    lips = zone(ruler, 0.0, -0.090, 0.004, 4.0) | zone(ruler, 0.010, -0.077, 0.003, 2.0)
    return _redder_than_skin(head, ruler, lips)


def cheek_blush(head: MeasuredHead, ruler: Ruler) -> float:
    """Red over green of the side of the cheeks against the skin."""
    return _redder_than_skin(head, ruler, zone(ruler, 0.055, -0.036, 0.010))


def lid_darkness(head: MeasuredHead, ruler: Ruler) -> float:
    """Darkness of the skin over the upper lid's margin against the forehead."""
    lids = zone(ruler, 0.0376, 0.0075, 0.0022, 4.0)
    ratio = _color(head, lids) @ LUMINANCE / (forehead_color(head, ruler) @ LUMINANCE)
    return float(-np.log(ratio))


def _brow(head: MeasuredHead, ruler: Ruler) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Darkness over skin (M,), |x| and z (M,) of the texels about both brows."""
    x, y, z = ruler.texel_place.T
    side = np.abs(x)
    where = (side > 0.010) & (side < 0.066) & (z > 0.0125) & (z < 0.036) & (y < 0.03)
    color = head.texel_color[where]
    skin = forehead_color(head, ruler) @ LUMINANCE
    dark = np.clip(1.0 - color @ LUMINANCE / skin - 0.12, 0.0, None)
    darkest = np.percentile(dark, 97) + 1e-6
    return np.clip(dark / darkest, 0.0, 1.0), side[where], z[where]


def brow_area(head: MeasuredHead, ruler: Ruler) -> float:
    """Share of the brow zone that is as dark as the brows."""
    return float(_brow(head, ruler)[0].mean())


def _brow_heights(head: MeasuredHead, ruler: Ruler) -> list[float]:
    """Height (mm) of the brows' middle at inner end, middle and tail."""
    dark, side, z = _brow(head, ruler)
    weight = dark**2
    heights = []
    for low, high in BROW_BINS:
        inside = (side > low) & (side < high)
        heights.append(float((weight * z)[inside].sum() / (weight[inside].sum() + 1e-9) * 1e3))
    return heights


def brow_arch(head: MeasuredHead, ruler: Ruler) -> float:
    """Height of the brows' middle over their ends."""
    inner, middle, tail = _brow_heights(head, ruler)
    return middle - 0.5 * (inner + tail)


def brow_slope(head: MeasuredHead, ruler: Ruler) -> float:
    """Height of the brows' tails over their inner ends."""
    inner, _, tail = _brow_heights(head, ruler)
    return tail - inner


def iris_blueness(head: MeasuredHead, ruler: Ruler) -> float:
    """Blue against red of the coloured ring in the eye's texture."""
    size = len(head.eye_image)
    coordinate = (np.arange(size) + 0.5) / size * 2.0 - 1.0
    radius = np.hypot(*np.meshgrid(coordinate, coordinate))
    iris = head.eye_image[(radius > 0.18) & (radius < 0.26)].mean(axis=0)
    return float((iris[2] - iris[0]) / iris.sum())
