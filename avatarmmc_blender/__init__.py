"""AvatarMMC: textured, rigged 3D heads from a seed and attributes, inside Blender."""

from pathlib import Path

# In a checkout `backend` and `meshing` sit beside this package; in the built zip they sit
# inside it.  Either way they import as `.backend` and `.meshing`, and nothing generic enters
# `sys.modules` or `sys.path`.
if not Path(__path__[0], "backend").is_dir():
    __path__.append(str(Path(__path__[0]).resolve().parent))


# Add-on modules are imported here and not above, so that the package, `.backend` and `.meshing`
# import on a plain Python without Blender.
def register() -> None:
    """Add the panel, operators and properties to Blender."""
    from . import addon

    addon.register()


def unregister() -> None:
    """Remove everything that `register` added."""
    from . import addon

    addon.unregister()
