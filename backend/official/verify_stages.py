"""Every tensor that reference outputs may hold, computed by our own generators.

Names are those of the stored arrays; the stages come in the order of the program, each with the
kind that decides how exact it has to be.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..checkpoints.released import FLAME_VERTICES
from ..generator.plane_field import PlaneField
from ..generator.renderer import (
    Draws,
    camera_rays,
    importance_depths,
    march_weights,
    ray_ends,
    stratified_depths,
)
from .generator import camera_of_label
from .next3d import Next3DIdentity
from .views import (
    FRONT,
    SIDE_MINUS,
    SIDE_PLUS,
    TOP,
    landmarks_in_view,
    seen_vertices,
)

if TYPE_CHECKING:
    from .verify import Reference

# Stored beside the outputs to be fed in.
INPUTS = frozenset(
    ["points", "draws/jitter", "draws/importance_u", "batch2/z", "batch2/c"]
    + ["batch2/v_row1_note", "grid512/pick"]
)
VIEWS = {"front": FRONT, "side_p90": SIDE_PLUS, "side_m90": SIDE_MINUS, "top": TOP}
VERTEX_STEP = 16
RAY_STEP = 8
SMALL_LATTICE = 32
EMPTY = -1000.0  # what the public program writes into the border of a volume
BORDER = 30.0 / 256.0


@dataclass(frozen=True)
class Stage:
    """One tensor by the name of its reference, and its kind (verify.TOLERANCES)."""

    name: str
    kind: str
    value: Tensor


def eg3d_stages(reference: "Reference") -> Iterator[Stage]:
    """Yield everything an EG3D folder may hold."""
    ws = yield from _styles(reference)
    generator, camera = reference.generator, reference.inputs["c_camera"]
    planes = generator.static_planes(ws, reference.config["noise_mode"])
    yield Stage("planes", "planes", planes[0])
    yield from _rays(reference)
    yield from _pictures(reference, "", planes, ws)
    if "noise_none/det/image_raw" in reference.outputs:
        untruncated = _mapped(reference, 1.0, None)
        plain = generator.static_planes(untruncated, "none")
        raw = generator.render(plain, camera)
        yield Stage("noise_none/det/image_raw", "raw", raw.image)
    yield from _lattices(reference, planes)


def next3d_stages(reference: "Reference") -> Iterator[Stage]:
    """Yield everything a Next3D folder may hold, both blending rules."""
    ws = yield from _styles(reference)
    generator, mesh = reference.generator, reference.inputs["v"]
    yield from _views(reference)
    identity = generator.prepare(ws)
    yield Stage("textures", "planes", identity.texture[0])
    yield Stage("static_planes", "planes", identity.static_planes[0])
    views = generator.see(identity.texture, mesh, "all")
    for name, view in zip(("front", "side", "top"), views, strict=True):
        yield Stage(f"alpha/{name}", "exact", view.alpha[0])
        yield Stage(f"rendered/{name}", "planes", view.features[0])
    front = generator.front_plane(ws, views[0], mesh)
    yield Stage("mouth_mask", "exact", torch.tensor(front.mouth_boxes))
    yield Stage("mouth_input", "planes", front.mouth_input[0])
    yield Stage("mouth_plane", "planes", front.mouth_plane[0])
    yield Stage("stitched_front", "planes", front.stitched[0])
    yield Stage("neural_blended_front", "planes", front.blended[0])
    yield from _rays(reference)
    for rule, own in (("all", views), ("front", views[:1])):
        planes = generator.blend(identity.static_planes, front.blended, own)
        yield Stage(f"{rule}/blended_planes", "planes", planes[0])
        yield from _pictures(reference, f"{rule}/", planes, ws)
        if rule == "all":
            yield from _lattices(reference, planes)
    yield from _batch_of_two(reference)


def _mapped(reference: "Reference", psi: float, cutoff: int | None) -> Tensor:
    inputs = reference.inputs
    return reference.generator.mapping(inputs["z"], inputs["c_conditioning"], psi, cutoff)


def _styles(reference: "Reference") -> Iterator[Stage]:
    """Yield styles of all truncations; return those that the rest is made of."""
    config = reference.config
    for name, expected in reference.outputs.items():
        match = re.fullmatch(r"ws_psi([\d.]+)(?:_nocutoff|_cut(\d+))?", name)
        if match:
            cutoff = None if match[2] is None else int(match[2])
            ws = _mapped(reference, float(match[1]), cutoff)
            yield Stage(name, "styles", ws[:, : expected.shape[1]])
    ws = _mapped(reference, config["truncation_psi"], config["truncation_cutoff"])
    yield Stage("ws", "styles", ws)
    return ws


def _views(reference: "Reference") -> Iterator[Stage]:
    """Yield what the rasteriser makes of the mesh."""
    generator, mesh = reference.generator, reference.inputs["v"]
    seen = generator.rasterize(mesh, tuple(VIEWS.values()))
    for (name, view), fragments in zip(VIEWS.items(), seen, strict=True):
        placed = seen_vertices(
            mesh[:, :FLAME_VERTICES], view, generator.orth_scale, generator.orth_shift
        )
        yield Stage(f"raster/{name}/verts_in", "seen", placed[0, ::VERTEX_STEP])
        yield Stage(f"raster/{name}/pix_to_face", "exact", fragments.face[0])
        yield Stage(f"raster/{name}/zbuf", "seen", fragments.depth[0])
        # the third stored channel is coverage
        uv = fragments.interpolate(generator.face_uvcoords[0, :, :, :2])[0].permute(2, 0, 1)
        uv = torch.cat([uv, fragments.coverage.to(uv)])
        yield Stage(f"raster/{name}/uv_vis", "seen", uv)
    landmarks = landmarks_in_view(
        mesh[:, FLAME_VERTICES:], generator.orth_scale, generator.orth_shift
    )
    yield Stage("lm2d/front", "seen", landmarks[0])


def _camera_rays(reference: "Reference") -> tuple[Tensor, Tensor]:
    cam2world, intrinsics = camera_of_label(reference.inputs["c_camera"])
    return camera_rays(cam2world, intrinsics, reference.generator.config.resolution)


def _rays(reference: "Reference") -> Iterator[Stage]:
    origins, directions = _camera_rays(reference)
    yield Stage("ray_origins", "coordinates", origins[:, :1])
    yield Stage("ray_dirs", "coordinates", directions)


def _pictures(reference: "Reference", prefix: str, planes: Tensor, ws: Tensor) -> Iterator[Stage]:
    """Yield the field at the stored points and pictures with stored draws and without noise."""
    generator, camera, outputs = (
        reference.generator,
        reference.inputs["c_camera"],
        reference.outputs,
    )
    field = generator.field(planes)
    colors, sigma = field(outputs["points"])
    yield Stage(f"{prefix}sigma", "sigma", sigma)
    yield Stage(f"{prefix}rgb", "rgb", colors)
    draws = Draws(outputs["draws/jitter"], outputs["draws/importance_u"])
    yield from _sampling(reference, prefix, field, draws)
    for kind, own in (("", draws), ("det/", None)):
        raw = generator.render(planes, camera, draws=own)
        yield Stage(f"{prefix}{kind}image_raw", "raw", raw.image)
        yield Stage(f"{prefix}{kind}image_depth", "samples", raw.depth)
        if not kind:
            yield Stage(f"{prefix}weight_total", "samples", raw.weight.flatten())
            yield Stage(f"{prefix}feature_image", "raw", raw.features)
        if f"{prefix}{kind}image/shape" in outputs:  # the slowest stage
            image = generator.super_resolve(raw, ws)
            yield Stage(f"{prefix}{kind}image", "image", image[0])


def _sampling(
    reference: "Reference", prefix: str, field: PlaneField, draws: Draws
) -> Iterator[Stage]:
    """Yield the weights of the coarse samples and all depths in order."""
    origins, directions = _camera_rays(reference)
    depths = stratified_depths(
        *ray_ends(origins, directions, reference.generator.config.rendering), draws.jitter
    )
    points = origins[:, :, None] + depths * directions[:, :, None]
    density = field.density(points.flatten(1, 2)).reshape(depths.shape)
    weights = march_weights(density, depths)
    yield Stage(f"{prefix}coarse_weights", "samples", weights.flatten(0, 1)[..., 0])
    fine = importance_depths(depths, weights, draws.importance)
    together = torch.cat([depths, fine], dim=2).sort(dim=2).values
    yield Stage(f"{prefix}depths_sorted", "samples", together[0, ::RAY_STEP, :, 0])


def _batch_of_two(reference: "Reference") -> Iterator[Stage]:
    """Yield a batch of two latents, cameras and meshes, the second mesh wider and higher."""
    generator, outputs, inputs = reference.generator, reference.outputs, reference.inputs
    if "batch2/z" not in outputs:
        return
    config, condition = reference.config, inputs["c_conditioning"].expand(2, -1)
    ws = generator.mapping(
        outputs["batch2/z"], condition, config["truncation_psi"], config["truncation_cutoff"]
    )
    yield Stage("batch2/ws", "styles", ws[:, [0, 13, 14]])
    widen, lift = outputs["batch2/v_row1_note"].tolist()
    changed = inputs["v"] * torch.tensor([widen, 1.0, 1.0]) + torch.tensor([0.0, lift, 0.0])
    identity: Next3DIdentity = generator.prepare(ws)
    planes = generator.planes(identity, torch.cat([inputs["v"], changed]), "all")
    raw = generator.render(planes, outputs["batch2/c"])
    yield Stage("batch2/det/image_raw", "raw", raw.image)
    yield Stage("batch2/det/image_depth", "samples", raw.depth)
    if "batch2/det/image/shape" in outputs:
        yield Stage("batch2/det/image", "image", generator.super_resolve(raw, ws))


def published_lattice(index: Tensor, resolution: int, side: float) -> Tensor:
    """Return the public program's coordinates (N, 3) of lattice points, by index (N,).

    Its index arithmetic is in floats, so that x and y lean by up to one voxel. Ours does not lean;
    this is for comparison only.
    """
    place = index.to(torch.float32)
    z = torch.remainder(index, resolution).to(torch.float32)
    y = torch.remainder(place / resolution, resolution)
    x = torch.remainder(place / resolution / resolution, resolution)
    return torch.stack([x, y, z], dim=-1) * (side / (resolution - 1)) - side / 2.0


def _lattices(reference: "Reference", planes: Tensor) -> Iterator[Stage]:
    """Yield coordinates of lattices and the density on a small one."""
    outputs, side = reference.outputs, reference.generator.config.box_warp
    if "grid512/pick" in outputs:
        coordinates = published_lattice(outputs["grid512/pick"], 512, side)
        yield Stage("grid512/coords", "coordinates", coordinates)
    n = SMALL_LATTICE
    points = published_lattice(torch.arange(n**3), n, side)
    yield Stage(f"grid{n}/samples", "coordinates", points)
    sigma = reference.generator.field(planes).density(points[None]).reshape(n, n, n).flip(0)
    emptied = torch.full_like(sigma, EMPTY)
    inner = slice(int(BORDER * n), n - int(BORDER * n))
    emptied[inner, inner, inner] = sigma[inner, inner, inner]
    for name in ("sigma_flipped", "sigma_final"):
        expected = outputs.get(f"grid{n}/{name}")
        if expected is not None:
            # one program empties the border in place, before both are stored
            stored_empty = bool(expected[0, 0, 0] == EMPTY)
            yield Stage(f"grid{n}/{name}", "sigma", emptied if stored_empty else sigma)
