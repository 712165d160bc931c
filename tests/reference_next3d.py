"""The official generators the plain way: what the fast implementation is compared with.

Every sample has its own modulated weights and a group of a convolution, resampling inserts zeros
and convolves, planes are read one by one, and nothing is kept between calls. It takes the weights
of one of our generators, and shares only rasterisation, masks and rays with it.
"""

import torch
from torch import Tensor
from torch.nn import functional

from avatarmmc_blender.backend.checkpoints.released import FLAME_VERTICES
from avatarmmc_blender.backend.generator.renderer import Draws, camera_rays, render_rays
from avatarmmc_blender.backend.generator.stylegan2 import SynthesisBlock, SynthesisLayer, ToRGB
from avatarmmc_blender.backend.official.conditional import ConditionalSynthesis, PlainConv2d
from avatarmmc_blender.backend.official.generator import (
    OfficialGenerator,
    RawImage,
    camera_of_label,
)
from avatarmmc_blender.backend.official.next3d import Next3D, SeenTexture
from avatarmmc_blender.backend.official.superresolution import SuperResolution
from avatarmmc_blender.backend.official.views import (
    FRONT,
    SIDE_MINUS,
    SIDE_PLUS,
    TOP,
    fill_holes,
    landmarks_in_view,
    mouth_boxes,
)
from tests.plane_reading import read_planes


def resample(x: Tensor, kernel: Tensor, up: int, down: int, padding: tuple[int, ...]) -> Tensor:
    """Insert zeros, pad (left, right, top, bottom), filter, take every `down`-th pixel."""
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels, height, 1, width, 1)
    x = functional.pad(x, [0, up - 1, 0, 0, 0, up - 1])
    x = functional.pad(x.reshape(batch, channels, height * up, width * up), padding)
    weight = (kernel * up**2)[None, None].repeat(channels, 1, 1, 1)
    return functional.conv2d(x, weight, groups=channels)[:, :, ::down, ::down]


