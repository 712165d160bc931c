"""Label maps as pictures: the palette of CelebAMask-HQ's own tools, and names for people."""

from __future__ import annotations

# sRGB of each class, in the order of synthetic.labels.LABELS
PALETTE = (
    (0, 0, 0), (204, 0, 0), (76, 153, 0), (204, 204, 0), (51, 51, 255), (204, 0, 204),
    (0, 255, 255), (255, 204, 204), (102, 51, 0), (255, 0, 0), (102, 204, 0), (255, 255, 0),
    (0, 0, 153), (0, 0, 204), (255, 51, 153), (0, 204, 204), (0, 51, 0), (255, 153, 51),
    (0, 204, 0),
)  # fmt: skip
# What people call the classes; left and right are the subject's own.
TITLES = (
    "Background", "Skin", "Nose", "Glasses", "Left Eye", "Right Eye", "Left Brow", "Right Brow",
    "Left Ear", "Right Ear", "Mouth", "Upper Lip", "Lower Lip", "Hair", "Hat", "Earring",
    "Necklace", "Neck", "Cloth",
)  # fmt: skip
# Classes of the palette that no head of the bundled model has.
UNKNOWN_TO_MODEL = ("Hat", "Necklace", "Cloth")
