"""Measures the latent diffusion against the optimisation baseline on held-out heads."""
