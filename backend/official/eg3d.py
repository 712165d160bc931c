"""EG3D (Chan et al. 2022): z and a camera to tri-planes; no mesh is involved."""

from dataclasses import dataclass

from torch import Tensor

from .config import NUM_PLANE_WS, OfficialConfig
from .generator import OfficialGenerator


@dataclass(frozen=True)
class EG3DIdentity:
    """Styles ws (B, 14, w_dim) and their planes (B, 3, 32, 256, 256)."""

    ws: Tensor
    static_planes: Tensor


class EG3D(OfficialGenerator):
    """Mapping, planes, rendering; see `OfficialGenerator`."""

    def __init__(self, config: OfficialConfig) -> None:
        super().__init__(config, NUM_PLANE_WS)

    def prepare(self, ws: Tensor) -> EG3DIdentity:
        """Return all that an identity needs whatever the camera."""
        return EG3DIdentity(ws, self.static_planes(ws))

    def planes(self, identity: EG3DIdentity) -> Tensor:
        """Return the planes (B, 3, 32, 256, 256) to be rendered."""
        return identity.static_planes
