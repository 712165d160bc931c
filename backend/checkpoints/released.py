"""What released generators have in common: sizes, settings, super-resolutions.  Data only.

`checkpoints` holds files against it and `backend.official` builds networks by it.  Facts of the
public programs EG3D (Chan et al. 2022), Next3D (Sun et al. 2023) and FLAME (Li et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

Shape = tuple[int | None, ...]  # None stands for a side that is free

PLANE_RESOLUTION = 256
PLANE_CHANNELS = 32
CAMERA_NUMBERS = 25  # cam2world (4, 4) and intrinsics (3, 3), row by row

FLAME_VERTICES = 5023
CONTOUR_LANDMARKS, INNER_LANDMARKS = 17, 51
LANDMARKS = CONTOUR_LANDMARKS + INNER_LANDMARKS

# The constructor's settings, by their released names, of the 512 models.
DEFAULTS: dict[str, Any] = {
    "z_dim": 512,
    "c_dim": 25,
    "w_dim": 512,
    "img_resolution": 512,
    "img_channels": 3,
    "channel_base": 32768,
    "channel_max": 512,
    "num_fp16_res": 0,
    "conv_clamp": None,
    "sr_num_fp16_res": 4,
    "fused_modconv_default": "inference_only",
    "mapping_kwargs": {"num_layers": 2},
    "sr_kwargs": {},
    "neural_rendering_resolution": 64,
}
RENDERING_DEFAULTS: dict[str, Any] = {
    "superresolution_noise_mode": "none",
    "sr_antialias": True,
    "decoder_lr_mul": 1,
    "c_scale": 1,
    "c_gen_conditioning_zero": False,
    "disparity_space_sampling": False,
    "clamp_mode": "softplus",
    "white_back": False,
    "depth_resolution": 48,
    "depth_resolution_importance": 48,
    "ray_start": 2.25,
    "ray_end": 3.3,
    "box_warp": 1,
    "avg_camera_radius": 2.7,
    "avg_camera_pivot": [0, 0, 0.2],
}
# What every released model renders with and the generators here are written for.
FIXED = {
    "clamp_mode": "softplus",
    "disparity_space_sampling": False,
    "superresolution_noise_mode": "none",
}


class Encoder(NamedTuple):
    """Sides of a conditional network's input and of the smallest map that it is encoded to."""

    side: int
    smallest: int


# Next3D's networks that paint the mouth and clean the front view.
CONDITIONAL = {"mouth_backbone": Encoder(64, 4), "neural_blending": Encoder(256, 32)}


@dataclass(frozen=True)
class SuperResolutionKind:
    """input_resolution^2 goes in; two blocks of these widths; whether the first one doubles.

    `enlarge_only`: larger inputs are taken as they are.
    """

    input_resolution: int
    widths: tuple[int, int]
    first_doubles: bool
    enlarge_only: bool = False

    @property
    def sides(self) -> tuple[int, int]:
        """Sides of what both blocks give."""
        first = self.input_resolution * (2 if self.first_doubles else 1)
        return first, 2 * first


# By what follows SUPER_RESOLUTION_CLASS in the class's name.
SUPER_RESOLUTION_CLASS = "SuperresolutionHybrid"
SUPER_RESOLUTIONS = {
    "8XDC": SuperResolutionKind(128, (256, 128), True),
    "8X": SuperResolutionKind(128, (128, 64), True),
    "4X": SuperResolutionKind(128, (128, 64), False, enlarge_only=True),
    "2X": SuperResolutionKind(64, (128, 64), False),
}

# Tensors that some releases have in the state dict; nothing is computed with them.
OPTIONAL_SHAPES: dict[str, dict[str, Shape]] = {
    "eg3d": {"dataset_label_std": (None,)},
    "next3d": {
        "dataset_label_std": (None,),
        "dense_faces": (1, None, 3),
        "uvcoords": (1, None, 3),
    },
}
# Tensors that releases keep outside the state dict.
EXTRA_SHAPES: dict[str, dict[str, Shape]] = {
    "eg3d": {"plane_axes": (3, 3, 3)},
    "next3d": {
        "plane_axes": (3, 3, 3),
        "uv_face_mask": (1, 1, PLANE_RESOLUTION, PLANE_RESOLUTION),
        "orth_scale": (1, 1),
        "orth_shift": (1, 3),
    },
}