def modulated(x: Tensor, weight: Tensor, styles: Tensor, up: bool, demodulate: bool) -> Tensor:
    """Convolve every sample with weights of its own, as groups of one convolution."""
    batch, channels = x.shape[:2]
    own = weight[None] * styles[:, None, :, None, None]
    if demodulate:
        own = own * (own.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    x = x.reshape(1, batch * channels, *x.shape[2:])
    if up:
        turned = own.transpose(1, 2).flatten(0, 1)
        y = functional.conv_transpose2d(x, turned, stride=2, groups=batch)
    else:
        y = functional.conv2d(x, own.flatten(0, 1), padding=weight.shape[-1] // 2, groups=batch)
    return y.reshape(batch, -1, *y.shape[2:])


def layer(module: SynthesisLayer, x: Tensor, w: Tensor, noise: bool) -> Tensor:
    """Modulated convolution, noise, bias, activation, clamp."""
    y = modulated(x, module.weight, module.affine(w), module.up, demodulate=True)
    if module.up:
        y = resample(y, module.resample_filter * 4.0, 1, 1, (1, 1, 1, 1))
    if noise:
        y = y + module.noise_const * module.noise_strength
    y = functional.leaky_relu(y + module.bias[None, :, None, None], 0.2) * 2.0**0.5
    return y if module.conv_clamp is None else y.clamp(-module.conv_clamp, module.conv_clamp)


def to_rgb(module: ToRGB, x: Tensor, w: Tensor) -> Tensor:
    """Modulated 1x1 convolution, bias, clamp."""
    styles = module.affine(w) * module.weight_gain
    y = modulated(x, module.weight, styles, up=False, demodulate=False)
    y = y + module.bias[None, :, None, None]
    return y if module.conv_clamp is None else y.clamp(-module.conv_clamp, module.conv_clamp)


def block(
    module: SynthesisBlock, x: Tensor | None, image: Tensor | None, ws: Tensor, noise: bool
) -> tuple[Tensor, Tensor]:
    """One resolution: both convolutions, and the image doubled and added to."""
    if x is None:
        x = module.const[None].repeat(len(ws), 1, 1, 1)
    else:
        x = layer(module.conv0, x, ws[:, 0], noise)
    x = layer(module.conv1, x, ws[:, module.num_conv - 1], noise)
    rgb = to_rgb(module.torgb, x, ws[:, module.num_conv])
    if image is None:
        return x, rgb
    if module.up:
        image = resample(image, module.resample_filter, 2, 1, (2, 1, 2, 1))
    return x, image + rgb


def synthesis(network: torch.nn.Module, ws: Tensor) -> Tensor:
    """All blocks of a backbone."""
    x, image, first = None, None, 0
    for r in network.resolutions:
        own = getattr(network, f"b{r}")
        x, image = block(own, x, image, ws[:, first : first + own.num_ws], noise=True)
        first += own.num_conv
    return image


def convolution(module: PlainConv2d, x: Tensor) -> Tensor:
    """Filter and stride if it halves, bias, activation."""
    weight = module.weight * module.weight_gain
    if module.down:
        x = resample(x, module.resample_filter, 1, 1, (2, 2, 2, 2))
        y = functional.conv2d(x, weight, stride=2)
    else:
        y = functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
    if module.bias is not None:
        y = y + module.bias[None, :, None, None]
    return functional.leaky_relu(y, 0.2) * 2.0**0.5 if module.activate else y


def conditional(network: ConditionalSynthesis, image: Tensor, ws: Tensor) -> Tensor:
    """Encoder, then blocks with its outputs fused in."""
    outputs, x = [], None
    for i, level in enumerate(network.encoder):
        if i > 0:
            image = resample(image, level.resample_filter, 1, 2, (1, 1, 1, 1))
        own = convolution(level.fromrgb, image)
        x = convolution(level.conv2, convolution(level.conv1, own if x is None else own + x))
        outputs.insert(0, x)
    x, rgb, first = convolution(network.fusion[0], outputs[0]), None, network.first_w
    for j, r in enumerate(network.resolutions):
        if 0 < j < len(outputs):
            x = convolution(network.fusion[j], torch.cat([x, outputs[j]], dim=1))
        own = getattr(network, f"b{r}")
        x, rgb = block(own, x, rgb, ws[:, first : first + own.num_ws], noise=True)
        first += own.num_conv
    return rgb


def eg3d_planes(generator: OfficialGenerator, ws: Tensor) -> Tensor:
    """The backbone's planes."""
    return synthesis(generator.backbone["synthesis"], ws[:, :14]).reshape(-1, 3, 32, 256, 256)


def next3d_planes(generator: Next3D, ws: Tensor, mesh: Tensor, rule: str) -> Tensor:
    """All networks, all four views, whatever the rule needs of them."""
    texture = synthesis(generator.texture_backbone["synthesis"], ws[:, 14:])
    views = []
    for view in (FRONT, SIDE_PLUS, SIDE_MINUS, TOP):
        (fragments,) = generator.rasterize(mesh, (view,))
        grid = fragments.interpolate(generator.face_uvcoords[0, :, :, :2])
        features = functional.grid_sample(texture, grid, align_corners=False)
        mask = generator.uv_face_mask.repeat(len(grid), 1, 1, 1)
        alpha = functional.grid_sample(mask, grid, align_corners=False)[:, 0]
        views.append(SeenTexture(features, fill_holes(alpha * fragments.coverage)))
    front, plus, minus, top = views
    front_plane = _front_plane(generator, ws, front.features, mesh)
    dynamic = [front_plane, plus.features + minus.features, top.features]
    alphas = [front.alpha, (plus.alpha != 0).float(), top.alpha]
    if rule == "front":
        alphas[1:] = [torch.zeros_like(alpha) for alpha in alphas[1:]]
    dynamic, alpha = torch.stack(dynamic, dim=1), torch.stack(alphas, dim=1)[:, :, None]
    return dynamic * alpha + eg3d_planes(generator, ws) * (1.0 - alpha)


def _front_plane(generator: Next3D, ws: Tensor, front: Tensor, mesh: Tensor) -> Tensor:
    landmarks = landmarks_in_view(
        mesh[:, FLAME_VERTICES:], generator.orth_scale, generator.orth_shift
    )
    stitched, boxes = front.clone(), mouth_boxes(landmarks)
    options = {"mode": "bilinear", "antialias": True}
    for i, (y0, y1, x0, x1) in enumerate(boxes):
        crop = functional.interpolate(front[i : i + 1, :, y0:y1, x0:x1], (64, 64), **options)
        mouth = conditional(generator.mouth_backbone["synthesis"], crop, ws[i : i + 1, :14])
        square = functional.interpolate(mouth, (y1 - y0, y1 - y0), **options)
        stitched[i, :, y0:y1, x0:x1] = square[0]
    return conditional(generator.neural_blending["synthesis"], stitched, ws[:, :14])


class PlainField:
    """Planes read one by one, then the decoder."""

    def __init__(self, generator: OfficialGenerator, planes: Tensor) -> None:
        self.generator, self.planes = generator, planes

    def __call__(self, points: Tensor, directions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return colours (B, N, 32) and raw density (B, N, 1) at points (B, N, 3)."""
        generator = self.generator
        features = read_planes(self.planes, generator.plane_axes, points, generator.config.box_warp)
        return generator.decoder(features)


def render(generator: OfficialGenerator, planes: Tensor, cameras: Tensor, size: int) -> RawImage:
    """All rays at once, without noise."""
    origins, directions = camera_rays(*camera_of_label(cameras), size)
    settings = generator.config.rendering
    draws = Draws.centred(origins, settings)
    rays = render_rays(PlainField(generator, planes), origins, directions, settings, draws)

    def as_image(values: Tensor) -> Tensor:
        return values.transpose(1, 2).unflatten(2, (size, size))

    return RawImage(as_image(rays.features), as_image(rays.depth), as_image(rays.weight))


def super_resolve(network: SuperResolution, features: Tensor, ws: Tensor) -> Tensor:
    """Both blocks, without noise."""
    size = network.kind.input_resolution
    if features.shape[-1] != size:
        features = functional.interpolate(
            features, (size, size), mode="bilinear", antialias=network.antialias
        )
    styles = ws[:, 13:14].repeat(1, 3, 1)
    x, image = block(network.block0, features, features[:, :3], styles, noise=False)
    return block(network.block1, x, image, styles, noise=False)[1]
