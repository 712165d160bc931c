"""The result of meshing: parts with materials, skin weights and shape keys, and their joints."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

JOINT_NAMES = ("root", "neck", "jaw", "left_eye", "right_eye")
JOINT_PARENTS = (-1, 0, 1, 1, 1)


@dataclass(frozen=True)
class Material:
    """A surface material; colours and images are sRGB, row 0 of an image is its top.

    Materials that show the same `image` name it alike by `image_name`; else it has their own name.
    """

    name: str
    color: tuple[float, float, float]
    image: np.ndarray | None = None
    roughness: float = 0.5
    specular: float = 0.5
    subsurface: float = 0.0
    coat: float = 0.0
    normal_image: np.ndarray | None = None
    alpha: bool = False
    image_name: str | None = None


@dataclass(frozen=True)
class PoseElement:
    """One element of R - I of a joint's own rotation R, about the axes of the model frame."""

    joint: str
    row: int
    column: int


@dataclass(frozen=True)
class Part:
    """One object of the head: mesh, materials, skin weights and shape keys.

    vertices (V, 3) float32 metres; faces (F, 3) or (F, 4) int32, counter-clockwise seen from
    outside; uvs (F, k, 2) float32 per corner with v upwards, or None; material_index (F,) int32;
    weights (V, 5) float32 in the order of `JOINT_NAMES`, rows sum to one; shape_keys maps a name
    to (V, 3) float32 offsets from the rest vertices, meant for amounts within key_range;
    pose_keys names those that a joint's rotation drives, and by what.
    """

    name: str
    vertices: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray | None
    material_index: np.ndarray
    materials: tuple[Material, ...]
    weights: np.ndarray
    shape_keys: dict[str, np.ndarray] = field(default_factory=dict)
    key_range: tuple[float, float] = (0.0, 1.0)
    pose_keys: dict[str, PoseElement] = field(default_factory=dict)

    def scaled(self, factor: float) -> Part:
        """Return the part with positions and shape keys multiplied by `factor`."""
        return replace(
            self,
            vertices=(self.vertices * factor).astype(np.float32),
            shape_keys={
                name: (offsets * factor).astype(np.float32)
                for name, offsets in self.shape_keys.items()
            },
        )


@dataclass(frozen=True)
class RiggedHead:
    """All parts of a head ("Head" first, with 52 keys) and its joints (5, 3) in metres."""

    parts: tuple[Part, ...]
    joints: np.ndarray
    joint_names: tuple[str, ...] = JOINT_NAMES
    joint_parents: tuple[int, ...] = JOINT_PARENTS
    raw_surface: Part | None = None

    def part(self, name: str) -> Part | None:
        """Return the part called `name`, or None if this head has none."""
        return next((part for part in self.parts if part.name == name), None)

    def scaled(self, factor: float) -> RiggedHead:
        """Return the head with every length multiplied by `factor`."""
        return RiggedHead(
            parts=tuple(part.scaled(factor) for part in self.parts),
            joints=self.joints * factor,
            joint_names=self.joint_names,
            joint_parents=self.joint_parents,
            raw_surface=None if self.raw_surface is None else self.raw_surface.scaled(factor),
        )
