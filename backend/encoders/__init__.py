"""Networks that turn conditions into tokens for the denoiser."""
