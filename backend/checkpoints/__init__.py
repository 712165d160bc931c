"""Official checkpoints and FLAME files: read without running them, checked, stored."""
