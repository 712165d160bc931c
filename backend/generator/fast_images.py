"""Images with exact labels of one posed generated head, many times faster than marching its field.

The guide surface is moved by the offsets that the surface branch says, and rasterised; colour and
labels are decoded at what is seen of it.  Hanging hair and parts are traced where their boxes are
seen.  What differs from the field itself: where closest points jump (nostrils, behind the ears)
and the fillet between scalp hair and hanging hair, both less than a pixel of a small image.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..official.rasterizer import Fragments, rasterize
from ..synthetic.detail import detail_fields
from ..synthetic.face import ExpressionState
from ..synthetic.labels import LABELS, official_labels
from ..synthetic.smooth import smoothstep
from .generator import HAIR, Generator
from .guide import Guide, guide_from_barycentric
from .hanging_hair import HangingHair
from .part_rays import PartRays

_NEAR = 0.1  # metres before the camera where nothing is drawn any more


@dataclass(frozen=True)
class HeadImage:
    """One image, row 0 at the top, model frame.

    color (S, S, 3) sRGB without light, label (S, S) int64 of the 19 official classes, normal
    (S, S, 3) unit, all zero where nothing is seen; coverage (S, S) 0..1; depth (S, S) metres along
    the camera's axis, infinite where nothing is seen.
    """

    color: Tensor
    label: Tensor
    normal: Tensor
    coverage: Tensor
    depth: Tensor


@dataclass(frozen=True)
class _Samples:
    """Seen at M places of an image: color (M, 3), label (M,), normal (M, 3), depth (M,)."""

    color: Tensor
    label: Tensor
    normal: Tensor
    depth: Tensor


class FastImages:
    """Renders heads of one generator; holds what is the same for all of them."""

    def __init__(self, generator: Generator):
        model = generator.model
        self.generator = generator
        self.guide = Guide(
            canonical=model.surface_canonical[None],
            distance=torch.zeros_like(model.surface_ao[None]),
            ao=model.surface_ao[None],
            tongue=model.surface_tongue[None],
        )
        self.detail = detail_fields(self.guide.canonical)

    def pose(self, ws: Tensor, expression: Tensor) -> "PosedHead":
        """One head: style rows ws (1, R, W) and ARKit weights (1, 52)."""
        return PosedHead(self, ws, expression)


class PosedHead:
    """All that the images of one head in one expression share."""

    @torch.inference_mode()
    def __init__(self, images: FastImages, ws: Tensor, expression: Tensor):
        if ws.ndim != 3 or len(ws) != 1 or len(expression) != 1:
            raise ValueError(
                f"expected style rows (1, R, W) and an expression (1, 52) of one head, got "
                f"{tuple(ws.shape)} and {tuple(expression.shape)}"
            )
        self.generator = generator = images.generator
        self.ws, model = ws, generator.model
        self.planes, self.values = generator.synthesis(ws), generator.readout(ws)
        self.state = ExpressionState.from_weights(expression)
        self.vertices = model.forward(self.values.betas, expression)[0]
        guide = model.subdivide(self.vertices)[0]
        self.normals = _vertex_normals(guide, model.surface_faces)
        sample = generator.surface_branch(
            ws, self.planes, self.values, images.guide, self.state, images.detail
        )
        # colours (W, 3) sRGB and official labels (W,) of the surface's points
        self.color = sample.color[0]
        self.labels = official_labels(sample.logits[0].argmax(-1))
        self.surface = guide + sample.offset[0, :, None] * self.normals
        self.normals = _vertex_normals(self.surface, model.surface_faces)
        self.parts = PartRays(model, self.vertices, guide, generator.part_values(self.values))
        self.hair = None
        if bool(generator.has_hanging_hair(self.values)):
            self.hair = HangingHair(generator, ws, self.planes, self.values)

    @property
    def landmarks(self) -> Tensor:
        """The 68 landmarks (68, 3), metres."""
        return self.vertices[0, self.generator.model.landmarks]

    @torch.inference_mode()
    def render(
        self,
        cam2world: Tensor,
        intrinsics: Tensor,
        size: int,
        samples: int = 2,
        skin: Fragments | None = None,
    ) -> HeadImage:
        """The head from a camera (4, 4) with intrinsics (3, 3), see `cameras`.

        Each pixel is the mean of samples x samples.  skin: what `skin_fragments` gives for them,
        if it is at hand.
        """
        fine = size * samples
        color = cam2world.new_zeros(fine * fine, 3)
        normal, depth = torch.zeros_like(color), torch.full_like(color[:, 0], torch.inf)
        label = torch.zeros_like(depth, dtype=torch.int64)
        skin = skin or self.skin_fragments(cam2world, intrinsics, fine)
        seen = skin.coverage.flatten().nonzero()[:, 0]
        layer = self._skin(skin.face.flatten()[seen], skin.weights.view(-1, 3)[seen], cam2world)
        color[seen], label[seen] = layer.color, layer.label
        normal[seen], depth[seen] = layer.normal, layer.depth
        origin, direction, slant = _pixel_rays(cam2world, intrinsics, fine)
        if self.hair is not None:
            along = self.hair.trace(origin, direction, depth * slant)
            seen = along.isfinite().nonzero()[:, 0]
            points = origin[seen] + along[seen, None] * direction[seen]
            color[seen] = self.hair.color * self.hair.ask(points)[1][:, None]
            label[seen], normal[seen] = HAIR, self.hair.normal(points)
            depth[seen] = along[seen] / slant[seen]
        parts = self.parts.trace(origin, direction, depth * slant)
        seen = parts.index
        color[seen], label[seen], normal[seen] = parts.color, parts.label, parts.normal
        depth[seen] = parts.depth[seen] / slant[seen]
        return _reduce(_Samples(color.clamp(0, 1), label, normal, depth), size, samples)

    @torch.inference_mode()
    def skin_fragments(self, cam2world: Tensor, intrinsics: Tensor, size: int) -> Fragments:
        """What size x size pixels see of the moved surface, weights corrected for perspective."""
        # the rasteriser keeps faces that run clockwise as seen
        faces = self.generator.model.surface_faces.flip(1)
        image, depth = project(self.surface, cam2world, intrinsics)
        # inverse depth is linear across a picture, depth is not
        flat = torch.cat([2 * image - 1, (1 - _NEAR / depth)[:, None]], 1)
        found = rasterize(flat[None], faces, size)
        weights = found.weights / depth[faces[found.face.clamp_min(0)]]
        weights = weights / weights.sum(-1, keepdim=True).clamp_min(1e-12)
        return Fragments(found.face, weights.flip(-1), found.depth)

    def _skin(self, face: Tensor, bary: Tensor, cam2world: Tensor) -> _Samples:
        """The surface decoded at places face (M,), bary (M, 3)."""
        g, corners = self.generator, self.generator.model.surface_faces[face]
        points = (self.surface[corners] * bary[..., None]).sum(1)
        normal = F.normalize((self.normals[corners] * bary[..., None]).sum(1), dim=-1)
        on_skin = torch.zeros_like(bary[None, :, 0])
        guide = guide_from_barycentric(g.model, face[None], bary[None], on_skin)
        sample = g.surface_branch(self.ws, self.planes, self.values, guide, self.state)
        color, label = sample.color[0], sample.logits[0].argmax(-1)
        if self.hair is not None:
            near = (self.hair.distance(points) < 0.009).nonzero()[:, 0]
            volume, shade = self.hair.ask(points[near])
            amount = smoothstep(-volume, -0.0065, -0.0015)
            strands = self.hair.color * shade[:, None]
            color[near] = color[near] + amount[:, None] * (strands - color[near])
            label[near] = torch.where(amount > 0.5, HAIR, label[near])
        depth = (points - cam2world[:3, 3]) @ cam2world[:3, 2]
        return _Samples(color, label, normal, depth)


def project(points: Tensor, cam2world: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor]:
    """Where points (N, 3) fall in the image, (N, 2) in units of its side, and depths (N,)."""
    camera = (points - cam2world[:3, 3]) @ cam2world[:3, :3]
    image = camera @ intrinsics.T
    return image[:, :2] / image[:, 2:], camera[:, 2]


def _vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals (W, 3) of a mesh, faces weighted by their area."""
    a, b, c = vertices[faces].unbind(1)
    normal = torch.linalg.cross(b - a, c - a).repeat_interleave(3, 0)
    return F.normalize(torch.zeros_like(vertices).index_add_(0, faces.flatten(), normal), dim=-1)


