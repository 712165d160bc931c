"""Next3D (Sun et al. 2023): tri-planes that follow a head mesh.

A texture generated for the mesh is seen from the front, the sides and above; the mouth is painted
by a network of its own, the front view cleaned by another, and the views are laid over static
planes that hold hair and all the mesh does not cover.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from .conditional import ConditionalSynthesis
from .config import NUM_PLANE_WS, PLANE_CHANNELS, PLANE_RESOLUTION, OfficialConfig
from .generator import OfficialGenerator
from .rasterizer import Fragments
from .views import (
    FRONT,
    NUM_LANDMARKS,
    NUM_VERTICES,
    SIDE_MINUS,
    SIDE_PLUS,
    SIZE,
    TOP,
    View,
    fill_holes,
    landmarks_in_view,
    mouth_boxes,
    rasterize_views,
)

# Which planes the mesh is laid over: as in the released checkpoint, or as in the public sources.
Blending = Literal["front", "all"]

NUM_FACES = 9976
NUM_UV = 5118
MOUTH_SIZE = 64
BLENDING_FINAL_SIZE = 32
MOUTH_FINAL_SIZE = 4


@dataclass(frozen=True)
class Next3DIdentity:
    """What neither pose nor expression changes: ws (B, 28, w_dim), texture (B, 32, 256, 256),
    static_planes (B, 3, 32, 256, 256).
    """

    ws: Tensor
    texture: Tensor
    static_planes: Tensor


@dataclass(frozen=True)
class SeenTexture:
    """One view of the textured mesh: features (B, 32, 256, 256), alpha (B, 256, 256)."""

    features: Tensor
    alpha: Tensor


@dataclass(frozen=True)
class FrontPlane:
    """The front view on its way: all (B, 32, 256, 256) but mouth_input (B, 32, 64, 64)."""

    mouth_boxes: list[tuple[int, int, int, int]]
    mouth_input: Tensor
    mouth_plane: Tensor
    stitched: Tensor
    blended: Tensor


class Next3D(OfficialGenerator):
    """Mapping, planes for a mesh, rendering; see `OfficialGenerator`."""

    def __init__(
        self, config: OfficialConfig, num_faces: int = NUM_FACES, num_uv: int = NUM_UV
    ) -> None:
        super().__init__(config, 2 * NUM_PLANE_WS)
        self.texture_backbone = nn.ModuleDict({"synthesis": self.synthesis_network(PLANE_CHANNELS)})
        mouth = self._conditional(MOUTH_SIZE, MOUTH_FINAL_SIZE)
        self.mouth_backbone = nn.ModuleDict({"synthesis": mouth})
        blending = self._conditional(PLANE_RESOLUTION, BLENDING_FINAL_SIZE)
        self.neural_blending = nn.ModuleDict({"synthesis": blending})
        self.register_buffer("faces", torch.zeros(1, num_faces, 3, dtype=torch.int64))
        self.register_buffer("uvfaces", torch.zeros(1, num_faces, 3, dtype=torch.int64))
        self.register_buffer("raw_uvcoords", torch.zeros(1, num_uv, 2))
        self.register_buffer("face_uvcoords", torch.zeros(1, num_faces, 3, 3))
        self.register_buffer("uv_face_mask", torch.zeros(1, 1, SIZE, SIZE), persistent=False)
        self.register_buffer("orth_scale", torch.zeros(1), persistent=False)
        self.register_buffer("orth_shift", torch.zeros(3), persistent=False)

    def _conditional(self, in_size: int, final_size: int) -> ConditionalSynthesis:
        c = self.config
        return ConditionalSynthesis(
            c.w_dim,
            PLANE_RESOLUTION,
            PLANE_CHANNELS,
            in_size,
            final_size,
            c.channel_base,
            c.channel_max,
            c.conv_clamp,
        )

    def image(
        self, ws: Tensor, mesh: Tensor, cameras: Tensor, blending: Blending = "front"
    ) -> Tensor:
        """Return the final image (B, 3, 512, 512) of ws (B, 28, w_dim) from cameras (B, 25)."""
        planes = self.planes(self.prepare(ws), mesh, blending)
        return self.super_resolve(self.render(planes, cameras), ws)

    def texture(self, ws: Tensor) -> Tensor:
        """Return the neural texture (B, 32, 256, 256) of ws (B, 28, w_dim)."""
        return self.texture_backbone["synthesis"](ws[:, NUM_PLANE_WS:])

    def prepare(self, ws: Tensor) -> Next3DIdentity:
        """Return all that an identity needs whatever the mesh and the camera."""
        return Next3DIdentity(ws, self.texture(ws), self.static_planes(ws))

    def planes(
        self, identity: Next3DIdentity, mesh: Tensor, blending: Blending = "front"
    ) -> Tensor:
        """Return the planes (B, 3, 32, 256, 256) of a mesh (B, 5091, 3): vertices, landmarks."""
        views = self.see(identity.texture, mesh, blending)
        front = self.front_plane(identity.ws, views[0], mesh)
        return self.blend(identity.static_planes, front.blended, views)

    def see(self, texture: Tensor, mesh: Tensor, blending: Blending) -> list[SeenTexture]:
        """Return the textured mesh from the front; for `all` from the sides and above as well."""
        if mesh.ndim != 3 or mesh.shape[1:] != (NUM_VERTICES + NUM_LANDMARKS, 3):
            raise ValueError(
                f"expected a mesh (B, {NUM_VERTICES + NUM_LANDMARKS}, 3) of FLAME's vertices and "
                f"68 landmarks, got {tuple(mesh.shape)}"
            )
        if blending == "front":
            (front,) = self.rasterize(mesh, (FRONT,))
            return [self._sampled(texture, front)]
        views = self.rasterize(mesh, (FRONT, SIDE_PLUS, SIDE_MINUS, TOP))
        front, plus, top = (self._sampled(texture, views[i]) for i in (0, 1, 3))
        # As published: both sides are added although they are mirrored, and only the first one
        # counts for the mask, whole or not at all.
        minus = self._features(texture, self._grid(views[2]))
        side = SeenTexture(plus.features + minus, (plus.alpha != 0).to(plus.alpha))
        return [front, side, top]

    def rasterize(self, mesh: Tensor, views: tuple[View, ...]) -> list[Fragments]:
        """Return what each view sees of the mesh's vertices."""
        vertices = mesh[:, :NUM_VERTICES]
        return rasterize_views(vertices, self.faces[0], views, self.orth_scale, self.orth_shift)

    def _sampled(self, texture: Tensor, fragments: Fragments) -> SeenTexture:
        """Read texture and mask where the mesh is seen, the texture's middle everywhere else."""
        grid = self._grid(fragments)
        features = self._features(texture, grid)
        mask = self.uv_face_mask.expand(len(grid), -1, -1, -1)
        alpha = functional.grid_sample(mask, grid, align_corners=False)[:, 0] * fragments.coverage
        return SeenTexture(features, fill_holes(alpha))

    def _grid(self, fragments: Fragments) -> Tensor:
        """Where each pixel lies in the texture, (B, R, R, 2) in -1..1."""
        return fragments.interpolate(self.face_uvcoords[0, :, :, :2])

    @staticmethod
    def _features(texture: Tensor, grid: Tensor) -> Tensor:
        return functional.grid_sample(texture, grid, align_corners=False)

    def front_plane(self, ws: Tensor, front: SeenTexture, mesh: Tensor) -> FrontPlane:
        """Paint the mouth into the front view and pass it through the blending network."""
        landmarks = landmarks_in_view(mesh[:, NUM_VERTICES:], self.orth_scale, self.orth_shift)
        boxes = mouth_boxes(landmarks)
        crops = [
            _resized(own[None, :, y0:y1, x0:x1], MOUTH_SIZE)
            for own, (y0, y1, x0, x1) in zip(front.features, boxes, strict=True)
        ]
        mouth_input = torch.cat(crops)
        styles = ws[:, :NUM_PLANE_WS]
        mouth = self.mouth_backbone["synthesis"](mouth_input, styles)
        stitched = front.features.clone()
        for i, (y0, y1, x0, x1) in enumerate(boxes):
            stitched[i, :, y0:y1, x0:x1] = _resized(mouth[i : i + 1], y1 - y0)[0]
        blended = self.neural_blending["synthesis"](stitched, styles)
        return FrontPlane(boxes, mouth_input, mouth, stitched, blended)

    def blend(self, static_planes: Tensor, front: Tensor, views: list[SeenTexture]) -> Tensor:
        """Lay the views over the static planes, by their masks: (B, 3, 32, 256, 256)."""
        dynamic = [front, *(view.features for view in views[1:])]
        planes = []
        for k, static in enumerate(static_planes.unbind(dim=1)):
            if k < len(dynamic):
                static = torch.lerp(static, dynamic[k], views[k].alpha[:, None])
            planes.append(static)
        return torch.stack(planes, dim=1)


def _resized(x: Tensor, size: int) -> Tensor:
    """Resize x (B, C, H, W) to size^2, smoothing where it shrinks."""
    return functional.interpolate(x, (size, size), mode="bilinear", antialias=True)
