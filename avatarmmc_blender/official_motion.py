"""A Next3D head in motion: the generator's own frames, and whether the rig moves as it does.

The identity is fixed; expression and jaw go through a loop.  The generator paints each frame anew
for FLAME's mesh in that pose.  The rig poses the one head that was fitted at rest.  If both agree,
the posed rig lies nearer to each frame's surface than the head at rest does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from . import official_pipeline
from .errors import AvatarError
from .meshing.flame_keys import EXPRESSION_PREFIX, key_name
from .models import import_torch
from .official_models import OfficialModel
from .stages import Progress
from .template import MODEL_FROM_FLAME

if TYPE_CHECKING:
    from .backend.official.field import OfficialField
    from .meshing.rigged_head import RiggedHead
    from .settings import GenerateSettings

EXPRESSIONS = 4  # of FLAME's that take part
STRENGTH = 1.5  # standard deviations
JAW_OPEN = 0.3  # radians
FARTHEST = 0.01  # m, greatest distance that counts


@dataclass(frozen=True)
class Motion:
    """One moment: FLAME's expression (E,) and the jaw's axis-angle (3,), about FLAME's axes."""

    expression: np.ndarray
    jaw: np.ndarray


@dataclass(frozen=True)
class MotionFrame:
    """The generator's picture (H, W, 3) uint8 of a moment.

    rig_error and rest_error are mean distances (m) of the face to the frame's surface, of the
    posed rig and of the head at rest; None if they were not asked for.
    """

    pixels: np.ndarray
    rig_error: float | None = None
    rest_error: float | None = None


def loop(count: int) -> list[Motion]:
    """Return `count` moments from rest through expressions and an open jaw, back towards rest."""
    moments = []
    for turn in 2.0 * np.pi * np.arange(count) / count:
        expression = STRENGTH * np.sin(turn * np.arange(1, EXPRESSIONS + 1))
        moments.append(Motion(expression, np.array([JAW_OPEN / 2 * (1 - np.cos(turn)), 0.0, 0.0])))
    return moments


def reenact(
    model: OfficialModel,
    settings: GenerateSettings,
    moments: list[Motion],
    check: bool = False,
    callback: Progress | None = None,
) -> Iterator[MotionFrame]:
    """Yield a frame for each moment; with `check` the rig of `settings` is compared in each.

    Raises AvatarError for an EG3D model, which no mesh moves.
    """
    torch = import_torch()
    from .backend.official.reenact import reenact as generated_frames

    official_pipeline.check_request(settings)
    if model.family != "next3d":
        raise AvatarError(f"The model {model.name} is no Next3D; only Next3D's heads move.")
    report = callback or (lambda stage, fraction: None)
    generator = model.generator
    head = _head_at_rest(model, settings, report) if check else None
    with torch.inference_mode():
        camera = official_pipeline.front_camera(model)
        latent = official_pipeline.make_latent(settings, model)
        ws = official_pipeline.make_styles(latent, model, settings.truncation)
        identity = generator.prepare(ws)
    meshes = [_mesh(model, moment) for moment in moments]
    frames = generated_frames(generator, identity, meshes, camera, blending=model.blending)
    for index, (frame, mesh) in enumerate(zip(frames, meshes, strict=True)):
        found = MotionFrame(frame.pixels().cpu().numpy())
        if head is not None:
            with torch.inference_mode():
                planes = generator.planes(identity, mesh, model.blending)
            field = official_pipeline.field_of(planes, model)
            found = _compared(found, head, model, field, moments[index], settings.resolution)
        report("rendering", (index + 1) / len(moments))
        yield found


def rig_vertices(head: RiggedHead, moment: Motion) -> np.ndarray:
    """Return the vertices (V, 3) of the rigged head in a moment, as Blender poses them."""
    torch = import_torch()
    from .backend.head_model.skinning import rotation_matrices, skin

    (part,) = head.parts
    vertices = part.vertices.astype(np.float64)
    for index, amount in enumerate(moment.expression):
        vertices = vertices + amount * part.shape_keys[key_name(EXPRESSION_PREFIX, index)]
    pose = torch.zeros(1, len(head.joint_names), 3, dtype=torch.float64)
    pose[0, head.joint_names.index("jaw")] = torch.from_numpy(MODEL_FROM_FLAME @ moment.jaw)
    rotations = rotation_matrices(pose)
    turned = rotations[0].numpy() - np.eye(3)
    for name, element in part.pose_keys.items():
        joint = head.joint_names.index(element.joint)
        vertices = vertices + turned[joint, element.row, element.column] * part.shape_keys[name]
    tensors = [torch.from_numpy(np.asarray(a, np.float64)) for a in (vertices, head.joints)]
    weights = torch.from_numpy(part.weights.astype(np.float64))
    posed, _ = skin(tensors[0][None], tensors[1][None], rotations, head.joint_parents, weights)
    return posed[0].numpy()


def _head_at_rest(
    model: OfficialModel, settings: GenerateSettings, callback: Progress
) -> RiggedHead:
    latent = official_pipeline.make_latent(settings, model)
    field = official_pipeline.make_field(latent, model, settings.truncation)
    try:
        return official_pipeline.make_head(field, model, settings, callback)
    except ValueError as error:
        raise AvatarError.no_head(error) from error


def _mesh(model: OfficialModel, moment: Motion):
    torch = import_torch()
    flame = model.flame
    expression = torch.from_numpy(moment.expression)[None].to(flame.v_template)
    jaw = torch.from_numpy(moment.jaw)[None].to(flame.v_template)
    try:
        return flame.generator_mesh(expression.new_zeros(1, 1), expression, jaw)
    except ValueError as error:
        raise AvatarError.from_error(error) from error


def _compared(
    frame: MotionFrame,
    head: RiggedHead,
    model: OfficialModel,
    field: OfficialField,
    moment: Motion,
    resolution: int,
) -> MotionFrame:
    from .meshing.geometry import NearestOnMesh
    from .meshing.surface import extract_surface

    try:
        surface = extract_surface(field, resolution)
    except ValueError as error:
        raise AvatarError(f"A frame has no surface ({error}); try another seed.") from error
    nearest = NearestOnMesh(surface.vertices, surface.faces)
    face = model.template.face > 0.5

    def error(vertices: np.ndarray) -> float:
        _, _, distance = nearest.query(vertices[face])
        return float(np.minimum(distance, FARTHEST).mean())

    at_rest = head.parts[0].vertices
    return replace(frame, rig_error=error(rig_vertices(head, moment)), rest_error=error(at_rest))
