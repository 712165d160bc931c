"""What a user is told about the terms of each family's files.  These are no licence texts."""

from __future__ import annotations

LICENCES = {
    "next3d": (
        "Next3D weights: the project carries NVIDIA's proprietary headers and no licence file of "
        "its own. It builds on EG3D, which NVIDIA licenses for non-commercial use (research and "
        "evaluation) only. Read the terms where you got the file and ask the authors before any "
        "other use; do not pass the file or its conversion on."
    ),
    "eg3d": (
        "EG3D weights: NVIDIA licenses them for non-commercial use (research and evaluation) "
        "only. Read the terms where you got the file; do not pass the file or its conversion on."
    ),
    "flame": (
        "FLAME: the model belongs to the Max Planck Society and comes under the licence you "
        "accepted when you downloaded it (non-commercial for FLAME 2020; FLAME 2023 Open is said "
        "to be CC BY 4.0). Meshes made from it are bound by it too."
    ),
}
