"""Brings a head into line with a label map: seen, compared, moved, a few times over."""
