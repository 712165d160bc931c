"""Operators on the selected head: its settings, expressions, keyframes, export."""

from pathlib import Path

import bpy
from bpy_extras.io_utils import ExportHelper

from .errors import AvatarError
from .evidence_images import evidence_images
from .export import SUFFIXES, export_head
from .expression_presets import PRESETS
from .expressions import apply_preset, clear_expression, insert_keyframes
from .metadata import find_rig, head_mesh, read_evidence, read_settings
from .panel_settings import pictures_to_panel, settings_to_panel

NO_HEAD = "Select a head made by AvatarMMC"


class HeadOperator:
    """What operators on the head of the active object share."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The active object must belong to a head."""
        if find_rig(context.object) is None:
            cls.poll_message_set(NO_HEAD)
            return False
        return True


class AVATARMMC_OT_restore_settings(HeadOperator, bpy.types.Operator):
    """Ask again for all that the selected head was made from, to make or vary it"""

    bl_idname = "avatarmmc.restore_settings"
    bl_label = "Use These Settings"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Copy the stored settings to the panel."""
        rig = find_rig(context.object)
        try:
            pictures = evidence_images(read_evidence(rig), rig.name)
            settings_to_panel(context, read_settings(rig))
            pictures_to_panel(context, *pictures)
        except (KeyError, TypeError, ValueError) as error:
            self.report({"ERROR"}, f"The settings stored on this head cannot be read: {error}.")
            return {"CANCELLED"}
        return {"FINISHED"}


class FaceOperator(HeadOperator):
    """What operators on the shape keys of a head share."""

    def face(self, context: bpy.types.Context) -> bpy.types.Object | None:
        """Return the face of the active head; report if it has been deleted."""
        face = head_mesh(find_rig(context.object))
        if face is None or face.data.shape_keys is None:
            self.report({"ERROR"}, "This head has no shape keys left; make it again.")
            return None
        return face


class AVATARMMC_OT_apply_expression(FaceOperator, bpy.types.Operator):
    """Set the face to this expression"""

    bl_idname = "avatarmmc.apply_expression"
    bl_label = "Apply Expression"
    bl_options = {"REGISTER", "UNDO"}

    preset: bpy.props.EnumProperty(
        name="Expression",
        items=[(name, preset.label, "") for name, preset in PRESETS.items()],
        default="neutral",
    )
    strength: bpy.props.FloatProperty(
        name="Strength", default=1.0, min=0.0, max=1.0, subtype="FACTOR"
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the shape keys of the preset's layer."""
        face = self.face(context)
        if face is None:
            return {"CANCELLED"}
        apply_preset(face, self.preset, self.strength)
        return {"FINISHED"}


class AVATARMMC_OT_clear_expression(FaceOperator, bpy.types.Operator):
    """Set every shape key to zero"""

    bl_idname = "avatarmmc.clear_expression"
    bl_label = "Clear"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set every shape key to zero."""
        face = self.face(context)
        if face is None:
            return {"CANCELLED"}
        clear_expression(face)
        return {"FINISHED"}


class AVATARMMC_OT_insert_keyframe(FaceOperator, bpy.types.Operator):
    """Put a keyframe on every shape key of the head at the current frame"""

    bl_idname = "avatarmmc.insert_keyframe"
    bl_label = "Insert Keyframe"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Keyframe the expression as it is."""
        face = self.face(context)
        if face is None:
            return {"CANCELLED"}
        count = insert_keyframes(face, context.scene.frame_current)
        self.report({"INFO"}, f"{count} keyframes at frame {context.scene.frame_current}")
        return {"FINISHED"}


class AVATARMMC_OT_export(HeadOperator, bpy.types.Operator, ExportHelper):
    """Write the selected head to a GLB, FBX or .blend file"""

    bl_idname = "avatarmmc.export"
    bl_label = "Export Head"

    filename_ext = ""
    filter_glob: bpy.props.StringProperty(default="*.glb;*.fbx;*.blend", options={"HIDDEN"})
    file_format: bpy.props.EnumProperty(
        name="Format",
        items=[
            (".glb", "GLB", "glTF 2.0 for engines and the web"),
            (".fbx", "FBX", "For Unreal, Unity, Maya and others"),
            (".blend", "Blender", "A Blender file with this head alone"),
        ],
        default=".glb",
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for the file, proposing the head's name."""
        name = find_rig(context.object).name + self.file_format
        folder = Path(bpy.data.filepath).parent if bpy.data.filepath else Path.home()
        self.filepath = str(folder / bpy.path.clean_name(name, replace="_"))
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, context: bpy.types.Context) -> bool:
        """Let the file name follow the chosen format."""
        path = Path(self.filepath)
        if path.suffix.lower() == self.file_format or not path.name:
            return False
        stem = path.stem if path.suffix.lower() in SUFFIXES else path.name
        self.filepath = str(path.with_name(stem + self.file_format))
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write the file; its suffix decides the format."""
        try:
            export_head(find_rig(context.object), Path(bpy.path.abspath(self.filepath)))
        except AvatarError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Wrote {self.filepath}")
        return {"FINISHED"}


CLASSES = (
    AVATARMMC_OT_restore_settings,
    AVATARMMC_OT_apply_expression,
    AVATARMMC_OT_clear_expression,
    AVATARMMC_OT_insert_keyframe,
    AVATARMMC_OT_export,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
