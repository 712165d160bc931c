"""Load PyTorch's largest library without stopping Blender's window."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path

RTLD_NOW = 2


def preload() -> None:
    """Open libtorch_cpu before `import torch` does; where it cannot be found, do nothing.

    An import holds Python's lock while the system opens a library, which for this one takes
    long enough to be seen in the window.  A foreign function called through ctypes lets the
    lock go; here that function is the system's own dlopen.  Windows has none and is left alone.
    """
    if "torch" in sys.modules or not sys.platform.startswith(("linux", "darwin")):
        return
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes = (ctypes.c_char_p, ctypes.c_int)
    dlopen.restype = ctypes.c_void_p
    for name in _library_names():
        if dlopen(os.fsencode(name), RTLD_NOW):
            return


def _library_names() -> list[str]:
    """Return the library inside the package, as wheels have it, and the system's by version."""
    package = importlib.util.find_spec("torch")
    if package is None or package.origin is None:
        return []
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    names = [str(Path(package.origin).parent / "lib" / f"libtorch_cpu{suffix}")]
    try:
        major, minor = importlib.metadata.version("torch").split(".")[:2]
        names.append(f"libtorch_cpu{suffix}.{major}.{minor}")
    except importlib.metadata.PackageNotFoundError:
        pass
    return names
