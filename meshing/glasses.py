"""Glasses: two superellipse rims, a bridge and temples with a hook behind the ear."""

from __future__ import annotations

import numpy as np

from .accessory import HeadDistance, push_out, rigid_part
from .anchors import AccessoryAnchors
from .geometry import smoothstep
from .part_values import PartValues
from .rigged_head import Material, Part
from .sweep import join, superellipse, tube

WIRE_RADIUS = 0.0017  # m
LENS_HALF_WIDTH = 0.0275
LENS_HALF_HEIGHT = (0.0255, 0.0215)  # round, square
LENS_POWER = (2.3, 4.5)
LENS_DROP = 0.002  # m, rims below the eyes' centres
# The rims bend back by this slope from 20 mm beside the middle on.
WRAP_START, WRAP_SLOPE = 0.02, 0.10
HINGE_HEIGHT = 0.008  # m above the middle of the rims
BRIDGE_HEIGHT, BRIDGE_ARCH = 0.006, 0.0025
SKIN_GAP = 0.0006  # m between metal and skin
TEMPLE_WIDE_Y = 0.055  # m, where the temples reach the width of the head
HOOK_START_Y, HOOK_END = 0.094, (0.117, -0.026)  # y; and y, z where the hook ends
RIM_POINTS, TEMPLE_POINTS, HOOK_POINTS, BRIDGE_POINTS = 48, 18, 8, 9
# From round to square; the field's own frames have the same colours.
FRAME_COLORS = np.array(
    [[0.05, 0.045, 0.045], [0.22, 0.12, 0.07], [0.05, 0.05, 0.06], [0.62, 0.50, 0.30]]
)


def build_glasses(
    values: PartValues, anchors: AccessoryAnchors, head_distance: HeadDistance
) -> Part | None:
    """Return the frame, without lenses, as a rigid part, or None for a head without glasses.

    `head_distance` maps points (N, 3) to signed distances (N,) from the bare head, metres; frame
    and temples are pushed out until they clear the skin.
    """
    if values.glass <= 0.5:
        return None
    shape = float(np.clip(values.glass_shape, 0.0, 1.0))
    frame = _Frame(anchors, shape)
    rims = [frame.rim(side) for side in (1.0, -1.0)]
    forward = _forward_clearance(np.concatenate([*rims, frame.bridge()]), head_distance)
    rims = [rim + forward for rim in rims]
    temples = [frame.temple(side, forward[1], head_distance) for side in (1.0, -1.0)]
    wires = [tube(rim, WIRE_RADIUS, sides=8, closed=True) for rim in rims]
    wires.append(tube(frame.bridge() + forward, WIRE_RADIUS))
    wires += [tube(temple, WIRE_RADIUS) for temple in temples]
    metal = Material("Glasses Frame", _frame_color(shape), roughness=0.25, specular=0.6)
    return rigid_part("Glasses", join(wires), metal)


class _Frame:
    """Curves of the frame about the middle between the eyes, in the model frame."""

    def __init__(self, anchors: AccessoryAnchors, shape: float) -> None:
        left, right = anchors.eye_centres
        self.middle_x = 0.5 * (left[0] + right[0])
        self.middle_z = 0.5 * (left[2] + right[2]) - LENS_DROP
        self.lens_x = 0.51 * (left[0] - right[0])
        eye_front = min(left[1], right[1]) - anchors.eye_radius
        self.plane_y = min(anchors.bridge[1] - 0.002, eye_front - 0.011)
        self.half_height = np.interp(shape, (0.0, 1.0), LENS_HALF_HEIGHT)
        self.power = np.interp(shape, (0.0, 1.0), LENS_POWER)
        self.temple_x = anchors.temple

    def rim(self, side: float) -> np.ndarray:
        """Closed centre line (N, 3) of the left (1) or right (-1) rim."""
        outline = superellipse(
            np.array([side * self.lens_x, 0.0]),
            LENS_HALF_WIDTH, self.half_height, self.power, RIM_POINTS,
        )  # fmt: skip
        return self._place(outline[:, 0], outline[:, 1])

    def bridge(self) -> np.ndarray:
        """Centre line (N, 3) of the arch between the rims; its ends lie inside them."""
        reach = self.lens_x - LENS_HALF_WIDTH * self._width_share(BRIDGE_HEIGHT)
        x = np.linspace(-reach, reach, BRIDGE_POINTS)
        arch = BRIDGE_ARCH * np.cos(0.5 * np.pi * x / reach)
        return self._place(x, BRIDGE_HEIGHT + arch)

    def temple(self, side: float, forward: float, head_distance: HeadDistance) -> np.ndarray:
        """Centre line (N, 3) of a temple from its hinge over the ear to its hook."""
        hinge_x = self.lens_x + LENS_HALF_WIDTH * self._width_share(HINGE_HEIGHT)
        start_y = self._place(np.array([hinge_x]), np.array([0.0]))[0, 1] + forward
        y = np.linspace(start_y, HOOK_START_Y, TEMPLE_POINTS)
        wide = max(self.temple_x + WIRE_RADIUS + SKIN_GAP, hinge_x + 0.002)
        x = hinge_x + (wide - hinge_x) * smoothstep(y, start_y, TEMPLE_WIDE_Y)
        arm = np.stack([x, y, np.full_like(y, HINGE_HEIGHT)], axis=1)
        turn = np.linspace(0.0, 0.5 * np.pi, HOOK_POINTS + 1)[1:]
        hook_y = HOOK_START_Y + (HOOK_END[0] - HOOK_START_Y) * np.sin(turn)
        hook_z = HINGE_HEIGHT + (HOOK_END[1] - HINGE_HEIGHT) * (1.0 - np.cos(turn))
        hook = np.stack([np.full_like(turn, wide - 0.001), hook_y, hook_z], axis=1)
        path = np.concatenate([arm, hook])
        path[:, 0] = self.middle_x + side * path[:, 0]
        path[:, 2] += self.middle_z
        return _clear_temple(path, head_distance)

    def _place(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        y = self.plane_y + WRAP_SLOPE * np.maximum(np.abs(x) - WRAP_START, 0.0)
        return np.stack([self.middle_x + x, y, self.middle_z + z], axis=1)

    def _width_share(self, height: float) -> float:
        """Half width of a rim at `height`, over its largest."""
        return (1.0 - (height / self.half_height) ** self.power) ** (1.0 / self.power)


def _forward_clearance(points: np.ndarray, head_distance: HeadDistance) -> np.ndarray:
    """Return the shift (3,) along -y after which all `points` clear the skin."""
    shift = np.zeros(3)
    for _ in range(4):
        gap = WIRE_RADIUS + SKIN_GAP - head_distance(points + shift).min()
        if gap <= 0.0:
            break
        shift[1] -= gap
    return shift


def _clear_temple(path: np.ndarray, head_distance: HeadDistance) -> np.ndarray:
    """Push a temple off the skin sideways and upwards, keeping it smooth and its hinge fixed."""
    sideways = np.array([1.0, 0.0, 1.0])
    clearance = WIRE_RADIUS + SKIN_GAP
    for _ in range(3):
        path[1:] = push_out(path[1:], head_distance, clearance, sideways)
        path[1:-1] += 0.5 * (0.5 * (path[:-2] + path[2:]) - path[1:-1])
    path[1:] = push_out(path[1:], head_distance, clearance, sideways)
    return path


def _frame_color(shape: float) -> tuple[float, float, float]:
    stops = np.linspace(0.0, 1.0, len(FRAME_COLORS))
    return tuple(float(np.interp(shape, stops, channel)) for channel in FRAME_COLORS.T)
