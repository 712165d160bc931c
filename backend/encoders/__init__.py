"""Conditions into tokens for the denoiser, and the backbone that the face networks share."""
