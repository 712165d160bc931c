"""The allow-list: which names a file may use, and the inert thing each call stands for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from . import arrays, tensors
from .budget import Budget
from .errors import CheckpointError, shown
from .machine import checked_key
from .records import GlobalName, LongText, ModuleRecord, PlaceholderObject

PERSISTENCE = "torch_utils.persistence._reconstruct_persistent_obj"

# Classes saved by reference whose objects may stand in a file as inert placeholders.  Releases
# move modules around, so projects are known by their root and the classes of §12 by their name.
PLACEHOLDER_ROOTS = ("training", "training_avatar_texture", "torch_utils", "dnnlib", "chumpy")
PLACEHOLDER_PATHS = re.compile(
    r"torch\.nn\.modules\.\w+\.\w+|torch\.nn\.parameter\.Parameter"
    r"|torch\.(Size|device|float16|float32|float64|int64)"
    r"|scipy\.sparse(\.\w+)?\.(csc|csr|coo)_(matrix|array)"
)
PLACEHOLDER_CLASSES = {
    "ImportanceRenderer",
    "MipRayMarcher2",
    "RaySampler",
    "OSGDecoder",
    "Pytorch3dRasterizer",
}
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
SIMPLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ReleaseNames:
    """The names of released generators and FLAME files."""

    def __init__(self, budget: Budget):
        self._calls: dict[str, Callable[..., Any]] = {
            PERSISTENCE: _persistent_module,
            "collections.OrderedDict": _plain_dict,
            "builtins.set": lambda items=(): set(map(checked_key, _listed(items))),
            "builtins.frozenset": lambda items=(): frozenset(map(checked_key, _listed(items))),
            "copyreg._reconstructor": self._reconstructor,
            "_codecs.encode": _encode,
            "torch._utils._rebuild_tensor": tensors.rebuild_tensor,
            "torch._utils._rebuild_tensor_v2": tensors.rebuild_tensor,
            "torch._utils._rebuild_parameter": tensors.rebuild_parameter,
            "torch._utils._rebuild_parameter_with_state": tensors.rebuild_parameter,
            "torch.storage._load_from_bytes": lambda data: tensors.read_storage(data, budget),
            "numpy.dtype": arrays.make_dtype,
            "numpy.core.multiarray.scalar": arrays.make_scalar,
            "numpy.core.multiarray._reconstruct": arrays.start_array,
            "numpy.core.numeric._frombuffer": arrays.array_from_buffer,
        }
        self._values = {"builtins.object", "builtins.dict", "numpy.ndarray"}

    def find(self, module: str, name: str) -> GlobalName:
        """Return the inert name; raise CheckpointError for one that is not allowed."""
        if not PLAIN_NAME.fullmatch(module) or not SIMPLE_NAME.fullmatch(name):
            raise CheckpointError(f"refers to {shown(f'{module}.{name}')}, which is not allowed")
        found = GlobalName(_modern(module), name)
        known = found.path in self._calls or found.path in self._values
        if not (known or _is_easy_dict(found) or _is_placeholder(found)):
            raise CheckpointError(f"refers to {shown(found.path)}, which is not allowed")
        return found

    def call(self, target: GlobalName, args: tuple) -> Any:
        """Return what calling the name stands for."""
        make = self._calls.get(target.path)
        if make is None:
            return self.new(target, args)
        try:
            return make(*args)
        except TypeError:
            raise CheckpointError(
                f"calls {target.path} with {len(args)} arguments that do not fit"
            ) from None

    def new(self, cls: GlobalName, args: tuple) -> Any:
        """Return the empty object of a class."""
        if cls.path == "collections.OrderedDict" or _is_easy_dict(cls):
            return _plain_dict(*args[:1])
        if cls.path == "builtins.set":
            return self.call(cls, args)
        if not _is_placeholder(cls):
            raise CheckpointError(f"makes an object of {cls.path}, which is not allowed")
        return PlaceholderObject(cls, args)

    def set_state(self, target: Any, state: Any) -> None:
        """Give an inert object its state."""
        if isinstance(target, PlaceholderObject):
            target.state = state
        elif isinstance(target, arrays.DTypeRecord | arrays.ArrayRecord):
            target.set_state(state)
        elif type(target) is not dict:  # an OrderedDict's attributes, such as torch's _metadata
            raise CheckpointError(f"sets the state of {shown(target)}")

    def persistent(self, key: Any) -> Any:
        """Refuse: only the streams inside tensors have persistent references."""
        raise CheckpointError("holds a persistent reference (BINPERSID), which no release has")

    def _reconstructor(self, cls: GlobalName, base: GlobalName, state: Any) -> Any:
        if not isinstance(cls, GlobalName) or not isinstance(base, GlobalName):
            raise CheckpointError("rebuilds an object of no class")
        return self.new(cls, (state,) if base.path == "builtins.dict" else ())


def _modern(module: str) -> str:
    """Return today's name of a module of Python 2 or of NumPy 2."""
    renamed = {"__builtin__": "builtins", "copy_reg": "copyreg"}
    return renamed.get(module, module.replace("numpy._core.", "numpy.core."))


def _is_easy_dict(found: GlobalName) -> bool:
    return found.name == "EasyDict" and found.module in ("dnnlib", "dnnlib.util", "easydict")


def _is_placeholder(found: GlobalName) -> bool:
    return bool(
        found.module.split(".")[0] in PLACEHOLDER_ROOTS
        or found.name in PLACEHOLDER_CLASSES
        or PLACEHOLDER_PATHS.fullmatch(found.path)
    )


def _listed(items: Any) -> list | tuple:
    if not isinstance(items, list | tuple | set | frozenset):
        raise CheckpointError(f"makes a set of {shown(items)}")
    return list(items)


def _plain_dict(items: Any = ()) -> dict:
    """A dict of nothing, of another dict, or of pairs as Python 2 wrote an OrderedDict."""
    pairs = list(items.items()) if type(items) is dict else items
    if not isinstance(pairs, list | tuple) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs
    ):
        raise CheckpointError(f"makes a dictionary of {shown(items)}")
    return {checked_key(key): value for key, value in pairs}


def _persistent_module(meta: Any) -> ModuleRecord:
    """A network module with its source beside it; the source stays text."""
    if type(meta) is not dict:
        raise CheckpointError(f"holds a network module made of {shown(meta)}")
    name, source, state = (meta.get(key) for key in ("class_name", "module_src", "state"))
    if not isinstance(name, str) or not isinstance(source, str | LongText):
        raise CheckpointError("holds a network module without a class name or source")
    if type(state) is not dict:
        raise CheckpointError(f"holds a network module {shown(name)} without its state")
    return ModuleRecord(name, source, state)


def _encode(text: Any, encoding: str = "latin1") -> memoryview:
    """Bytes as Python 3 writes them into protocols 0 to 2."""
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str | LongText):
        raise CheckpointError(f"encodes {shown(text)} as {shown(encoding)}")
    try:
        data = text.encode("latin-1") if isinstance(text, str) else text.latin1_bytes()
    except UnicodeError:
        raise CheckpointError("encodes text that is no latin-1") from None
    return memoryview(data)
