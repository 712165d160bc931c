"""Optimisation of a generator's latent against conditions: the baseline, and refinement."""
