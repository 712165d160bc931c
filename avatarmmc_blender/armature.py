"""The armature: FLAME's five joints as bones."""

from __future__ import annotations

import bpy
import numpy as np

from .meshing.rigged_head import RiggedHead

# A joint has no length.  Tails, in metres from the joint, only say how a bone is drawn and
# where its y axis points: upwards, and for the jaw and the eyes forwards.
BONE_TAILS = {
    "root": (0.0, 0.0, 0.05),
    "neck": (0.0, 0.0, 0.07),
    "jaw": (0.0, -0.065, -0.03),
    "left_eye": (0.0, -0.03, 0.0),
    "right_eye": (0.0, -0.03, 0.0),
}
DEFAULT_TAIL = (0.0, 0.0, 0.03)


def create_armature(name: str, head: RiggedHead, created: list[bpy.types.ID]) -> bpy.types.Object:
    """Create an armature object with one bone per joint of `head`, linked to no collection yet.

    Every new data-block is appended to `created` at once, so that the caller can undo a failure.
    """
    armature = bpy.data.armatures.new(name)
    created.append(armature)
    armature.display_type = "STICK"
    rig = bpy.data.objects.new(name, armature)
    created.append(rig)
    # Bones can only be made in edit mode.  A scene of its own keeps the user's mode, selection
    # and active object as they are.
    workshop = bpy.data.scenes.new(name)
    try:
        workshop.collection.objects.link(rig)
        view_layer = workshop.view_layers[0]
        view_layer.objects.active = rig
        with bpy.context.temp_override(
            scene=workshop, view_layer=view_layer, active_object=rig, object=rig
        ):
            bpy.ops.object.mode_set(mode="EDIT")
            _add_bones(armature, head)
            bpy.ops.object.mode_set(mode="OBJECT")
    finally:
        bpy.data.scenes.remove(workshop)
    return rig


def _add_bones(armature: bpy.types.Armature, head: RiggedHead) -> None:
    bones = []
    for joint_name, joint in zip(head.joint_names, head.joints, strict=True):
        bone = armature.edit_bones.new(joint_name)
        bone.head = joint
        tail = BONE_TAILS.get(joint_name, DEFAULT_TAIL)
        bone.tail = np.asarray(joint) + tail
        if tail[1] != 0.0:  # of bones that point forwards x is pitch and z is yaw
            bone.align_roll((0.0, 0.0, 1.0))
        bones.append(bone)
    for bone, parent in zip(bones, head.joint_parents, strict=True):
        if parent >= 0:
            bone.parent = bones[parent]
