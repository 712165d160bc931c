"""A painted eye in an azimuthal map around the gaze axis; the map's right is the temple side."""

from __future__ import annotations

import numpy as np

from .geometry import smoothstep
from .pixels import to_bytes

ANGLE_AT_RIM = 110.0  # degrees from the gaze axis at the rim of the map
RADIUS_POWER = 0.7  # below 1 gives the iris more texels
PUPIL_SHARE = 0.40  # pupil radius over iris radius
SCLERA = np.array([0.865, 0.835, 0.810])
NASAL = np.array([0.78, 0.56, 0.52])
VEIN = np.array([0.80, 0.50, 0.46])


def paint_eye(iris_color: np.ndarray, iris_angle: float, size: int = 512) -> np.ndarray:
    """Return the eye texture (size, size, 3) uint8 sRGB for an iris of `iris_angle` radians."""
    coordinate = (np.arange(size) + 0.5) / size * 2.0 - 1.0
    right, down = np.meshgrid(coordinate, coordinate)
    radius = np.hypot(right, down) / 0.99
    azimuth = np.arctan2(-down, right)
    angle = ANGLE_AT_RIM * radius ** (1.0 / RADIUS_POWER)
    across = angle / np.degrees(iris_angle)  # 0 pupil centre, 1 rim of the iris
    upward = across * np.sin(azimuth)
    color = _sclera(across, angle, azimuth)
    iris = _iris(iris_color, across, azimuth, upward)
    color = _mix(color, iris, 1.0 - smoothstep(across, 0.94, 1.07))
    pupil = 1.0 - smoothstep(across, PUPIL_SHARE - 0.05, PUPIL_SHARE + 0.045)
    color = _mix(color, np.array([0.012, 0.010, 0.010]), pupil)
    # The upper lid shades the eye below it; few viewers compute that.
    shade = 1.0 - 0.30 * smoothstep(upward, 0.25, 1.15)
    return to_bytes(color * shade[..., None])


def _sclera(across, angle, azimuth) -> np.ndarray:
    color = np.broadcast_to(SCLERA, (*across.shape, 3))
    nasal = smoothstep(-across * np.cos(azimuth), 1.25, 2.3)
    color = _mix(color, NASAL, 0.6 * nasal)
    veins = _polar_noise(azimuth, angle / 110.0, turns=64, rows=7, seed=5)
    veins = smoothstep(np.abs(veins), 0.04, 0.0) * smoothstep(angle, 24.0, 60.0)
    color = _mix(color, VEIN, 0.35 * veins)
    return color * (1.0 - 0.16 * smoothstep(across, 1.4, 2.8))[..., None]


def _iris(iris_color, across, azimuth, upward) -> np.ndarray:
    depth = np.clip((across - PUPIL_SHARE) / (1.0 - PUPIL_SHARE), 0.0, 1.0)
    fine = _polar_noise(azimuth, depth, turns=150, rows=4, seed=1)
    coarse = _polar_noise(azimuth, depth, turns=46, rows=3, seed=2)
    fibres = 0.6 * fine + 0.7 * coarse
    # The collarette: a lighter, warmer frill a third of the way out.
    frill = 0.30 + 0.05 * _polar_noise(azimuth, np.zeros_like(depth), turns=40, rows=2, seed=3)
    inner = np.exp(-(((depth - frill) / 0.16) ** 2))
    color = np.asarray(iris_color) * (1.02 + 0.42 * fibres * _window(depth))[..., None]
    warm = np.array([1.34, 1.12, 0.80])
    color = color * (1.0 + inner[..., None] * 0.75 * (warm - 1.0))
    light = 1.16 - 0.40 * smoothstep(upward, -0.8, 0.8)
    limbus = 1.0 - 0.74 * smoothstep(depth, 0.66, 1.0)
    pupil_rim = 1.0 - 0.45 * (1.0 - smoothstep(depth, 0.0, 0.12))
    return color * (light * limbus * pupil_rim)[..., None]


def _window(depth: np.ndarray) -> np.ndarray:
    return smoothstep(depth, 0.0, 0.18) * (1.0 - smoothstep(depth, 0.82, 1.0))


def _polar_noise(azimuth, depth, turns: int, rows: int, seed: int) -> np.ndarray:
    """Value noise about [-1, 1] on a polar grid, periodic in azimuth: radial streaks."""
    table = np.random.default_rng(seed).uniform(-1.0, 1.0, (rows + 1, turns))
    x = (azimuth / (2.0 * np.pi) % 1.0) * turns
    y = np.clip(depth, 0.0, 1.0) * (rows - 1e-6)
    column, row = np.floor(x).astype(int) % turns, np.floor(y).astype(int)
    fx, fy = smoothstep(x % 1.0, 0.0, 1.0), smoothstep(y % 1.0, 0.0, 1.0)
    after = (column + 1) % turns
    near = table[row, column] * (1.0 - fx) + table[row, after] * fx
    far = table[row + 1, column] * (1.0 - fx) + table[row + 1, after] * fx
    return near * (1.0 - fy) + far * fy


def _mix(base: np.ndarray, other: np.ndarray, amount: np.ndarray) -> np.ndarray:
    return base + (other - base) * amount[..., None]
