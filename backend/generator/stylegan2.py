"""StyleGAN2 mapping and synthesis networks (Karras et al. 2020), the backbone of tri-planes.

Parameter names and shapes follow EG3D and Next3D, so their state dicts load into these modules.
The modulated convolution never forms per-sample weights: scaling the input channels by the style,
convolving with the shared weight and scaling the output by the demodulation factor is the same
linear map, needs no grouped convolution, and is far faster on a CPU.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

NoiseMode = Literal["const", "none", "random"]

LEAKY_SLOPE = 0.2
ACTIVATION_GAIN = math.sqrt(2.0)
NORM_EPSILON = 1e-8


def binomial_filter() -> Tensor:
    """Return the (4, 4) low-pass filter outer([1, 3, 3, 1]) / 64 of all resampling."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / 64.0


def filter2d(x: Tensor, kernel: Tensor, padding: int, bias: Tensor | None = None) -> Tensor:
    """Filter every channel of x (B, C, H, W) with a (k, k) kernel, zeros outside; add bias (C)."""
    channels = x.shape[1]
    weight = kernel.to(x.dtype).expand(channels, 1, -1, -1)
    bias = None if bias is None else bias.to(x.dtype)
    return functional.conv2d(x, weight, bias, padding=padding, groups=channels)


def upsample2d(x: Tensor) -> Tensor:
    """Double the resolution of x (B, C, H, W): zero insertion, then the binomial filter times 4.

    With that filter the result is bilinear interpolation at half-pixel centres with zeros
    outside the image, which is one fast library call on a padded copy.
    """
    padded = functional.pad(x, (1, 1, 1, 1))
    doubled = functional.interpolate(padded, scale_factor=2, mode="bilinear", align_corners=False)
    return doubled[:, :, 2:-2, 2:-2]


def normalize_second_moment(x: Tensor) -> Tensor:
    """Scale the rows of x (B, C) to unit mean square."""
    return x * (x.square().mean(dim=1, keepdim=True) + NORM_EPSILON).rsqrt()


def leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2 with the gain sqrt(2) that keeps the variance."""
    return functional.leaky_relu(x, LEAKY_SLOPE) * ACTIVATION_GAIN


class Linear(nn.Module):
    """Linear layer with equalised learning rate (Karras et al. 2018): weight * lr / sqrt(in)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
        activate: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init / lr_multiplier))
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., in_features) to (..., out_features)."""
        y = functional.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return leaky_relu(y) if self.activate else y


class MappingNetwork(nn.Module):
    """Map z (B, z_dim), and a condition c (B, c_dim) if there is one, to ws (B, num_ws, w_dim)."""

    def __init__(
        self,
        z_dim: int,
        w_dim: int,
        num_ws: int,
        num_layers: int = 2,
        lr_multiplier: float = 0.01,
        c_dim: int = 0,
        layer_features: int | None = None,
    ) -> None:
        super().__init__()
        self.num_ws = num_ws
        self.num_layers = num_layers
        hidden = w_dim if layer_features is None else layer_features
        widths = [z_dim + (w_dim if c_dim else 0), *[hidden] * (num_layers - 1), w_dim]
        self.embed = Linear(c_dim, w_dim) if c_dim else None
        for i in range(num_layers):
            layer = Linear(widths[i], widths[i + 1], lr_multiplier, activate=True)
            self.add_module(f"fc{i}", layer)
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """Return ws (B, num_ws, w_dim), the first `truncation_cutoff` pulled towards the mean."""
        x = normalize_second_moment(z.float())
        if self.embed is not None:
            condition = normalize_second_moment(self.embed(c.float()))
            x = torch.cat([x, condition], dim=1)
        for i in range(self.num_layers):
            x = getattr(self, f"fc{i}")(x)
        ws = x.unsqueeze(1).repeat(1, self.num_ws, 1)
        return self.truncate(ws, truncation_psi, truncation_cutoff)

    def truncate(self, ws: Tensor, psi: float, cutoff: int | None = None) -> Tensor:
        """Interpolate the first `cutoff` styles (all if None) between the mean (0) and ws (1)."""
        if psi == 1.0:
            return ws
        first = self.w_avg + psi * (ws[:, :cutoff] - self.w_avg)
        return first if cutoff is None else torch.cat([first, ws[:, cutoff:]], dim=1)


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """Return (B, out) factors that give every modulated filter unit norm, in float32."""
    with torch.autocast(weight.device.type, enabled=False):
        energy = weight.float().square().sum(dim=(2, 3))
        squared_norm = styles.float().square() @ energy.T
        return (squared_norm + NORM_EPSILON).rsqrt()


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    *,
    up: bool = False,
    demodulate: bool = True,
    kernel: Tensor | None = None,
    bias: Tensor | None = None,
    gain: float = 1.0,
) -> Tensor:
    """Convolve x (B, I, H, W) with weight (O, I, k, k) modulated by styles (B, I).

    `up` doubles the resolution: transposed convolution of stride 2, then `kernel` (4, 4) times 4.
    Then bias (O) is added and everything multiplied by `gain`. Equations 1 and 3 of Karras et al.
    2020, applied to whatever is smaller: activations, or the weights of a single sample.
    """
    if demodulate and _computes_in_half(x):
        # Demodulation undoes any scale of the styles; with this one sums stay below half's limit.
        limit = styles.abs().amax(dim=1, keepdim=True) * math.sqrt(weight[0].numel())
        styles = styles / limit.clamp(min=NORM_EPSILON)
    factors = demodulation(weight, styles) * gain if demodulate else None
    offset = None if bias is None else bias * gain
    pixels = x.shape[2] * x.shape[3]
    if len(x) == 1 and pixels * sum(weight.shape[:2]) > weight.numel():
        both = gain * styles if factors is None else factors.T * styles
        own = weight * both[:, :, None, None]
        return _convolve(x, own.to(x.dtype), up, kernel, offset)
    y = _convolve(x * styles.to(x.dtype)[:, :, None, None], weight, up, kernel, None)
    if factors is not None:
        y = y * factors.to(y.dtype)[:, :, None, None]
    elif gain != 1.0:
        y = y * gain
    return y if offset is None else y + offset.to(y.dtype)[:, None, None]


def _convolve(
    x: Tensor, weight: Tensor, up: bool, kernel: Tensor | None, bias: Tensor | None
) -> Tensor:
    if up:
        spread = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        return filter2d(spread, kernel * 4.0, padding=1, bias=bias)
    bias = None if bias is None else bias.to(x.dtype)
    return functional.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


def _computes_in_half(x: Tensor) -> bool:
    device = x.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device) == torch.float16
    return x.dtype == torch.float16


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU and an optional clamp."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        up: bool = False,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.up = up
        self.conv_clamp = conv_clamp
        self.affine = Linear(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", binomial_filter())

    def forward(self, x: Tensor, w: Tensor, noise_mode: NoiseMode = "const") -> Tensor:
        """Map x (B, I, H, W) and w (B, w_dim) to (B, O, H, W), or twice the size if `up`."""
        y = modulated_conv2d(
            x,
            self.weight,
            self.affine(w),
            up=self.up,
            kernel=self.resample_filter,
            bias=self.bias,
            gain=ACTIVATION_GAIN,
        )
        # The gain is in already: leaky ReLU does not mind a positive factor.
        if noise_mode == "random":
            noise = torch.randn(y.shape[0], 1, *y.shape[2:], device=y.device)
            y = y.add_((noise * self.noise_strength * ACTIVATION_GAIN).to(y.dtype))
        elif noise_mode == "const":
            y = y.add_((self.noise_const * self.noise_strength * ACTIVATION_GAIN).to(y.dtype))
        y = functional.leaky_relu_(y, LEAKY_SLOPE)
        return y if self.conv_clamp is None else y.clamp_(-self.conv_clamp, self.conv_clamp)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to image channels, without demodulation or activation."""

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, conv_clamp: float | None = None
    ) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.affine = Linear(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.weight_gain = 1.0 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map x (B, I, H, W) and w (B, w_dim) to image channels (B, O, H, W)."""
        styles = self.affine(w) * self.weight_gain
        y = modulated_conv2d(x, self.weight, styles, demodulate=False, bias=self.bias)
        return y if self.conv_clamp is None else y.clamp(-self.conv_clamp, self.conv_clamp)


class SynthesisBlock(nn.Module):
    """One resolution of the synthesis network: conv0 (doubling), conv1, toRGB onto the skip image.

    Without input channels the block starts from a learned constant and has no conv0. With
    `up=False` neither features nor image are doubled (super-resolution from an equal size).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        img_channels: int,
        up: bool = True,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.up = up
        self.num_conv = 2 if in_channels else 1
        self.num_ws = self.num_conv + 1
        # Unused here, present in official state dicts.
        self.register_buffer("resample_filter", binomial_filter())
        if in_channels:
            self.conv0 = SynthesisLayer(
                in_channels, out_channels, w_dim, resolution, up=up, conv_clamp=conv_clamp
            )
        else:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        self.conv1 = SynthesisLayer(
            out_channels, out_channels, w_dim, resolution, conv_clamp=conv_clamp
        )
        self.torgb = ToRGB(out_channels, img_channels, w_dim, conv_clamp)

    def forward(
        self,
        x: Tensor | None,
        image: Tensor | None,
        ws: Tensor,
        noise_mode: NoiseMode = "const",
    ) -> tuple[Tensor, Tensor]:
        """Return features (B, C, R, R) and the running image; ws is (B, num_ws, w_dim)."""
        styles = ws.unbind(dim=1)
        if x is None:
            x = self.const.expand(ws.shape[0], -1, -1, -1)
            x = x.contiguous(memory_format=torch.channels_last)
        else:
            x = self.conv0(x, styles[0], noise_mode)
        x = self.conv1(x, styles[self.num_conv - 1], noise_mode)
        rgb = self.torgb(x, styles[self.num_conv]).float()
        if image is None:
            return x, rgb
        return x, rgb + (upsample2d(image) if self.up else image)


class SynthesisNetwork(nn.Module):
    """Skip-architecture synthesis network: ws (B, num_ws, w_dim) to (B, out, res, res).

    Blocks are named b4, b8, ... and have min(channel_base // r, channel_max) channels; a block's
    toRGB shares its style with the next block's conv0, so there are 2 log2(res) - 2 styles.
    """

    def __init__(
        self,
        w_dim: int,
        resolution: int,
        out_channels: int,
        channel_base: int = 32768,
        channel_max: int = 512,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        if resolution < 4 or resolution & (resolution - 1):
            raise ValueError(f"resolution must be a power of two from 4 up, got {resolution}")
        self.resolutions = [2**i for i in range(2, resolution.bit_length())]
        self.num_ws = 2 * len(self.resolutions)
        in_channels = 0
        for r in self.resolutions:
            channels = min(channel_base // r, channel_max)
            block = SynthesisBlock(
                in_channels, channels, w_dim, r, out_channels, conv_clamp=conv_clamp
            )
            self.add_module(f"b{r}", block)
            in_channels = channels

    def forward(self, ws: Tensor, noise_mode: NoiseMode = "const") -> Tensor:
        """Return the float32 image or planes (B, out_channels, resolution, resolution)."""
        if ws.ndim != 3 or ws.shape[1] != self.num_ws:
            raise ValueError(f"expected ws (B, {self.num_ws}, w_dim), got {tuple(ws.shape)}")
        x, image, first = None, None, 0
        for r in self.resolutions:
            block = getattr(self, f"b{r}")
            styles = ws[:, first : first + block.num_ws]
            x, image = block(x, image, styles, noise_mode)
            first += block.num_conv
        return image
