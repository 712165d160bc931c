"""Samplers on a distribution whose best denoiser is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from avatarmmc_blender.backend.diffusion.samplers import (
    ddim,
    dpm_solver_2m,
    draw_noise,
    time_grid,
)
from avatarmmc_blender.backend.diffusion.schedule import (
    alpha_sigma,
    diffuse,
    split_velocity,
    velocity,
)

SHAPE = (4, 8)
MODES = torch.tensor([-1.5, 0.5, 2.0])
WEIGHTS = torch.tensor([0.3, 0.5, 0.2])
WIDTH = 0.15


def best_velocity(x, t):
    """v of the best denoiser of independent Gaussian mixtures."""
    alpha, sigma = (value[..., None] for value in alpha_sigma(t))
    variance = (alpha * WIDTH) ** 2 + sigma**2
    away = x[..., None] - alpha * MODES
    share = torch.softmax(WEIGHTS.log() - away.square() / (2 * variance), -1)
    clean = (share * (MODES + alpha * WIDTH**2 / variance * away)).sum(-1)
    alpha, sigma = alpha[..., 0], sigma[..., 0]
    return (alpha * x - clean) / sigma


def test_velocity_splits_into_what_it_was_made_of():
    clean, noise, t = torch.randn(5, *SHAPE), torch.randn(5, *SHAPE), torch.rand(5)
    x = diffuse(clean, noise, t)
    a, b = split_velocity(x, velocity(clean, noise, t), t)
    assert torch.allclose(a, clean, atol=1e-5) and torch.allclose(b, noise, atol=1e-5)


def test_schedule_spans_log_snr_of_ten():
    alpha, sigma = alpha_sigma(torch.tensor([0.0, 0.5, 1.0]))
    log_snr = 2 * (alpha / sigma).log().flatten()
    assert log_snr.tolist() == pytest.approx([10, 0, -10], abs=1e-3)


@pytest.mark.parametrize("sampler", [ddim, dpm_solver_2m])
def test_samples_have_the_distribution(sampler):
    x = sampler(best_velocity, draw_noise(400, SHAPE, 0), time_grid(60)).flatten()
    nearest = (x[:, None] - MODES).abs().argmin(1)
    shares = torch.bincount(nearest, minlength=3) / len(x)
    assert (shares - WEIGHTS).abs().max() < 0.03
    assert (x - MODES[nearest]).std() == pytest.approx(WIDTH, rel=0.1)


def error(sampler, steps, noise, exact):
    return float((sampler(best_velocity, noise, time_grid(steps)) - exact).abs().mean())


def test_twenty_solver_steps_are_as_good_as_a_hundred_of_ddim():
    noise = draw_noise(60, SHAPE, 3)
    exact = ddim(best_velocity, noise, time_grid(3000))
    assert error(dpm_solver_2m, 20, noise, exact) <= error(ddim, 100, noise, exact)
    assert error(dpm_solver_2m, 20, noise, exact) < 0.3 * error(ddim, 20, noise, exact)


@pytest.mark.parametrize("sampler", [ddim, dpm_solver_2m])
def test_samplers_repeat_and_call_back(sampler):
    seen = []
    noise, times = draw_noise(3, SHAPE, 5), time_grid(10)
    first = sampler(best_velocity, noise, times, callback=lambda i, x: seen.append((i, x)))
    assert torch.equal(first, sampler(best_velocity, noise, times))
    assert [i for i, _ in seen] == list(range(10))
    assert torch.equal(seen[-1][1], first)


@pytest.mark.parametrize("sampler", [ddim, dpm_solver_2m])
def test_a_callback_cancels(sampler):
    calls = []

    def stop(step, clean):
        calls.append(step)
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sampler(best_velocity, draw_noise(1, SHAPE, 0), time_grid(10), callback=stop)
    assert calls == [0, 1, 2, 3]


def test_a_head_has_its_noise_whatever_the_batch():
    assert torch.equal(draw_noise(4, SHAPE, 7)[:2], draw_noise(2, SHAPE, 7))
    assert not torch.equal(draw_noise(1, SHAPE, 7), draw_noise(1, SHAPE, 8))


def test_one_step_is_the_prediction_itself():
    noise = draw_noise(2, SHAPE, 0)
    t = torch.ones(2)
    clean, _ = split_velocity(noise, best_velocity(noise, t), t)
    for sampler in (ddim, dpm_solver_2m):
        assert torch.equal(sampler(best_velocity, noise, time_grid(1)), clean)


def test_wrong_grids_are_refused():
    with pytest.raises(ValueError, match="at least 1 step"):
        time_grid(0)
    with pytest.raises(ValueError, match="start time"):
        time_grid(5, start=math.inf)
