"""Latent diffusion over a generator: schedule, denoiser, samplers, guidance, editing."""
