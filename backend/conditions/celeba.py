"""Data table of the attributes of official Next3D checkpoints: 21 of CelebA's (Liu et al. 2015).

AvatarMMC's choice and order.  Values are a classifier's probabilities.
"""

from __future__ import annotations

from .table import Attribute


def _probability(group: str, name: str, description: str) -> Attribute:
    return Attribute(group, name, 0.0, 1.0, 0.0, description)


CELEBA_ATTRIBUTES: tuple[Attribute, ...] = (
    _probability("Hair", "Bangs", "Hair over the forehead"),
    _probability("Hair", "Black_Hair", "Black hair"),
    _probability("Hair", "Blond_Hair", "Blond hair"),
    _probability("Hair", "Brown_Hair", "Brown hair"),
    _probability("Face", "Bushy_Eyebrows", "Thick eyebrows"),
    _probability("Accessories", "Eyeglasses", "Glasses"),
    _probability("Hair", "Goatee", "A beard of the chin alone"),
    _probability("Hair", "Gray_Hair", "Grey hair"),
    _probability("Face", "Male", "A man"),
    _probability("Hair", "Mustache", "A moustache"),
    _probability("Hair", "No_Beard", "No beard of any kind"),
    _probability("Skin", "Pale_Skin", "Pale skin"),
    _probability("Skin", "Rosy_Cheeks", "Rosy cheeks"),
    _probability("Hair", "Straight_Hair", "Straight hair"),
    _probability("Hair", "Wavy_Hair", "Wavy hair"),
    _probability("Accessories", "Wearing_Earrings", "Earrings"),
    _probability("Accessories", "Wearing_Hat", "A hat"),
    _probability("Skin", "Wearing_Lipstick", "Lipstick"),
    _probability("Accessories", "Wearing_Necklace", "A necklace"),
    _probability("Accessories", "Wearing_Necktie", "A necktie"),
    _probability("Face", "Young", "Young"),
)
