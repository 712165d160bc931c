"""Solves the read-out of trained weights in closed form, far closer than descent leaves it."""

import torch
import torch.nn.functional as F

from ..generator.generator import Generator
from ..synthetic.latent import SHAPE_DIM, derive
from .latents import sample_training_latents

_RIDGE = 1e-6


@torch.no_grad()
def solve_readout(generator: Generator, samples: int = 20_000, seed: int = 0) -> float:
    """Least squares of the true values on the style row and the read-out's hidden units.

    Replaces the linear and the output layer of `generator.readout`; the hidden layer stays as
    trained.  Returns the root mean square error of the betas on fresh latents.
    """
    rng = torch.Generator().manual_seed(seed)
    readout = generator.readout
    features, truth = _samples(generator, samples, rng)
    gram = features.T @ features / samples
    gram += _RIDGE * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    solution = torch.linalg.solve(gram, features.T @ truth / samples).float()
    width = readout.linear.in_features
    readout.linear.weight.copy_(solution[:width].T)
    readout.linear.bias.copy_(solution[-1])
    readout.out.weight.copy_(solution[width:-1].T)
    readout.out.bias.zero_()
    features, truth = _samples(generator, 2000, rng)
    error = (features @ solution.double() - truth)[:, :SHAPE_DIM]
    return float(error.square().mean().sqrt())


def _samples(
    generator: Generator, count: int, rng: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (N, w_dim + hidden + 1) and true values (N, betas + values), double precision."""
    z = sample_training_latents(count, rng).to(generator.model.device)
    w = generator.mapping(z)[:, -1]
    hidden = F.silu(generator.readout.hidden(w))
    features = torch.cat([w, hidden, torch.ones_like(w[:, :1])], 1)
    truth = torch.cat([z[:, :SHAPE_DIM], derive(z, generator.model).vector()], 1)
    return features.double(), truth.double()
