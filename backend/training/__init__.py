"""Training of the bundled models; each module runs as `python -m backend.training.<name>`."""
