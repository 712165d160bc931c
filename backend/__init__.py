"""Models and training of AvatarMMC: head model, synthetic heads, generator, conditions.

A leaf package: it imports neither Blender nor the add-on nor the meshing package.
"""
