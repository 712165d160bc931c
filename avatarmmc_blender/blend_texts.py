"""A script that `head_file` runs in a process of its own: texts on the objects of a .blend file.

Blender ends its process on some damaged files, so that must not be the one that has work to do.
Prints a JSON list with the custom properties of each object that has any of AvatarMMC's.
"""

from __future__ import annotations

import json
import sys

import bpy

PREFIX = "avatarmmc_"
OWNER = PREFIX + "latent"  # on the armature of each head


def main(path: str) -> None:
    """Print what the armatures of `path` remember."""
    with bpy.data.temp_data() as data:
        with data.libraries.load(path) as (there, here):
            here.objects = there.objects
        found = [
            {key: value for key, value in item.items() if isinstance(value, str)}
            for item in data.objects
            if OWNER in item
        ]
    print("\n" + json.dumps(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
