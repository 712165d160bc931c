"""Indices of the field's label probabilities: CelebAMask-HQ order plus "beard"."""

BACKGROUND = 0
SKIN = 1
NOSE = 2
EYES = (4, 5)
BROWS = (6, 7)
EARS = (8, 9)
UPPER_LIP = 11
LOWER_LIP = 12
HAIR = 13
NECK = 17
BEARD = 19

# Everything that lies on the skin surface of the head model and shows it uncovered.
BARE_SKIN = (SKIN, NOSE, *EARS, UPPER_LIP, LOWER_LIP, NECK)
