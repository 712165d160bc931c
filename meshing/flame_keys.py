"""Names of a FLAME head's shape keys: Shape_001, Expression_001, Pose_001 and so on."""

SHAPE_PREFIX, EXPRESSION_PREFIX, POSE_PREFIX = "Shape_", "Expression_", "Pose_"


def key_name(prefix: str, index: int) -> str:
    """Return the name of the key with one of the prefixes above; `index` counts from 0."""
    return f"{prefix}{index + 1:03d}"
