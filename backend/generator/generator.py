"""The bundled generator: z -> ws -> tri-planes -> density, colour and label field.

A member of the Next3D family (Sun et al. 2023): a StyleGAN2 backbone makes tri-planes, a posed
head-model mesh guides them, a small decoder reads them.  Two branches share the planes' backbone:

* the *surface branch* reads canonical planes at the guide's closest skin point p and says how far
  skin, hair and beard stand off the mesh there, their colour and label;
* the *volume branch* reads observation planes at the query point q itself and gives the signed
  distance of hair that hangs free of the skin (bob, long hair, tails, buns).

field(q) = smin(D(q) - offset(p), volume(q)), D the signed distance to the posed mesh.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..head_model.model import HeadModel
from ..parts.values import PartValues
from ..synthetic.detail import DETAIL_NAMES, detail_fields
from ..synthetic.face import ExpressionState
from ..synthetic.labels import LABELS
from ..synthetic.latent import LATENT_DIM, SHAPE_DIM, derive, measure
from ..synthetic.params import VECTOR_DIM, from_vector
from ..synthetic.smooth import smooth_min, smoothstep
from .config import GeneratorConfig
from .decoder import PointDecoder
from .guide import Guide, expression_features
from .mapping import HeadValues, Mapping, Readout, scale_latents
from .planes import cube_coordinates, plane_coordinates, sample_planes, smooth_noise_planes
from .stylegan2 import SynthesisNetwork
from .volume_features import NUM_VOLUME_FEATURES, hair_box_distance, volume_features

HAIR = LABELS.index("hair")
VOLUME_RANGE = 0.05  # metres; the volume branch saturates there
_BLEND = 0.010  # metres over which scalp hair and hanging hair flow together
_NUM_EXPRESSION = 6
_FIXED_PALETTE = ((0.04, 0.03, 0.03), (0.31, 0.085, 0.085), (0.75, 0.36, 0.35))
_PALETTE_FIELDS = ("skin", "lipc", "hair", "browc")
_NUM_COLORS = len(_PALETTE_FIELDS) + len(_FIXED_PALETTE)
_SURFACE_OUT = 5 + _NUM_COLORS + 6 + len(LABELS)


@dataclass(frozen=True)
class SurfaceSample:
    """Surface branch at p: offset (B, N) m, color (B, N, 3), label logits (B, N, L)."""

    offset: Tensor
    color: Tensor
    logits: Tensor


@dataclass(frozen=True)
class FieldOutput:
    """Field at q: sdf (B, N) m, color (B, N, 3) sRGB, label logits (B, N, L)."""

    sdf: Tensor
    color: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Planes:
    """Generated planes of a batch: canonical and observation, each (B, 3, C, R, R)."""

    canonical: Tensor
    observation: Tensor


class Generator(nn.Module):
    """Latent -> style rows -> planes -> field; see the module's docstring."""

    def __init__(self, model: HeadModel, config: GeneratorConfig | None = None):
        super().__init__()
        self.model, self.config = model, config or GeneratorConfig()
        c = self.config
        self.z_dim = LATENT_DIM
        channels = 3 * (c.canonical_channels + c.observation_channels)
        self.backbone = SynthesisNetwork(
            c.w_dim, c.plane_resolution, channels, c.channel_base, c.channel_max
        )
        surface_in = 3 * (c.canonical_channels + c.static_channels) + len(DETAIL_NAMES) + 5
        self.surface = PointDecoder(
            surface_in + _NUM_EXPRESSION,
            c.surface_width,
            _SURFACE_OUT,
            c.hidden_layers,
            c.w_dim,
            demodulate=False,
        )
        volume_in = 3 * c.observation_channels + 3 + NUM_VOLUME_FEATURES
        self.volume = PointDecoder(
            volume_in, c.volume_width, 2, c.hidden_layers, c.w_dim, demodulate=True
        )
        self.num_ws = self.backbone.num_ws + self.surface.num_ws + self.volume.num_ws + 1
        self.first_stage = Mapping(VECTOR_DIM + SHAPE_DIM, c.w_dim, self.num_ws)
        self.readout = Readout(c.w_dim, SHAPE_DIM, VECTOR_DIM)
        rng = torch.Generator().manual_seed(0)
        self.static_planes = nn.Parameter(
            smooth_noise_planes(c.static_channels, c.static_resolution, rng)
        )
        self.register_buffer("fixed_palette", torch.tensor(_FIXED_PALETTE), persistent=False)

    # -- latent -> planes ----------------------------------------------------------------------

    def mapping(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        """z (B, z_dim) -> ws (B, num_ws, w_dim)."""
        z = scale_latents(z, truncation)
        derived = derive(z, self.model).vector()
        return self.style_rows(HeadValues(betas=z[:, :SHAPE_DIM], values=derived))

    def style_rows(self, values: HeadValues) -> Tensor:
        """Betas and derived values -> ws (B, num_ws, w_dim); `readout` leads back."""
        return self.first_stage(torch.cat([values.values, 0.7 * values.betas], 1))

    def synthesis(self, ws: Tensor) -> Planes:
        """ws (B, num_ws, w_dim) -> generated planes."""
        c = self.config
        x = self.backbone(ws[:, : self.backbone.num_ws], noise_mode="none").float()
        x = x.reshape(len(ws), 3, -1, c.plane_resolution, c.plane_resolution)
        return Planes(x[:, :, : c.canonical_channels], x[:, :, c.canonical_channels :])

    def decoder_rows(self, ws: Tensor) -> tuple[Tensor, Tensor]:
        """The style rows of the surface and of the volume decoder."""
        first = self.backbone.num_ws
        last = first + self.surface.num_ws
        return ws[:, first:last], ws[:, last : last + self.volume.num_ws]

    def palette(self, values: HeadValues) -> Tensor:
        """Colours the surface branch mixes: (B, P, 3) sRGB."""
        own = [from_vector(values.values, name) for name in _PALETTE_FIELDS]
        fixed = self.fixed_palette.expand(len(own[0]), -1, -1)
        return torch.cat([torch.stack(own, 1), fixed], 1)

    def has_hanging_hair(self, values: HeadValues) -> Tensor:
        """Whether each head has a bob, long hair, tail or bun: (B,) bool."""
        amounts = [from_vector(values.values, name) for name in ("long", "tail", "bun")]
        return torch.stack(amounts).amax(0) > 0.05

    def part_values(self, values: HeadValues) -> PartValues:
        """What eyes, glasses and earrings need, read off the latent.

        Glasses and earrings are worn or not, as in the mesh: denoised latents lie between.
        """
        read = PartValues.collect(lambda name: from_vector(values.values, name))
        return replace(
            read,
            iris=read.iris.clamp(0, 1),
            glass=(read.glass > 0.5).to(read.glass),
            glass_shape=read.glass_shape.clamp(0, 1),
            ear=(read.ear > 0.5).to(read.ear),
            lash=read.lash.clamp(0, 1),
        )

    # -- planes -> field -----------------------------------------------------------------------

    def surface_branch(
        self,
        ws: Tensor,
        planes: Planes,
        values: HeadValues,
        guide: Guide,
        state: ExpressionState,
        detail: Tensor | None = None,
    ) -> SurfaceSample:
        """Read the canonical planes at guide.canonical (B, N, 3) under expression `state`.

        `detail` (B, N, D) may be passed where the fixed detail fields are known already.
        """
        p = guide.canonical
        at = plane_coordinates(p)
        if detail is None:
            detail = detail_fields(p)
        static = self._read_static(at)
        extra = torch.stack([guide.ao, guide.tongue], -1)
        features = [sample_planes(planes.canonical, at), static, detail]
        features += [cube_coordinates(p) * 2, extra, expression_features(state, p)]
        out = self.surface(torch.cat(features, -1), self.decoder_rows(ws)[0])
        return self._surface_sample(out, self.palette(values))

    def _read_static(self, at: Tensor) -> Tensor:
        """Shared planes at (B, N, 3), all heads as one long row: no copy of the planes a head."""
        features = sample_planes(self.static_planes[None], at.reshape(1, -1, 3))
        return features.reshape(*at.shape[:2], -1)

    def _surface_sample(self, out: Tensor, palette: Tensor) -> SurfaceSample:
        relief = 0.002 * out[..., 0]
        hair = 0.020 * torch.sigmoid(2 * out[..., 1]) * F.softplus(out[..., 2])
        beard = 0.005 * torch.sigmoid(2 * out[..., 3]) * F.softplus(out[..., 4])
        weights = torch.softmax(3 * out[..., 5 : 5 + _NUM_COLORS], -1)
        shade = out[..., 5 + _NUM_COLORS : 8 + _NUM_COLORS]
        residual = out[..., 8 + _NUM_COLORS : 11 + _NUM_COLORS]
        with torch.autocast(out.device.type, enabled=False):
            mixed = weights @ palette
        color = mixed * (1 + 0.6 * torch.tanh(shade)) + 0.1 * residual
        return SurfaceSample(relief + hair + beard, color, 2 * out[..., 11 + _NUM_COLORS :])

    def volume_branch(
        self, ws: Tensor, planes: Planes, values: HeadValues, q: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Hanging hair at q (B, N, 3): signed distance (B, N) m and shade (B, N)."""
        features = sample_planes(planes.observation, plane_coordinates(q))
        return self.volume_from_features(ws, features, values, q)

    def volume_from_features(
        self, ws: Tensor, features: Tensor, values: HeadValues, q: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same, the observation planes' features (B, N, 3 C) already read."""
        with torch.no_grad():
            wave = from_vector(values.values, "wave")
            strands = volume_features(q, measure(self.model, values.betas), wave)
        x = torch.cat([features, cube_coordinates(q) * 2, strands], -1)
        out = self.volume(x, self.decoder_rows(ws)[1])
        volume = torch.maximum(VOLUME_RANGE * torch.tanh(out[..., 0]), hair_box_distance(q))
        return volume, 0.2 + torch.sigmoid(out[..., 1])

    def compose(
        self,
        surface: SurfaceSample,
        distance: Tensor,
        volume: Tensor,
        shade: Tensor,
        values: HeadValues,
    ) -> FieldOutput:
        """Join both branches at distance D (B, N) from the mesh into one field."""
        hanging = self.has_hanging_hair(values)[:, None]
        volume = torch.where(hanging, volume, VOLUME_RANGE)
        skin = distance - surface.offset
        sdf = smooth_min(skin, volume, _BLEND)
        amount = smoothstep(skin - volume, -0.0065, -0.0015)
        hair = from_vector(values.values, "hair")
        strands = hair[:, None, :] * shade[..., None]
        color = surface.color + amount[..., None] * (strands - surface.color)
        return FieldOutput(sdf, color, self._with_hair(surface.logits, amount))

    @staticmethod
    def _with_hair(logits: Tensor, amount: Tensor) -> Tensor:
        """Logits (B, N, L) with the share `amount` (B, N) of each point given to hair."""
        labels = torch.softmax(logits, -1) * (1 - amount[..., None])
        hair = F.one_hot(torch.tensor(HAIR, device=logits.device), logits.shape[-1])
        return torch.log(labels + amount[..., None] * hair + 1e-6)
