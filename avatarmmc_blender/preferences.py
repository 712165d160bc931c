"""Preferences of the add-on."""

import bpy

from .model_list import draw_models
from .settings import DEVICES

DEVICE_LABELS = {"auto": "Automatic", "cpu": "Processor", "cuda": "CUDA GPU", "mps": "Apple GPU"}


class AvatarPreferences(bpy.types.AddonPreferences):
    """Choices of this computer rather than of a head."""

    bl_idname = __package__

    device: bpy.props.EnumProperty(
        name="Device",
        description="What heads are computed on",
        items=[(name, DEVICE_LABELS[name], "") for name in DEVICES],
        default="auto",
    )

    checkpoint: bpy.props.StringProperty(
        name="Generator",
        description="A released Next3D or EG3D file (.pkl)",
        subtype="FILE_PATH",
    )
    flame: bpy.props.StringProperty(
        name="FLAME",
        description="generic_model.pkl or flame2023.pkl; landmark_embedding.npy belongs beside it",
        subtype="FILE_PATH",
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the preferences."""
        self.layout.prop(self, "device")
        box = self.layout.box()
        box.label(text="Official Models")
        box.prop(self, "checkpoint")
        box.prop(self, "flame")
        draw_models(box, self.checkpoint, self.flame)


def chosen_device(context: bpy.types.Context) -> str:
    """Return the device of the preferences, "auto" where the add-on is registered without them."""
    addon = context.preferences.addons.get(__package__)
    return "auto" if addon is None else addon.preferences.device


def register() -> None:
    """Register the preferences."""
    bpy.utils.register_class(AvatarPreferences)


def unregister() -> None:
    """Unregister the preferences."""
    bpy.utils.unregister_class(AvatarPreferences)
