"""Controls of the generator: semantic attributes mapped to latents."""
