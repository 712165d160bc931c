"""One identity through a sequence of head meshes: only what the mesh moves is made anew."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .generator import RawImage, image_bytes
from .next3d import Blending, Next3D, Next3DIdentity


@dataclass(frozen=True)
class Frame:
    """One frame: raw image and depth, the final image (1, 3, R, R) in about -1..1 if asked for."""

    raw: RawImage
    image: Tensor | None

    def pixels(self) -> Tensor:
        """Return the final, or else the raw, image as (R, R, 3) bytes."""
        return image_bytes(self.raw.image if self.image is None else self.image)


@torch.no_grad()
def reenact(
    generator: Next3D,
    identity: Next3DIdentity,
    meshes: Iterable[Tensor],
    camera: Tensor,
    resolution: int | None = None,
    blending: Blending = "front",
    final: bool = True,
) -> Iterator[Frame]:
    """Yield a frame for each mesh (1, 5091, 3), seen from camera (1, 25), or (N, 25) in turn.

    Without `final` frames stop at the raw image of `resolution`, for a quick preview.
    """
    for i, mesh in enumerate(meshes):
        planes = generator.planes(identity, mesh, blending)
        own = camera[min(i, len(camera) - 1)][None]
        raw = generator.render(planes, own, resolution)
        yield Frame(raw, generator.super_resolve(raw, identity.ws) if final else None)
