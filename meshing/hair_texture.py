"""Colour and normal images of hair: the field's colours under procedural strands.

Strands are line integral convolutions (Cabral and Leedom 1993) of noise along the hair's flow.
The images live in the polar map of `hair_uv`, which has no seam, so they are made as images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom

from .geometry import smoothstep
from .hair_flow import Flow
from .pixels import to_bytes
from .texel_map import TexelMap, rasterize


@dataclass(frozen=True)
class StrandLayer:
    """Strands of one size: width as noise blur (m), length (m), and how they show."""

    width: float
    length: float
    shade: float  # relative brightness, one standard deviation
    height: float  # m, one standard deviation


@dataclass(frozen=True)
class HairLook:
    """How hair of one kind is painted: its strands, and how much of the field's shading stays."""

    layers: tuple[StrandLayer, ...]
    field_contrast: float


SCALP_LAYERS = (
    StrandLayer(width=0.00022, length=0.020, shade=0.08, height=0.00004),
    StrandLayer(width=0.0006, length=0.030, shade=0.11, height=0.00015),
    StrandLayer(width=0.0017, length=0.045, shade=0.11, height=0.00035),
)
CURLY_LAYERS = (
    StrandLayer(width=0.0003, length=0.006, shade=0.08, height=0.00008),
    StrandLayer(width=0.0009, length=0.009, shade=0.13, height=0.00035),
    StrandLayer(width=0.0022, length=0.012, shade=0.15, height=0.00085),
)
BEARD_LAYERS = (
    StrandLayer(width=0.00022, length=0.007, shade=0.12, height=0.00005),
    StrandLayer(width=0.0005, length=0.011, shade=0.15, height=0.00014),
    StrandLayer(width=0.0013, length=0.015, shade=0.10, height=0.00025),
)
SCALP_LOOK = HairLook(SCALP_LAYERS, field_contrast=0.85)
CURLY_LOOK = HairLook(CURLY_LAYERS, field_contrast=0.85)
BEARD_LOOK = HairLook(BEARD_LAYERS, field_contrast=0.5)
FIELD_RESOLUTION = 256  # texels across at which the field is asked for its colour
STRAND_LIFT = 0.05  # sRGB added at full highlight, so that black hair has strands too
MARGIN = 1.0 / 64.0  # of the image, around the disc
EDGE_ON = (0.08, 0.40)  # cosines: strands fade where the map squeezes the surface
ROOT_SHADE = 0.80
ROOT_HEIGHT = (0.001, 0.012)  # m above the skin over which roots turn into lengths


@dataclass(frozen=True)
class HairMesh:
    """What the images are baked for: a closed mesh, its map and its flow."""

    vertices: np.ndarray  # (V, 3)
    faces: np.ndarray  # (F, 3), outermost last
    uvs: np.ndarray  # (V, 2)
    facing: np.ndarray  # (V,) cosine between the map's ray and the surface normal, 0..1
    height: np.ndarray  # (V,) m above the bare skin
    flow: Flow


def bake_hair(
    field, mesh: HairMesh, label: int, look: HairLook, resolution: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the colour and tangent-space normal images (R, R, 3) uint8, row 0 = top."""
    texels = rasterize(mesh.uvs[mesh.faces], resolution)
    metric = _Metric.of(mesh)
    strands = _strands(mesh, metric, texels, look.layers, resolution)
    seen = smoothstep(texels.interpolate(mesh.facing, mesh.faces), *EDGE_ON)
    shade = seen * sum(layer.shade * s for layer, s in zip(look.layers, strands, strict=True))
    relief = seen * sum(layer.height * s for layer, s in zip(look.layers, strands, strict=True))
    base = _field_color(field, mesh, label, look.field_contrast, resolution)
    height_over_skin = texels.interpolate(mesh.height, mesh.faces)
    color = _shade(base.reshape(-1, 3)[texels.texel], shade, height_over_skin)
    away, nearest = distance_transform_edt(~texels.covered, return_indices=True)
    image = texels.image(color)[tuple(nearest)]
    image[away > MARGIN * resolution] = np.median(color, axis=0)
    relief_image = texels.image(relief[:, None])[tuple(nearest)][..., 0]
    normal = _normals(metric, mesh, texels, relief_image)
    return to_bytes(image), to_bytes(0.5 + 0.5 * normal)


@dataclass(frozen=True)
class _Metric:
    """Per vertex: uv motion per metre along the flow (V, 2), and the map's metric (V, 3)."""

    along: np.ndarray
    tensor: np.ndarray  # Pu.Pu, Pu.Pv, Pv.Pv in square metres per unit of uv squared

    @classmethod
    def of(cls, mesh: HairMesh) -> _Metric:
        corners, uvs = mesh.vertices[mesh.faces], mesh.uvs[mesh.faces]
        e1, e2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        f1, f2 = uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]
        determinant = f1[:, 0] * f2[:, 1] - f1[:, 1] * f2[:, 0]
        safe = np.where(np.abs(determinant) < 1e-12, np.inf, determinant)[:, None]
        pu = (e1 * f2[:, 1:] - e2 * f1[:, 1:]) / safe
        pv = (e2 * f1[:, :1] - e1 * f2[:, :1]) / safe
        tensor = np.stack([(pu * pu).sum(1), (pu * pv).sum(1), (pv * pv).sum(1)], axis=1)
        # Folded and stretched triangles count little against those the map shows well.
        weight = np.abs(determinant) / (1e-9 + tensor[:, 0] + tensor[:, 2])
        weight = np.minimum(weight, np.percentile(weight, 90))
        spread = cls._to_vertices(mesh, np.column_stack([tensor * weight[:, None], weight]))
        tensor = spread[:, :3] / np.maximum(spread[:, 3:], 1e-20)
        direction = mesh.flow.direction[mesh.faces].mean(axis=1)
        along = cls._solve(
            (direction * pu).sum(1), (direction * pv).sum(1), tensor[mesh.faces].mean(axis=1)
        )
        spread = cls._to_vertices(mesh, np.column_stack([along * weight[:, None], weight]))
        return cls(spread[:, :2] / np.maximum(spread[:, 2:], 1e-20), tensor)

    @staticmethod
    def _to_vertices(mesh: HairMesh, values: np.ndarray) -> np.ndarray:
        count = len(mesh.vertices)
        columns = [
            np.bincount(mesh.faces.ravel(), np.repeat(column, 3), count) for column in values.T
        ]
        return np.stack(columns, axis=1)

    @staticmethod
    def _solve(dot_u, dot_v, tensor) -> np.ndarray:
        uu, uv, vv = tensor.T
        determinant = np.maximum(uu * vv - uv * uv, 1e-12)
        return np.stack(
            [(vv * dot_u - uv * dot_v) / determinant, (uu * dot_v - uv * dot_u) / determinant],
            axis=1,
        )


