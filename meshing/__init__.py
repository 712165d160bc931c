"""From a neural head field to an animatable head: surface, fit, bake, rig and accessories."""