def _pixel_rays(cam2world: Tensor, intrinsics: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Origins and unit directions (size * size, 3) of the pixels, and the length of a ray (M,)
    for each metre along the camera's axis."""
    pixel = (torch.arange(size, device=cam2world.device) + 0.5) / size
    down, right = torch.meshgrid(pixel, pixel, indexing="ij")
    flat = torch.stack([right, down, torch.ones_like(right)], -1).view(-1, 3)
    camera = flat @ torch.linalg.inv(intrinsics).T
    slant = camera.norm(dim=-1)
    direction = (camera / slant[:, None]) @ cam2world[:3, :3].T
    return cam2world[:3, 3].expand_as(direction), direction, slant


def _reduce(fine: _Samples, size: int, samples: int) -> HeadImage:
    """Mean of the samples of each pixel; the label that most of them have."""

    def blocks(values: Tensor) -> Tensor:
        values = values.view(size, samples, size, samples, -1)
        return values.transpose(1, 2).reshape(size, size, samples * samples, -1)

    hit = blocks(fine.depth.isfinite().float())
    count = hit.sum(2).clamp_min(1)
    label = blocks(official_labels(fine.label))[..., 0]
    votes = torch.zeros(size, size, len(LABELS), device=label.device)
    weight = torch.ones_like(label, dtype=votes.dtype)
    weight[..., 0] += 0.5  # decides between equals
    votes.scatter_add_(2, label, weight)
    return HeadImage(
        color=blocks(fine.color).sum(2) / count,
        label=votes.argmax(-1),
        normal=F.normalize(blocks(fine.normal).sum(2), dim=-1),
        coverage=hit.mean(2)[..., 0],
        depth=blocks(fine.depth)[..., 0].amin(-1),
    )