def _field_color(field, mesh: HairMesh, label: int, contrast: float, resolution: int) -> np.ndarray:
    """The field's hair colour, asked for on a coarse image and enlarged to (R, R, 3)."""
    texels = rasterize(mesh.uvs[mesh.faces], FIELD_RESOLUTION)
    points = texels.interpolate(mesh.vertices, mesh.faces)
    sample = field.sample(points)
    color = np.clip(sample.color, 0.0, 1.0)
    amount = smoothstep(sample.labels[:, label], 0.3, 0.9)
    sure = amount > 0.8
    median = np.median(color[sure], axis=0) if sure.sum() > 50 else np.median(color, axis=0)
    color = median + (color - median) * (contrast * amount)[:, None]
    image = texels.filled_image(color)
    return zoom(image, (resolution / FIELD_RESOLUTION,) * 2 + (1,), order=1, grid_mode=True,
                mode="nearest")  # fmt: skip


def _strands(mesh, metric, texels: TexelMap, layers, resolution) -> list[np.ndarray]:
    """Return one array (N,) per layer over the covered texels, zero mean and unit variance."""
    along = texels.interpolate(metric.along, mesh.faces) * resolution
    texel_size = 1.0 / np.maximum(np.median(np.linalg.norm(along, axis=1)), 1e-6)
    rng = np.random.default_rng(7)
    results = []
    for layer in layers:
        noise = rng.standard_normal((resolution, resolution)).astype(np.float32)
        noise = gaussian_filter(noise, layer.width / texel_size, mode="wrap")
        strand = _convolve_along(noise, along, texels, layer.length, texel_size)
        results.append((strand - strand.mean()) / (strand.std() + 1e-9))
    return results


def _convolve_along(noise, along, texels: TexelMap, length, texel_size) -> np.ndarray:
    """Average `noise` over `length` metres along the flow, doubling the length in every step."""
    resolution = texels.resolution
    doublings = max(int(np.round(np.log2(length / texel_size))), 1)
    step = length / 2**doublings
    slot = np.full(resolution**2, -1, np.int64)
    slot[texels.texel] = np.arange(len(texels.texel))
    row, column = np.divmod(texels.texel, resolution)
    shift = np.stack([along[:, 0], -along[:, 1]], axis=1) * step
    values = noise.ravel()[texels.texel]
    for _ in range(doublings):
        x = np.clip(np.rint(column + shift[:, 0]), 0, resolution - 1).astype(np.int64)
        y = np.clip(np.rint(row + shift[:, 1]), 0, resolution - 1).astype(np.int64)
        there = slot[y * resolution + x]
        there = np.where(there < 0, np.arange(len(values)), there)
        values = 0.5 * (values + values[there])
        shift = shift + shift[there]
    return values


def _shade(base, shade, height_over_skin) -> np.ndarray:
    """Return colours (N, 3): `base` with relative strand brightness `shade` and darker roots."""
    root = ROOT_SHADE + (1.0 - ROOT_SHADE) * smoothstep(height_over_skin, *ROOT_HEIGHT)
    color = base * (np.maximum(1.0 + shade, 0.25) * root)[:, None]
    lift = STRAND_LIFT * np.clip(shade * 2.5, 0.0, 1.0)
    return np.clip(color + lift[:, None] * (0.4 + base), 0.0, 1.0)


def _normals(metric: _Metric, mesh, texels: TexelMap, relief: np.ndarray) -> np.ndarray:
    """Tangent-space normals (R, R, 3) of a relief image (R, R) in metres."""
    resolution = texels.resolution
    down, right = np.gradient(relief)
    h_u = right.ravel()[texels.texel] * resolution
    h_v = -down.ravel()[texels.texel] * resolution
    uu, uv, vv = texels.interpolate(metric.tensor, mesh.faces).T
    length_u = np.sqrt(np.maximum(uu, 1e-12))
    # v's tangent has a part along u's and a part across it.
    part = uv / length_u
    across = np.sqrt(np.maximum(vv - part**2, 0.01 * vv + 1e-12))
    slope_u = h_u / length_u
    slope_v = (h_v - part * slope_u) / across
    normal = np.stack([-slope_u, -slope_v, np.ones_like(slope_u)], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    result = texels.image(normal)
    result[~texels.covered] = (0.0, 0.0, 1.0)
    return result
