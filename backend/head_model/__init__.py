"""Linear head model with the FLAME file schema: identity, 52 ARKit expressions, five joints."""

from .arkit import EXPRESSIONS
from .model import JOINT_NAMES, HeadModel, load_bundled

__all__ = ["EXPRESSIONS", "JOINT_NAMES", "HeadModel", "load_bundled"]
