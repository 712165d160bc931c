"""Shape keys that joints' rotations drive: FLAME's pose correctives.

FLAME weighs a corrective by one element of R - I, R being a joint's rotation from rest about the
axes of the model.  A driver works that element out of the bone's own quaternion.  Its expression
is arithmetic alone, which Blender evaluates without Python, and so in files of strangers too.
"""

from __future__ import annotations

from collections.abc import Mapping

import bpy
import numpy as np

from .meshing.rigged_head import PoseElement

QUATERNION = {"w": "ROT_W", "x": "ROT_X", "y": "ROT_Y", "z": "ROT_Z"}
# The elements of R - I of the quaternion (w, X, Y, Z).
ELEMENTS = (
    ("-2*({Y}*{Y}+{Z}*{Z})", "2*({X}*{Y}-w*{Z})", "2*({X}*{Z}+w*{Y})"),
    ("2*({X}*{Y}+w*{Z})", "-2*({X}*{X}+{Z}*{Z})", "2*({Y}*{Z}-w*{X})"),
    ("2*({X}*{Z}-w*{Y})", "2*({Y}*{Z}+w*{X})", "-2*({X}*{X}+{Y}*{Y})"),
)


def drive_pose_keys(
    owner: bpy.types.Object, rig: bpy.types.Object, elements: Mapping[str, PoseElement]
) -> None:
    """Let the bones of `rig` drive the shape keys of `owner` that `elements` names."""
    for name, element in elements.items():
        axes = np.array(rig.data.bones[element.joint].matrix_local.to_3x3())
        driver = owner.data.shape_keys.key_blocks[name].driver_add("value").driver
        driver.type = "SCRIPTED"
        for variable_name, component in QUATERNION.items():
            variable = driver.variables.new()
            variable.name, variable.type = variable_name, "TRANSFORMS"
            target = variable.targets[0]
            target.id, target.bone_target = rig, element.joint
            target.transform_type, target.transform_space = component, "LOCAL_SPACE"
            target.rotation_mode = "QUATERNION"
        driver.expression = expression(axes, element.row, element.column)


def expression(axes: np.ndarray, row: int, column: int) -> str:
    """Return an element of R - I in terms of a bone's quaternion w, x, y, z.

    axes (3, 3): columns are the bone's axes at rest, in those that R turns about.
    """
    turned = {name: _sum(axes[index]) for index, name in enumerate("XYZ")}
    return ELEMENTS[row][column].format(**turned)


def _sum(coefficients: np.ndarray) -> str:
    """Return e.g. (0.5*x-0.25*z) for coefficients (3,)."""
    terms = [
        f"{value:+.7f}*{name}"
        for value, name in zip(coefficients, "xyz", strict=True)
        if abs(value) > 1e-6
    ]
    return "(" + "".join(terms).removeprefix("+") + ")"
